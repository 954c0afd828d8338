/* What a GET brings in its header fields: If-None-Match, Prefer. */
#include "if_none_match.h"
#include "prefer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* --- If-None-Match ------------------------------------------------------------------------- */

/* Whether version 7 is one that the client has; -1: malformed. */
static int has_seven(const char *field)
{
    struct if_none_match condition;
    if (!if_none_match_parse(str_from(field), &condition))
        return -1;
    return if_none_match_has(&condition, 7) ? 1 : 0;
}

Test(if_none_match, a_tag_of_the_version_in_any_form_matches)
{
    const char *const fields[] = {
        "\"7\"",
        "W/\"7\"",
        "*",
        " * ",
        "\"6\", \"7\"",
        "\"7\",\"8\"",
        "\"6\",W/\"7\" ,\t\"9\"",
        ", ,\"7\",,",
        "\"abc\", \"7\"",
        "\"7,8\", \"7\"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        cr_assert_eq(has_seven(fields[i]), 1, "%s", fields[i]);
}

Test(if_none_match, another_tag_or_none_does_not_match)
{
    const char *const fields[] = {
        NULL,      "\"6\"",    "\"77\"", "\"07\"",  "\"+7\"",   "\"\"",
        "\"8,7\"", "W/\"70\"", "\"-7\"", "\"7.0\"", "\"\x80\"", "\"4294967303\"", /* 7 + 2^32 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        cr_assert_eq(has_seven(fields[i]), 0, "%s", fields[i]);
}

Test(if_none_match, what_is_no_list_of_tags_is_malformed)
{
    const char *const fields[] = {
        "",    " ",           ",",           "7",        "\"7",      "7\"", "w/\"7\"",
        "W/7", "W/ \"7\"",    "\"7\" \"8\"", "*, \"7\"", "\"7\", *", "**",  "\"7\"x",
        "'7'", "\"7\";\"8\"", "\"a\x7f\"",   "\"a\tb\"", "\"7 \"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        cr_assert_eq(has_seven(fields[i]), -1, "%s", fields[i]);
}

Test(if_none_match, each_of_many_tags_matches)
{
    char field[1024] = "";
    size_t length = 0;
    for (int i = 100; i < 200; i++)
        length += (size_t)snprintf(field + length, sizeof(field) - length, "\"%d\", ", i);
    struct if_none_match condition;
    cr_assert(if_none_match_parse((struct str){field, length}, &condition));
    for (int i = 100; i < 200; i++)
        cr_assert(if_none_match_has(&condition, i));
    cr_assert_not(if_none_match_has(&condition, 99));
    cr_assert_not(if_none_match_has(&condition, 200));
    cr_assert_not(if_none_match_has(&condition, 10));
}

Test(if_none_match, the_largest_version_is_one)
{
    struct if_none_match condition;
    cr_assert(if_none_match_parse(STR_LITERAL("\"2147483647\""), &condition));
    cr_assert(if_none_match_has(&condition, INT32_MAX));
}

Test(if_none_match, every_beginning_of_a_field_is_read_within_its_bounds)
{
    static const char field[] = "W/\"12\" , \"7\",*";
    static const char well_formed[] = "______####__##_";
    for (size_t length = 0; length < sizeof(field); length++) {
        struct if_none_match condition;
        char *exact = malloc(length + 1); /* for AddressSanitizer to watch its end */
        cr_assert_not_null(exact);
        memcpy(exact + 1, field, length);
        cr_assert_eq(if_none_match_parse((struct str){exact + 1, length}, &condition),
                     well_formed[length] == '#', "%zu", length);
        free(exact);
    }
}

/* --- Prefer -------------------------------------------------------------------------------- */

/* Seconds, or -1: no preference. */
static int wait_of(const char *field)
{
    int seconds;
    return prefer_wait(str_from(field), 10, &seconds) ? seconds : -1;
}

Test(prefer, wait_is_found_among_others)
{
    cr_assert_eq(wait_of("wait=2"), 2);
    cr_assert_eq(wait_of("wait=0"), 0);
    cr_assert_eq(wait_of("WAIT=3"), 3);
    cr_assert_eq(wait_of("wait = 4"), 4);
    cr_assert_eq(wait_of("wait=\"5\""), 5);
    cr_assert_eq(wait_of("respond-async, wait=6"), 6);
    cr_assert_eq(wait_of("respond-async,wait=7,handling=lenient"), 7);
    cr_assert_eq(wait_of("wait=8; unit=\"s,\""), 8);
    cr_assert_eq(wait_of("foo=\"a, wait=1\", wait=9"), 9);
    cr_assert_eq(wait_of("foo=\"a\\\", wait=1\", wait=9"), 9);
    cr_assert_eq(wait_of(" ,, wait=2 ,"), 2);
    cr_assert_eq(wait_of("foo; wait=1, wait=3"), 3);
}

Test(prefer, the_first_wait_counts_and_long_ones_are_cut)
{
    cr_assert_eq(wait_of("wait=2, wait=3"), 2);
    cr_assert_eq(wait_of("wait=10"), 10);
    cr_assert_eq(wait_of("wait=11"), 10);
    cr_assert_eq(wait_of("wait=99999999999999999999999999"), 10);
    cr_assert_eq(wait_of("wait=007"), 7);
}

Test(prefer, what_is_not_understood_is_nobodys_preference)
{
    const char *const fields[] = {
        NULL,       "",         "wait",      "wait=",   "wait=x",  "wait=-1",
        "wait=1.5", "wait=\"",  "wait=\"\"", "waits=2", "await=2", "x=wait=2",
        "wait=2 3", "\"wait=2", "wait=+2",   "wait==2",
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        cr_assert_eq(wait_of(fields[i]), -1, "%s", fields[i]);
}
