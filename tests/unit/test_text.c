#include "text.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void assert_holds(const struct text *text, const char *expected)
{
    cr_assert(text_ok(text));
    cr_assert(str_equal_literal(text_str(text), expected), "\"" STR_FORMAT "\" is not \"%s\"",
              STR_ARGS(text_str(text)), expected);
}

Test(text, given_pieces_when_appended_then_they_are_joined)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(100);
    text_append(&text, "ab", 2);
    text_append_char(&text, 'c');
    text_append_str(&text, STR_LITERAL("de"));
    text_append_str(&text, STR_NONE);
    text_append_terminated(&text, "f");
    text_format(&text, "%d-%s", 7, "x");
    assert_holds(&text, "abcdef7-x");
}

Test(text, given_nothing_then_it_is_empty_and_not_none)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(100);
    cr_assert_not(str_is_none(text_str(&text)));
    cr_assert_eq(text_str(&text).length, 0);
}

Test(str, given_none_then_it_equals_only_none)
{
    cr_assert(str_equal(STR_NONE, STR_NONE));
    cr_assert_not(str_equal(STR_NONE, STR_LITERAL("")));
    cr_assert_not(str_equal(STR_LITERAL(""), STR_NONE));
    cr_assert(str_equal(STR_LITERAL(""), STR_LITERAL("")));
}

Test(text, given_numbers_when_appended_then_they_read_as_printf_writes_them)
{
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 1234567890123, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        AUTO(text_done)
        struct text text = TEXT_INIT(100);
        char expected[32];
        snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        text_append_int(&text, numbers[i]);
        assert_holds(&text, expected);
    }
}

Test(text, given_a_limit_when_reached_exactly_then_it_holds_and_one_more_fails)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(4);
    text_append_terminated(&text, "abcd");
    assert_holds(&text, "abcd");
    text_append_char(&text, 'e');
    cr_assert_not(text_ok(&text));
}

Test(text, given_a_failure_when_shorter_text_follows_then_it_stays_failed)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(4);
    text_append_terminated(&text, "abcde");
    text_append_char(&text, 'a');
    cr_assert_not(text_ok(&text));
    cr_assert_eq(text.length, 0, "nothing is cut, so nothing of it is there");
    text_clear(&text);
    text_append_char(&text, 'a');
    assert_holds(&text, "a");
}

Test(text, given_a_format_over_the_limit_then_it_fails)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(4);
    text_format(&text, "%s", "abcde");
    cr_assert_not(text_ok(&text));
}

Test(text, given_much_text_when_appended_then_it_grows)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(1 << 20);
    for (int i = 0; i < 100000; i++)
        text_append_char(&text, (char)('a' + i % 26));
    cr_assert(text_ok(&text));
    cr_assert_eq(text.length, 100000);
    for (int i = 0; i < 100000; i++)
        cr_assert_eq(text.bytes[i], (char)('a' + i % 26));
}

Test(text, given_a_text_when_stolen_then_it_is_terminated_and_the_text_is_empty)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(3);
    text_append_terminated(&text, "abc");
    size_t length = 0;
    char *bytes = text_steal(&text, &length);
    cr_assert_str_eq(bytes, "abc");
    cr_assert_eq(length, 3);
    cr_assert_eq(text.length, 0);
    free(bytes);
    text_append_terminated(&text, "x");
    assert_holds(&text, "x");
}

Test(text, given_an_empty_text_when_stolen_then_it_is_an_empty_string)
{
    struct text text = TEXT_INIT(0);
    char *bytes = text_steal(&text, NULL);
    cr_assert_str_eq(bytes, "");
    free(bytes);
}

Test(text, given_a_failed_text_when_stolen_then_there_is_nothing)
{
    struct text text = TEXT_INIT(2);
    text_append_terminated(&text, "abc");
    cr_assert_null(text_steal(&text, NULL));
    cr_assert(text_ok(&text));
}

Test(text, given_a_format_that_makes_nothing_then_nothing_is_appended)
{
    struct text text = TEXT_INIT(2);
    text_format(&text, "%s", "");
    assert_holds(&text, "");
    text_done(&text);
}
