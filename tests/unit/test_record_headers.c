/* The headers of a record that was set aside, as JSON and back. */
#include "record_headers.h"

#include <criterion/criterion.h>

static struct record_headers read(const char *json)
{
    struct record_headers headers;
    struct error error;
    cr_assert_eq(record_headers_read(str_from(json), &headers, &error), STATUS_OK, "%s",
                 error.message);
    return headers;
}

Test(record_headers, given_headers_of_all_kinds_then_they_come_back_as_they_were)
{
    const struct cloud_header written[] = {{"ce_id", STR_LITERAL("x-1")},
                                           {"odd", {"\xff\x00\x9a", 3}},
                                           {"odd", STR_LITERAL("")},
                                           {"nothing", STR_NONE}};
    AUTO(text_done) struct text text = TEXT_INIT(1000);
    record_headers_write(written, ARRAY_SIZE(written), &text);
    cr_assert(str_equal_literal(text_str(&text),
                                "[[\"ce_id\",\"x-1\"],[\"odd\",{\"hex\":\"ff009a\"}],"
                                "[\"odd\",\"\"],[\"nothing\",null]]"),
              STR_FORMAT, STR_ARGS(text_str(&text)));
    text_append_char(&text, '\0');
    AUTO(record_headers_done) struct record_headers headers = read(text.bytes);
    cr_assert_eq(headers.count, ARRAY_SIZE(written));
    for (size_t i = 0; i < headers.count; i++) {
        cr_expect_str_eq(headers.headers[i].name, written[i].name);
        cr_expect(str_is_none(written[i].value)
                      ? str_is_none(headers.headers[i].value)
                      : str_equal(headers.headers[i].value, written[i].value));
    }
}

Test(record_headers, given_headers_that_we_did_not_write_then_they_are_left_out)
{
    static const char *const odd[] = {
        "[[1,\"x\"]]",
        "[[\"n\",1]]",
        "[[\"n\",{\"hex\":\"f\"}]]",
        "[[\"n\",{\"hex\":1}]]",
        "[[\"n\",{}]]",
        "[[\"n\",{\"hex\":\"g0\"}]]",
        "[[\"n\",{\"hex\":\"0G\"}]]",
        "[[\"n\",{\"hex\":\" 0\"}]]",
        "[[\"n\",{\"hex\":\"0:\"}]]",
        "[7]",
        "[[]]",
        "[]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        AUTO(record_headers_done) struct record_headers headers = read(odd[i]);
        cr_expect_eq(headers.count, 0, "%s", odd[i]);
    }
    struct record_headers headers;
    cr_expect_eq(record_headers_read(STR_LITERAL("{}"), &headers, NULL), STATUS_INVALID);
    cr_expect_eq(record_headers_read(STR_LITERAL("["), &headers, NULL), STATUS_INVALID);
}

Test(record_headers, given_more_than_are_kept_then_the_first_are)
{
    AUTO(text_done) struct text text = TEXT_INIT(10000);
    text_append_char(&text, '[');
    for (int i = 0; i <= RECORD_HEADERS_MAX; i++)
        text_format(&text, "%s[\"n%d\",null]", i == 0 ? "" : ",", i);
    text_append(&text, "]", sizeof("]"));
    AUTO(record_headers_done) struct record_headers headers = read(text.bytes);
    cr_assert_eq(headers.count, RECORD_HEADERS_MAX);
    cr_assert_str_eq(headers.headers[RECORD_HEADERS_MAX - 1].name, "n63");
}
