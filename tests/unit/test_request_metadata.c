#include "request_metadata.h"

#include <criterion/criterion.h>

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static const struct command_key NO_KEY;

static void then_metadata(struct str correlation_id, struct str traceparent, const char *expected)
{
    AUTO(text_done) struct text text = TEXT_INIT(METADATA_BYTES_MAX);
    request_metadata_write(correlation_id, traceparent, &NO_KEY, &text);
    cr_assert(text_ok(&text));
    cr_assert(str_equal_literal(text_str(&text), expected), STR_FORMAT " instead of %s",
              STR_ARGS(text_str(&text)), expected);
}

Test(request_metadata, given_headers_when_written_then_only_those_that_are_there)
{
    then_metadata(STR_NONE, STR_NONE, "{}");
    then_metadata(STR_LITERAL("corr 1"), STR_NONE, "{\"correlationId\":\"corr 1\"}");
    then_metadata(STR_NONE, STR_LITERAL(TRACE), "{\"traceparent\":\"" TRACE "\"}");
    then_metadata(STR_LITERAL("\"\\"), STR_LITERAL(TRACE),
                  "{\"correlationId\":\"\\\"\\\\\",\"traceparent\":\"" TRACE "\"}");
}

Test(request_metadata, given_an_invalid_traceparent_when_written_then_it_is_left_out)
{
    then_metadata(STR_LITERAL("c"), STR_LITERAL("00-x"), "{\"correlationId\":\"c\"}");
    then_metadata(STR_NONE, STR_LITERAL(""), "{}");
}

Test(request_metadata, given_a_key_when_written_then_it_stands_with_the_hash_of_its_request)
{
    AUTO(text_done) struct text text = TEXT_INIT(METADATA_BYTES_MAX);
    const struct command_key key = {.key = STR_LITERAL("a \"key\""), .request_hash = "0f"};
    request_metadata_write(STR_LITERAL("c"), STR_NONE, &key, &text);
    cr_expect(str_equal_literal(text_str(&text),
                                "{\"correlationId\":\"c\",\"commandKey\":"
                                "{\"key\":\"a \\\"key\\\"\",\"requestHash\":\"0f\"}}"),
              STR_FORMAT, STR_ARGS(text_str(&text)));
}

Test(request_metadata, given_the_longest_texts_when_written_then_they_fit)
{
    char longest[CORRELATION_ID_BYTES_MAX];
    struct command_key key = {.key = {longest, sizeof(longest)}};
    AUTO(text_done) struct text text = TEXT_INIT(METADATA_BYTES_MAX);
    memset(longest, '"', sizeof(longest));
    cr_assert(correlation_id_is_valid((struct str){longest, sizeof(longest)}));
    memset(key.request_hash, 'f', REQUEST_HASH_LENGTH);
    request_metadata_write((struct str){longest, sizeof(longest)}, STR_LITERAL(TRACE), &key, &text);
    cr_assert(text_ok(&text));
}

Test(request_metadata, given_traceparents_when_well_formed_then_valid)
{
    static const char *const right[] = {
        TRACE,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "fe-00000000000000000000000000000001-1000000000000000-ff",
        "00-10000000000000000000000000000000-0000000000000001-01",
        "1f-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    for (size_t i = 0; i < ARRAY_SIZE(right); i++)
        cr_assert(traceparent_is_valid(str_from(right[i])), "%s", right[i]);
}

Test(request_metadata, given_traceparents_when_anything_is_wrong_then_invalid)
{
    static const char *const wrong[] = {
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "g0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-gaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
        "00-0af7651916cd43dd8448eb211c80319c-g7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(traceparent_is_valid(str_from(wrong[i])), "%s", wrong[i]);
    cr_assert_not(traceparent_is_valid(STR_NONE));
}

Test(request_metadata, given_correlation_ids_when_1_to_255_printable_bytes_then_valid)
{
    char text[256];
    memset(text, 'c', sizeof(text));
    cr_assert(correlation_id_is_valid((struct str){text, 1}));
    cr_assert(correlation_id_is_valid((struct str){text, 255}));
    cr_assert_not(correlation_id_is_valid((struct str){text, 256}));
    cr_assert_not(correlation_id_is_valid((struct str){text, 0}));
    cr_assert_not(correlation_id_is_valid(STR_NONE));
    cr_assert(correlation_id_is_valid(STR_LITERAL("ä b")));
    cr_assert_not(correlation_id_is_valid(STR_LITERAL("a\tb")));
    cr_assert_not(correlation_id_is_valid(STR_LITERAL("\xff")));
    cr_assert_not(correlation_id_is_valid((struct str){"a\0b", 3}));
}
