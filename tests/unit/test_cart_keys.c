#include "cart_keys.h"

#include "command_request.h"
#include "failing_memory.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct str numbered(int number, char buffer[32])
{
    return (struct str){buffer, (size_t)snprintf(buffer, 32, "key-%d", number)};
}

/* One by one it would take minutes. */
Test(cart_keys, finds_each_of_many_keys_and_no_other, .timeout = 20)
{
    enum { MANY = 200000 };
    AUTO(cart_keys_done) struct cart_keys keys = {0};
    char buffer[32];
    for (int i = 1; i <= MANY; i++)
        cr_assert(cart_keys_add(&keys, numbered(i, buffer), i));
    for (int i = 1; i <= MANY; i++)
        cr_assert_eq(cart_keys_find(&keys, numbered(i, buffer)), i);
    cr_expect_eq(cart_keys_find(&keys, STR_LITERAL("key-")), 0);
    cr_expect_eq(cart_keys_find(&keys, STR_LITERAL("key-1000000")), 0);
    cr_expect_eq(cart_keys_find(&keys, STR_NONE), 0);
    cr_expect_geq(cart_keys_memory(&keys), keys.length);
}

static enum status many_are_kept(struct error *error)
{
    AUTO(cart_keys_done) struct cart_keys keys = {0};
    char buffer[32];
    for (int i = 1; i <= 200; i++)
        if (!cart_keys_add(&keys, numbered(i, buffer), i))
            return error_set(error, STATUS_NO_MEMORY, "key %d", i);
    return STATUS_OK;
}

Test(cart_keys, each_allocation_that_fails_is_told)
{
    cr_assert_gt(each_allocation_fails(many_are_kept, STATUS_NO_MEMORY), 3);
}

Test(cart_keys, of_a_key_that_comes_again_the_first_version_counts_however_many_there_are)
{
    AUTO(cart_keys_done) struct cart_keys keys = {0};
    char buffer[32];
    for (int round = 0; round < 2; round++)
        for (int i = 1; i <= 200; i++)
            cr_assert(cart_keys_add(&keys, numbered(i, buffer), round * 200 + i));
    for (int i = 1; i <= 200; i++)
        cr_assert_eq(cart_keys_find(&keys, numbered(i, buffer)), i);
}

Test(cart_keys, of_a_command_with_several_events_the_first_counts)
{
    AUTO(cart_keys_done) struct cart_keys keys = {0};
    cr_assert(cart_keys_add(&keys, STR_LITERAL("a"), 2));
    cr_assert(cart_keys_add(&keys, STR_LITERAL("a"), 3));
    cr_assert(cart_keys_add(&keys, STR_NONE, 4));
    cr_assert(cart_keys_add(&keys, STR_LITERAL("b"), 5));
    cr_expect_eq(cart_keys_find(&keys, STR_LITERAL("a")), 2);
    cr_expect_eq(cart_keys_find(&keys, STR_LITERAL("b")), 5);
}

Test(cart_keys, keys_of_any_length_are_told_apart)
{
    AUTO(cart_keys_done) struct cart_keys keys = {0};
    char longest[COMMAND_KEY_BYTES_MAX + 1];
    memset(longest, 'k', sizeof(longest));
    for (size_t length = 1; length <= COMMAND_KEY_BYTES_MAX; length++)
        cr_assert(cart_keys_add(&keys, (struct str){longest, length}, (int32_t)length));
    for (size_t length = 1; length <= COMMAND_KEY_BYTES_MAX; length++)
        cr_assert_eq(cart_keys_find(&keys, (struct str){longest, length}), (int32_t)length);
    cr_assert(cart_keys_add(&keys, (struct str){longest, sizeof(longest)}, 300));
    cr_expect_eq(cart_keys_find(&keys, (struct str){longest, sizeof(longest)}), 0,
                 "nobody can ask for it");
}
