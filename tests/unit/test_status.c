#include "status.h"

#include <criterion/criterion.h>
#include <string.h>

Test(status, given_an_error_when_set_then_it_holds_status_and_message)
{
    struct error error;
    enum status status = error_set(&error, STATUS_CONFLICT, "cart %d at %s", 7, "version 3");
    cr_assert_eq(status, STATUS_CONFLICT);
    cr_assert_eq(error.status, STATUS_CONFLICT);
    cr_assert_str_eq(error.message, "cart 7 at version 3");
}

Test(status, given_no_error_struct_when_set_then_only_the_status_comes_back)
{
    cr_assert_eq(error_set(NULL, STATUS_UNAVAILABLE, "x"), STATUS_UNAVAILABLE);
}

Test(status, given_a_long_message_when_set_then_it_is_cut_and_terminated)
{
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct error error;
    (void)error_set(&error, STATUS_INTERNAL, "%s", text);
    cr_assert_eq(strlen(error.message), ERROR_MESSAGE_MAX - 1);
}

Test(status, given_several_lines_when_set_then_the_message_is_one_line)
{
    struct error error;
    (void)error_set(&error, STATUS_INTERNAL, "%s", "ERROR: no\nDETAIL: really\r\n\n");
    cr_assert_str_eq(error.message, "ERROR: no DETAIL: really");
}

Test(status, given_bytes_that_are_not_text_when_set_then_the_message_is)
{
    struct error error;
    (void)error_set(&error, STATUS_INVALID, "%s", "near '\xff\x01\xe2\x82' \xc3\xa9");
    cr_assert_str_eq(error.message, "near '???"
                                    "?' \xc3\xa9");
}

Test(status, given_a_long_message_of_multibyte_characters_when_set_then_none_is_cut_in_two)
{
    for (size_t shift = 0; shift < 4; shift++) {
        char text[1000] = "abc";
        for (size_t at = shift; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xf0\x9f\x8d\xb5", 4);
        struct error error;
        (void)error_set(&error, STATUS_INVALID, "%s", text);
        size_t length = strlen(error.message);
        cr_assert_eq(length, shift + (ERROR_MESSAGE_MAX - 1 - shift) / 4 * 4);
        cr_assert_null(strchr(error.message, '?'));
    }
}

Test(status, given_its_own_message_as_argument_when_set_then_it_is_wrapped)
{
    struct error error;
    (void)error_set(&error, STATUS_INVALID, "inner");
    (void)error_set(&error, STATUS_INVALID, "outer: %s", error.message);
    cr_assert_str_eq(error.message, "outer: inner");
}

Test(status, given_each_status_then_its_name_is_its_own)
{
    for (int a = STATUS_OK; a <= STATUS_INTERNAL; a++)
        for (int b = STATUS_OK; b < a; b++)
            cr_assert_str_neq(status_name((enum status)a), status_name((enum status)b));
    cr_assert_str_eq(status_name(STATUS_UNAVAILABLE), "unavailable");
}
