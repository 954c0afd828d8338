#include "json_scan.h"

#include <criterion/criterion.h>
#include <jansson.h>

Test(json_scan, given_nesting_up_to_the_limit_then_it_is_ok_and_one_more_is_not)
{
    cr_assert(json_depth_ok(STR_LITERAL("[[{\"a\":[]}]]"), 4));
    cr_assert_not(json_depth_ok(STR_LITERAL("[[{\"a\":[]}]]"), 3));
    cr_assert(json_depth_ok(STR_LITERAL("[[],[],{},[[]]]"), 3));
    cr_assert(json_depth_ok(STR_LITERAL("7"), 0));
    cr_assert(json_depth_ok(STR_LITERAL(""), 0));
    cr_assert(json_depth_ok(STR_NONE, 0));
}

Test(json_scan, given_brackets_in_strings_then_they_do_not_count)
{
    cr_assert(json_depth_ok(STR_LITERAL("[\"[[[{{\\\"[[\",\"\\\\\",\"]\"]"), 1));
    cr_assert_not(json_depth_ok(STR_LITERAL("[\"\\\\\",[]]"), 1));
    cr_assert(json_depth_ok(STR_LITERAL("[\"unfinished [[[["), 1));
    cr_assert(json_depth_ok(STR_LITERAL("\"\\"), 1));
}

static void assert_members(const char *json, const char *const *expected, size_t count)
{
    json_error_t error;
    json_t *parsed = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(parsed, "%s: %s", json, error.text);
    cr_assert_eq(json_object_size(parsed), count);
    struct json_members members = json_members_of(str_from(json));
    struct str value;
    size_t at = 0;
    const char *key;
    json_t *member;
    json_object_foreach(parsed, key, member)
    {
        cr_assert(json_members_next(&members, &value), "%s: member %zu", json, at);
        cr_assert(str_equal_literal(value, expected[at]), STR_FORMAT " is not %s", STR_ARGS(value),
                  expected[at]);
        json_t *alone = json_loadb(value.bytes, value.length, JSON_DECODE_ANY, NULL);
        cr_assert(json_equal(alone, member), "%s is what jansson has for it", key);
        json_decref(alone);
        at++;
    }
    cr_assert_not(json_members_next(&members, &value));
    json_decref(parsed);
}

Test(json_scan, given_an_object_then_each_value_is_given_as_it_was_written)
{
    assert_members("{\"a\":1,\"b\":\"x\",\"c\":{\"d\":[1,2]},\"e\":null}",
                   (const char *[]){"1", "\"x\"", "{\"d\":[1,2]}", "null"}, 4);
    assert_members("{}", NULL, 0);
    assert_members(" \t\r\n{ \n } ", NULL, 0);
}

Test(json_scan, given_odd_but_valid_json_then_the_values_are_cut_out_exactly)
{
    assert_members(" { \"a\" : -1.50E+2 ,\n\t\"}\" : \"},{\\\"\\\\\" , \"d\\u0061ta\" : { \"x\" : "
                   "[ \"]\" , { } ] } ,\"\":[ ] , \"z,\":true\r\n}\n",
                   (const char *[]){"-1.50E+2", "\"},{\\\"\\\\\"", "{ \"x\" : [ \"]\" , { } ] }",
                                    "[ ]", "true"},
                   5);
    assert_members("{\"a\":\"\\\\\\\\\",\"b\":\"\\\\\\\"\",\"c\":\"\\u007d\\/\"}",
                   (const char *[]){"\"\\\\\\\\\"", "\"\\\\\\\"\"", "\"\\u007d\\/\""}, 3);
}

Test(json_scan, given_no_object_then_the_walk_ends_inside_the_text)
{
    static const char *const wrong[] = {
        "",        "[1,2]",    "7",         "{",        "{\"",        "{\"a", "{\"a\\", "{\"a\"",
        "{\"a\":", "{\"a\":}", "{\"a\":\"", "{\"a\":[", "{\"a\":1,,", "{]}",  "{1:2}"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        size_t length = strlen(wrong[i]);
        char *copy = malloc(length + 1); /* exact, for AddressSanitizer */
        memcpy(copy, wrong[i], length);
        struct json_members members = json_members_of((struct str){copy, length});
        struct str value;
        size_t count = 0;
        while (json_members_next(&members, &value)) {
            cr_assert(value.bytes >= copy && value.bytes + value.length <= copy + length);
            cr_assert_lt(++count, 10);
        }
        free(copy);
    }
}

Test(json_scan, given_no_text_then_it_has_no_members)
{
    struct json_members members = json_members_of(STR_NONE);
    struct str value;
    cr_assert_not(json_members_next(&members, &value));
}
