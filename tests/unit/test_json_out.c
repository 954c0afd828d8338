#include "json_out.h"

#include <criterion/criterion.h>
#include <jansson.h>

static void assert_holds(const struct text *text, const char *expected)
{
    cr_assert(text_ok(text));
    cr_assert(str_equal_literal(text_str(text), expected), "\"" STR_FORMAT "\" is not \"%s\"",
              STR_ARGS(text_str(text)), expected);
}

Test(json_out, given_nested_values_when_written_then_commas_are_where_they_belong)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(1000);
    struct json_out out = json_out_to(&text);
    json_out_object(&out);
    json_out_key(&out, "a");
    json_out_int(&out, -7);
    json_out_key(&out, "b");
    json_out_array(&out);
    json_out_object(&out);
    json_out_end_object(&out);
    json_out_bool(&out, true);
    json_out_bool(&out, false);
    json_out_array(&out);
    json_out_end_array(&out);
    json_out_null(&out);
    json_out_raw(&out, STR_LITERAL("{\"x\":1}"));
    json_out_end_array(&out);
    json_out_key(&out, "c");
    json_out_string(&out, STR_LITERAL("d"));
    json_out_key(&out, "e");
    json_out_string(&out, STR_NONE);
    json_out_end_object(&out);
    assert_holds(&text,
                 "{\"a\":-7,\"b\":[{},true,false,[],null,{\"x\":1}],\"c\":\"d\",\"e\":null}");
}

Test(json_out, given_special_characters_when_written_then_they_are_escaped)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(1000);
    struct json_out out = json_out_to(&text);
    json_out_string(&out, (struct str){"\"\\/\b\f\n\r\t\x01\x1f\0\x7f\xc3\xa9", 14});
    assert_holds(&text, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000\x7f\xc3\xa9\"");
}

Test(json_out, given_every_ascii_character_when_written_then_jansson_reads_it_back)
{
    char all[127];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)(i + 1);
    AUTO(text_done)
    struct text text = TEXT_INIT(1000);
    struct json_out out = json_out_to(&text);
    json_out_string(&out, (struct str){all, sizeof(all)});
    json_t *read = json_loadb(text.bytes, text.length, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(read);
    cr_assert_eq(json_string_length(read), sizeof(all));
    cr_assert_eq(memcmp(json_string_value(read), all, sizeof(all)), 0);
    json_decref(read);
}

Test(json_out, given_an_id_a_time_and_money_when_written_then_they_have_their_form)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(1000);
    struct json_out out = json_out_to(&text);
    struct uuid uuid = {{0x01, 0x98, 0xf3, 0xa2, 0x7c, 0x4d, 0x7e, 0x00, 0x81, 0x23, 0x45, 0x67,
                         0x89, 0xab, 0xcd, 0xef}};
    json_out_array(&out);
    json_out_uuid(&out, &uuid);
    json_out_time(&out, INT64_C(1795424400123456));
    json_out_money(&out, (struct money){1999, "EUR"});
    json_out_end_array(&out);
    assert_holds(&text, "[\"0198f3a2-7c4d-7e00-8123-456789abcdef\",\"2026-11-23T09:00:00.123456Z\","
                        "{\"amountMinor\":1999,\"currency\":\"EUR\"}]");
}

Test(json_out, given_too_little_room_when_written_then_the_text_has_failed)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(5);
    struct json_out out = json_out_to(&text);
    json_out_string(&out, STR_LITERAL("abcdef"));
    cr_assert_not(text_ok(&text));
}
