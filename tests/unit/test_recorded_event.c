#include "recorded_event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define ID_A "0198f3a2-7c4d-7e00-8123-456789abcdef"
#define ID_B "0198f3a2-7c4d-7e00-8123-456789abcde0"
#define PLACE                                                                                      \
    "\"partition\":3,\"position\":18231,\"cartId\":\"" ID_A "\",\"version\":7,\"eventId\":\"" ID_B \
    "\",\"type\":\"ItemAdded\",\"schemaVersion\":1,\"occurredAt\":\"2026-11-23T09:00:00.123456Z\""

static void free_source(void **source)
{
    free(*source);
}

static struct recorded_event example(void)
{
    struct recorded_event event = {
        .partition = 3,
        .position = 18231,
        .version = 7,
        .type = STR_LITERAL("ItemAdded"),
        .schema_version = 1,
        .occurred_at_us = INT64_C(1795424400123456),
        .data = STR_LITERAL("{\"lineCount\":1}"),
        .metadata = STR_LITERAL("{}"),
    };
    cr_assert(uuid_parse(STR_LITERAL(ID_A), &event.cart_id));
    cr_assert(uuid_parse(STR_LITERAL(ID_B), &event.event_id));
    return event;
}

static void assert_same(const struct recorded_event *a, const struct recorded_event *b)
{
    cr_assert_eq(a->partition, b->partition);
    cr_assert_eq(a->position, b->position);
    cr_assert(uuid_equal(&a->cart_id, &b->cart_id));
    cr_assert_eq(a->version, b->version);
    cr_assert(uuid_equal(&a->event_id, &b->event_id));
    cr_assert(str_equal(a->type, b->type));
    cr_assert_eq(a->schema_version, b->schema_version);
    cr_assert_eq(a->occurred_at_us, b->occurred_at_us);
    cr_assert(str_equal(a->data, b->data), STR_FORMAT, STR_ARGS(b->data));
    cr_assert(str_equal(a->metadata, b->metadata));
}

Test(recorded_event, given_an_event_when_written_then_it_has_the_form_of_the_api)
{
    AUTO(text_done) struct text text = TEXT_INIT(10000);
    struct json_out out = json_out_to(&text);
    struct recorded_event event = example();
    recorded_event_write(&event, &out);
    cr_assert(str_equal_literal(text_str(&text),
                                "{" PLACE ",\"data\":{\"lineCount\":1},\"metadata\":{}}"),
              STR_FORMAT, STR_ARGS(text_str(&text)));
}

Test(recorded_event, given_odd_but_valid_json_when_read_then_data_keeps_its_bytes)
{
    static const char *const odd[] = {
        "{}",
        "{\"a\":\"\\u00fc\\/\\n\\u007d\"}",
        "{ \"a\" :\t[ 1 , 2.50E+3,\n-0.0 , 1e5 ] , \"}\" : \"],{\\\"\\\\\" }",
        "{\"data\":{\"metadata\":{}},\"metadata\":\"data\"}",
        "{\"z\":1,\"a\":2,\"m\":{\"z\":{},\"a\":[[],[{}]]}}",
        "\"just text, \\\"quoted\\\"\"",
        "[1,2]",
        "-0",
        "false",
    };
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        char json[1000];
        snprintf(json, sizeof(json),
                 " { %s , \"data\" :\n %s\t, \"metadata\" : { \"x\":\"}\" } }\n", PLACE, odd[i]);
        struct recorded_event expected = example();
        expected.data = str_from(odd[i]);
        expected.metadata = STR_LITERAL("{ \"x\":\"}\" }");
        struct recorded_event event;
        AUTO(free_source) void *source = NULL;
        struct error error;
        cr_assert_eq(recorded_event_read(str_from(json), &event, &source, &error), STATUS_OK,
                     "%s: %s", json, error.message);
        memset(json, 'x', sizeof(json)); /* nothing is borrowed from it */
        assert_same(&expected, &event);
    }
}

/* As PostgreSQL keeps it, and the topic carries it. */
Test(recorded_event, given_data_that_cannot_be_read_then_the_event_has_its_place)
{
    static const char *const odd[] = {
        "{\"lineCount\":1,\"lineCount\":1}",
        "{\"lineCount\":18446744073709551616}",
        "{\"lineCount\":1e999}",
        "{\"name\":\"\\ud800\"}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{\"data\":[]}]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        char json[1000];
        snprintf(json, sizeof(json), "{ \"data\" : %s, " PLACE ",\"metadata\":{}}", odd[i]);
        struct recorded_event expected = example();
        expected.data = str_from(odd[i]);
        struct recorded_event event;
        AUTO(free_source) void *source = NULL;
        struct error error;
        cr_assert_eq(recorded_event_read(str_from(json), &event, &source, &error), STATUS_OK,
                     "%s: %s", json, error.message);
        assert_same(&expected, &event);
    }
}

Test(recorded_event, given_any_order_escaped_keys_and_unknown_members_then_it_is_read)
{
    static const char json[] = "{\"metadata\":{},\"new\":[\"data\",{\"data\":1}],"
                               "\"d\\u0061ta\":{\"lineCount\":1},\"later\":1.5," PLACE "}";
    struct recorded_event expected = example();
    struct recorded_event event;
    AUTO(free_source) void *source = NULL;
    cr_assert_eq(recorded_event_read(str_from(json), &event, &source, NULL), STATUS_OK);
    assert_same(&expected, &event);
}

Test(recorded_event, given_a_type_this_program_does_not_know_then_it_is_read)
{
    static const char json[] =
        "{\"partition\":0,\"position\":1,\"cartId\":\"" ID_A "\",\"version\":1,\"eventId\":\"" ID_B
        "\",\"type\":\"Cart\\u00c4nd\",\"schemaVersion\":9,\"occurredAt\":\"2026-11-23T09:00:00Z\","
        "\"data\":null,\"metadata\":{}}";
    struct recorded_event event;
    AUTO(free_source) void *source = NULL;
    cr_assert_eq(recorded_event_read(str_from(json), &event, &source, NULL), STATUS_OK);
    cr_assert(str_equal_literal(event.type, "Cart\xc3\x84nd"));
    cr_assert(str_equal_literal(event.data, "null"));
}

Test(recorded_event, given_members_missing_or_wrong_then_it_is_refused)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{" PLACE "}",
        "{" PLACE ",\"data\":{}}",
        "{" PLACE ",\"metadata\":{}}",
        "{" PLACE ",\"data\":{},\"metadata\":[]}",
        "{" PLACE ",\"data\":{},\"metadata\":null}",
        "{" PLACE ",\"data\":{},\"metadata\":{},\"data\":{}}",
        "{" PLACE ",\"data\":{},\"metadata\":{},\"d\\u0061ta\":{}}",
        "{" PLACE ",\"data\":{},\"metadata\":{}}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct recorded_event event;
        void *source = NULL;
        cr_assert_eq(recorded_event_read(str_from(wrong[i]), &event, &source, NULL), STATUS_INVALID,
                     "%s", wrong[i]);
        cr_assert_null(source);
    }
    struct recorded_event event;
    void *source = NULL;
    cr_assert_eq(recorded_event_read(STR_NONE, &event, &source, NULL), STATUS_INVALID);
}

Test(recorded_event, given_json_that_jansson_does_not_take_then_only_its_reader_notices)
{
    static const char *const odd[] = {
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1e999}",
        "{\"a\":99999999999999999999}",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        char json[1000];
        snprintf(json, sizeof(json), "{" PLACE ",\"data\":%s,\"metadata\":%s}", odd[i], odd[i]);
        struct recorded_event expected = example();
        expected.data = str_from(odd[i]);
        expected.metadata = STR_LITERAL("{}");
        struct recorded_event event;
        AUTO(free_source) void *source = NULL;
        cr_assert_eq(recorded_event_read(str_from(json), &event, &source, NULL), STATUS_OK, "%s",
                     json);
        assert_same(&expected, &event);
    }
}

Test(recorded_event, given_numbers_out_of_range_then_it_is_refused)
{
    static const struct {
        const char *partition, *position, *version, *schema_version;
        enum status expected;
    } cases[] = {
        {"0", "1", "1", "1", STATUS_OK},
        {"1023", "9223372036854775807", "2147483647", "32767", STATUS_OK},
        {"1024", "1", "1", "1", STATUS_INVALID},
        {"-1", "1", "1", "1", STATUS_INVALID},
        {"0", "0", "1", "1", STATUS_INVALID},
        {"0", "1.0", "1", "1", STATUS_INVALID},
        {"0", "9223372036854775808", "1", "1", STATUS_INVALID},
        {"0", "1", "0", "1", STATUS_INVALID},
        {"0", "1", "2147483648", "1", STATUS_INVALID},
        {"0", "1", "1", "0", STATUS_INVALID},
        {"0", "1", "1", "32768", STATUS_INVALID},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char json[1000];
        snprintf(json, sizeof(json),
                 "{\"partition\":%s,\"position\":%s,\"cartId\":\"" ID_A
                 "\",\"version\":%s,\"eventId\":\"" ID_B "\",\"type\":\"X\",\"schemaVersion\":%s,"
                 "\"occurredAt\":\"2026-11-23T09:00:00Z\",\"data\":{},\"metadata\":{}}",
                 cases[i].partition, cases[i].position, cases[i].version, cases[i].schema_version);
        struct recorded_event event;
        AUTO(free_source) void *source = NULL;
        cr_assert_eq(recorded_event_read(str_from(json), &event, &source, NULL), cases[i].expected,
                     "%s", json);
    }
}

Test(recorded_event, given_an_event_when_copied_then_the_copy_stands_alone)
{
    char data[] = "{\"lineCount\":1}";
    struct recorded_event expected = example();
    struct recorded_event event = example();
    event.data = (struct str){data, sizeof(data) - 1};
    struct recorded_event *copy = recorded_event_copy(&event);
    memset(data, 'x', sizeof(data));
    assert_same(&expected, copy);
    free(copy);
    event = (struct recorded_event){.type = STR_LITERAL("X"), .data = STR_LITERAL("")};
    copy = recorded_event_copy(&event);
    cr_assert(str_equal_literal(copy->type, "X"));
    cr_assert_eq(copy->data.length + copy->metadata.length, 0);
    free(copy);
}
