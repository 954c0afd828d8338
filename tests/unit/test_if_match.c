#include "if_match.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { VERSIONS_TRIED = 500 };

static bool holds(const struct cart_condition *condition, int32_t version)
{
    const struct cart cart = {.status = CART_OPEN, .version = version};
    return cart_condition_holds(condition, &cart) == CART_ACCEPTED;
}

/* "none", "*", or the versions that match, as in "1 7"; NULL when it is not well formed. */
static const char *read_bytes(const char *bytes, size_t length)
{
    static char text[512];
    struct cart_condition condition;
    char *copy = malloc(length == 0 ? 1 : length);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, length);
    memset(&condition, 0, sizeof(condition));
    bool well_formed = if_match_parse((struct str){copy, length}, &condition);
    cr_assert(!well_formed || condition.given);
    size_t at = 0;
    text[0] = '\0';
    for (int i = 1; well_formed && !condition.any && i <= VERSIONS_TRIED; i++) {
        int32_t version = i < VERSIONS_TRIED ? i : INT32_MAX;
        if (holds(&condition, version))
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d", at == 0 ? "" : " ",
                                   (int)version);
    }
    free(copy);
    return !well_formed ? NULL : condition.any ? "*" : text;
}

static void assert_reads(const char *field, const char *expected)
{
    const char *actual = read_bytes(field, strlen(field));
    cr_assert_not_null(actual, "refused: %s", field);
    cr_assert_str_eq(actual, expected, "%s gives %s", field, actual);
}

static void assert_refused(const char *field)
{
    cr_assert_null(read_bytes(field, strlen(field)), "taken: '%s'", field);
}

Test(if_match, given_no_field_when_read_then_a_condition_that_always_holds)
{
    struct cart_condition condition;
    memset(&condition, 0x5a, sizeof(condition));
    cr_assert(if_match_parse(STR_NONE, &condition));
    cr_assert_not(condition.given);
}

Test(if_match, given_a_star_when_read_then_any_version)
{
    assert_reads("*", "*");
    assert_reads(" \t* \t", "*");
}

Test(if_match, given_versions_when_read_then_they_can_match)
{
    assert_reads("\"6\"", "6");
    assert_reads(" \"6\" ", "6");
    assert_reads("\"1\", \"2\",\"3\"\t,\t\"2147483647\"", "1 2 3 2147483647");
}

Test(if_match, given_tags_that_are_no_versions_when_read_then_they_never_match)
{
    static const char *const others[] = {"W/\"6\"",        "\"\"",
                                         "\"x\"",          "\"06\"",
                                         "\"0\"",          "\"-6\"",
                                         "\"+6\"",         "\"6.0\"",
                                         "\"2147483648\"", "\"6x\"",
                                         "\"\xc3\xa4\"",   "\"*\"",
                                         "\"W/6\"",        "\"18446744073709551617\"",
                                         "\"\xff\"",       "W/\"\"",
                                         "\"a,b\"",        "\"\\\""};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_reads(others[i], "");
    assert_reads("W/\"6\", \"7\", \"x\"", "7");
    assert_reads("\"a,\",\"7\"", "7");
    assert_reads("\"*\", \"7\"", "7");
}

Test(if_match, given_empty_elements_when_read_then_they_are_ignored)
{
    assert_reads(", \"6\"", "6");
    assert_reads("\"6\",", "6");
    assert_reads(",,\"6\" , ,\t, \"7\",", "6 7");
}

Test(if_match, given_what_is_not_well_formed_when_read_then_refused)
{
    static const char *const wrong[] = {
        "",       " ",        ",",           ", ,",        "6",           "'6'",      "\"6",
        "6\"",    "\"",       "\"6\" \"7\"", "\"6\"\"7\"", "\"6\";\"7\"", "w/\"6\"",  "W/ \"6\"",
        "W/6",    "W/",       "W",           "*, \"6\"",   "\"6\", *",    "**",       "*,",
        "*, *",   ",*",       "\"6 \"",      "\" 6\"",     "\"a b\"",     "\"6\", 7", "\"6\" x",
        "\"\t\"", "\"\x7f\"", "\"\x01\"",    "W/W/\"6\"",  "/\"6\""};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_refused(wrong[i]);
    cr_assert_null(read_bytes("\"6\0\"", 4));
    cr_assert_null(read_bytes("\"6\"\0", 4));
}

Test(if_match, given_a_refused_field_when_read_then_nothing_is_written)
{
    struct cart_condition condition;
    struct cart_condition untouched;
    memset(&condition, 0x5a, sizeof(condition));
    memset(&untouched, 0x5a, sizeof(untouched));
    cr_assert_not(if_match_parse(STR_LITERAL("\"6\", x"), &condition));
    cr_assert_arr_eq(&condition, &untouched, sizeof(untouched));
}

Test(if_match, given_many_tags_when_read_then_each_of_them_can_match)
{
    char field[16384] = "";
    size_t at = 0;
    for (int i = 1; i <= 1500; i++)
        at += (size_t)snprintf(field + at, sizeof(field) - at, "\"%d\", ", i);
    struct cart_condition condition;
    cr_assert(if_match_parse((struct str){field, at}, &condition));
    for (int32_t version = 1; version <= 1500; version++)
        cr_assert(holds(&condition, version), "%d", (int)version);
    cr_assert_not(holds(&condition, 1501));
}

Test(if_match, given_a_field_when_it_ends_early_or_is_changed_then_it_is_answered)
{
    static const char whole[] = "\"1\", W/\"22\",, \"x,\" ,\"333\"";
    static const char bytes[] = "\"W/*, \t1\0\x7f\xff";
    for (size_t length = 0; length < sizeof(whole); length++)
        (void)read_bytes(whole, length);
    for (size_t at = 0; at < sizeof(whole) - 1; at++) {
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
            char changed[sizeof(whole)];
            memcpy(changed, whole, sizeof(whole));
            changed[at] = bytes[i];
            (void)read_bytes(changed, sizeof(whole) - 1);
        }
    }
    cr_assert_str_eq(read_bytes(whole, sizeof(whole) - 1), "1 333");
}
