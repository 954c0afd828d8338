#include "uuid.h"

#include "clock.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

Test(uuid, given_text_when_parsed_and_formatted_then_it_is_the_same_in_lower_case)
{
    struct uuid uuid;
    char text[UUID_TEXT_LENGTH + 1];
    cr_assert(uuid_parse(STR_LITERAL("0198F3A2-7c4d-7E00-8123-456789abCDEF"), &uuid));
    uuid_format(&uuid, text);
    cr_assert_str_eq(text, "0198f3a2-7c4d-7e00-8123-456789abcdef");
    cr_assert_eq(uuid.bytes[0], 0x01);
    cr_assert_eq(uuid.bytes[15], 0xef);
}

Test(uuid, given_anything_else_when_parsed_then_it_is_refused)
{
    static const char *const wrong[] = {
        "",
        "0198f3a2-7c4d-7e00-8123-456789abcde",
        "0198f3a2-7c4d-7e00-8123-456789abcdef0",
        "0198f3a2-7c4d-7e00-8123-456789abcdeg",
        "0198f3a27-c4d-7e00-8123-456789abcdef",
        "0198f3a2-7c4d-7e00-8123_456789abcdef",
        "{198f3a2-7c4d-7e00-8123-456789abcde}",
        "0198f3a27c4d7e008123456789abcdef",
        " 198f3a2-7c4d-7e00-8123-456789abcdef",
        "0198f3a2-7c4d-7e00-8123-456789abcde\xc3",
    };
    struct uuid uuid;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(uuid_parse(str_from(wrong[i]), &uuid), "%s", wrong[i]);
    cr_assert_not(uuid_parse(STR_NONE, &uuid));
}

/* RFC 9562, appendix A.6: 2022-02-22T19:22:22.000Z, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F. */
Test(uuid, given_the_time_of_the_rfc_when_v7_is_made_then_it_is_its_example)
{
    /* 0xCC3 of 4096 parts of a millisecond is 797.6 us: 798 us give 0xCC4. */
    static const uint8_t random[8] = {0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    struct uuid uuid = uuid_v7(INT64_C(1645557742000) * 1000 + 798, random);
    char text[UUID_TEXT_LENGTH + 1];
    uuid_format(&uuid, text);
    cr_assert_str_eq(text, "017f22e2-79b0-7cc4-98c4-dc0c0c07398f");
}

Test(uuid, given_later_times_when_v7_is_made_then_ids_sort_later)
{
    static const uint8_t high[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t low[8] = {0};
    for (int64_t us = 1700000000000000; us < 1700000000005000; us++) {
        struct uuid before = uuid_v7(us, high);
        struct uuid after = uuid_v7(us + 1, low);
        cr_assert_lt(memcmp(before.bytes, after.bytes, 16), 0, "at %lld", (long long)us);
    }
}

Test(uuid, given_a_digest_when_v8_is_made_then_only_version_and_variant_are_set)
{
    uint8_t digest[16];
    memset(digest, 0xff, sizeof(digest));
    struct uuid uuid = uuid_v8(digest);
    char text[UUID_TEXT_LENGTH + 1];
    uuid_format(&uuid, text);
    cr_assert_str_eq(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
}

Test(uuid, given_many_ids_of_now_then_all_differ_and_are_version_7)
{
    enum { COUNT = 2000 };
    static struct uuid ids[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        ids[i] = uuid_v7_now();
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert_eq(ids[i].bytes[6] >> 4, 7);
        cr_assert_eq(ids[i].bytes[8] >> 6, 2);
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(memcmp(ids[i].bytes + 8, ids[j].bytes + 8, 8), 0, "%zu and %zu", i, j);
    }
}

Test(uuid, given_a_forked_child_then_its_random_bytes_are_not_its_parents)
{
    struct uuid before = uuid_v7_now(); /* fills the pool */
    (void)before;
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct uuid theirs = uuid_v7_now();
        _exit(write(ends[1], theirs.bytes, 16) == 16 ? 0 : 1);
    }
    struct uuid ours = uuid_v7_now();
    struct uuid theirs;
    cr_assert_eq(read(ends[0], theirs.bytes, 16), 16);
    waitpid(child, NULL, 0);
    cr_assert_neq(memcmp(ours.bytes + 8, theirs.bytes + 8, 8), 0);
}
