/* What is found by a UUID: which entries are found, and in which order of use they stand. */
#include "uuid_lru.h"

#include "failing_memory.h"

enum { MANY = 5000 };

struct thing {
    int number;
    struct uuid_lru_entry entry;
};

static struct uuid_lru lru;
static struct thing things[MANY + 1];

static struct uuid id_of(int number)
{
    return (struct uuid){{(uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static struct uuid_lru_entry *find(int number)
{
    struct uuid id = id_of(number);
    return uuid_lru_find(&lru, &id);
}

static void begin(void)
{
    cr_assert(uuid_lru_init(&lru));
    for (int number = 0; number <= MANY; number++)
        things[number] = (struct thing){number, {.id = id_of(number)}};
}

static void end(void)
{
    while (lru.oldest != NULL)
        uuid_lru_remove(&lru, lru.oldest);
    uuid_lru_done(&lru);
}

TestSuite(uuid_lru, .init = begin, .fini = end);

static void given(int count)
{
    for (int number = 0; number < count; number++)
        uuid_lru_add(&lru, &things[number].entry);
}

/* From the most to the least recently used, and back. */
static void then_order_is(const int *numbers, size_t count)
{
    struct uuid_lru_entry *entry = lru.newest;
    for (size_t i = 0; i < count; i++, entry = entry->older) {
        cr_assert_not_null(entry);
        cr_expect_eq(CONTAINER_OF(entry, struct thing, entry)->number, numbers[i], "place %zu", i);
    }
    cr_expect_null(entry);
    entry = lru.oldest;
    for (size_t i = count; i-- > 0; entry = entry->newer) {
        cr_assert_not_null(entry);
        cr_expect_eq(CONTAINER_OF(entry, struct thing, entry)->number, numbers[i], "place %zu", i);
    }
    cr_expect_null(entry);
    cr_expect_eq(lru.count, count);
}

#define THEN_ORDER_IS(...)                                                                         \
    then_order_is((const int[]){__VA_ARGS__}, ARRAY_SIZE(((const int[]){__VA_ARGS__})))

Test(uuid_lru, given_many_entries_then_each_is_found_and_no_other)
{
    size_t empty = uuid_lru_memory(&lru);
    int blocks = blocks_in_use;
    given(MANY);
    cr_expect_eq(blocks_in_use, blocks, "the slots before are released");
    cr_expect_geq(uuid_lru_memory(&lru), MANY * sizeof(void *), "a slot for each");
    cr_expect_gt(uuid_lru_memory(&lru), empty);
    for (int number = 0; number < MANY; number++)
        cr_expect_eq(find(number), &things[number].entry, "%d", number);
    cr_expect_null(find(MANY));
    cr_expect_eq(lru.count, MANY);
}

Test(uuid_lru, given_every_second_one_is_removed_then_the_others_are_found)
{
    given(MANY);
    for (int number = 0; number < MANY; number += 2)
        uuid_lru_remove(&lru, &things[number].entry);
    for (int number = 0; number < MANY; number++)
        cr_expect_eq(find(number), number % 2 == 0 ? NULL : &things[number].entry, "%d", number);
    cr_expect_eq(lru.count, MANY / 2);
    end();
    cr_expect_eq(blocks_in_use, 0);
}

Test(uuid_lru, when_entries_are_used_then_they_are_the_newest)
{
    given(4);
    THEN_ORDER_IS(3, 2, 1, 0);
    uuid_lru_use(&lru, &things[1].entry);
    THEN_ORDER_IS(1, 3, 2, 0);
    uuid_lru_use(&lru, &things[0].entry);
    THEN_ORDER_IS(0, 1, 3, 2);
    uuid_lru_use(&lru, &things[0].entry);
    THEN_ORDER_IS(0, 1, 3, 2);
    cr_expect_not_null(find(2));
    THEN_ORDER_IS(0, 1, 3, 2);
}

Test(uuid_lru, when_entries_are_removed_anywhere_then_the_order_of_the_others_stays)
{
    given(5);
    uuid_lru_remove(&lru, &things[2].entry);
    THEN_ORDER_IS(4, 3, 1, 0);
    uuid_lru_remove(&lru, lru.newest);
    THEN_ORDER_IS(3, 1, 0);
    uuid_lru_remove(&lru, lru.oldest);
    THEN_ORDER_IS(3, 1);
    uuid_lru_add(&lru, &things[2].entry);
    THEN_ORDER_IS(2, 3, 1);
}

Test(uuid_lru, given_no_memory_for_more_slots_then_entries_come_all_the_same)
{
    size_t empty = uuid_lru_memory(&lru);
    int count = (int)lru.slot_count + 1;
    allocations_until_failure = 0;
    given(count);
    cr_expect_eq(uuid_lru_memory(&lru), empty);
    for (int number = 0; number < count; number++)
        cr_expect_eq(find(number), &things[number].entry, "%d", number);
}

Test(uuid_lru, given_no_memory_then_there_is_no_table)
{
    struct uuid_lru none = {0};
    allocations_until_failure = 0;
    cr_expect_not(uuid_lru_init(&none));
    uuid_lru_done(&none);
}
