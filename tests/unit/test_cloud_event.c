#include "cloud_event.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>

#define ID_A "0198f3a2-7c4d-7e00-8123-456789abcdef"
#define ID_B "0198f3a2-7c4d-7e00-8123-456789abcde0"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

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

static void assert_headers(const struct cloud_event *record, const char *const (*expected)[2],
                           size_t count)
{
    cr_assert_eq(record->header_count, count);
    for (size_t i = 0; i < count; i++) {
        cr_assert_str_eq(record->headers[i].name, expected[i][0]);
        cr_assert(str_equal_literal(record->headers[i].value, expected[i][1]), "%s: " STR_FORMAT,
                  expected[i][0], STR_ARGS(record->headers[i].value));
    }
}

#define PLACE_HEADERS                                                                              \
    {"content-type", "application/json"}, {"ce_specversion", "1.0"}, {"ce_id", ID_B},              \
        {"ce_source", "/cartledger/carts"}, {"ce_type", "cartledger.cart.ItemAdded.v1"},           \
        {"ce_time", "2026-11-23T09:00:00.123456Z"}, {"ce_subject", ID_A},                          \
        {"ce_partitionkey", ID_A}, {"ce_sequence", "00000000000000018231"},                        \
        {"ce_cartversion", "7"},                                                                   \
    {                                                                                              \
        "ce_position", "18231"                                                                     \
    }

Test(cloud_event, given_an_event_then_its_record_is_as_the_contract_says)
{
    static const char *const expected[][2] = {PLACE_HEADERS};
    struct recorded_event event = example();
    struct cloud_event record;
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    cr_assert_str_eq(record.key, ID_A);
    cr_assert(str_equal(record.value, event.data));
    assert_headers(&record, expected, ARRAY_SIZE(expected));
}

Test(cloud_event, given_metadata_then_its_texts_become_headers)
{
    static const char *const expected[][2] = {PLACE_HEADERS,
                                              {"ce_correlationid", "corr \"1\""},
                                              {"ce_causationid", "cause"},
                                              {"ce_traceparent", TRACE},
                                              {"traceparent", TRACE}};
    struct recorded_event event = example();
    event.metadata = STR_LITERAL("{\"correlationId\":\"corr \\\"1\\\"\",\"causationId\":\"cause\","
                                 "\"traceparent\":\"" TRACE
                                 "\",\"actor\":\"me\",\"commandKey\":{\"key\":\"k\"}}");
    struct cloud_event record;
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    assert_headers(&record, expected, ARRAY_SIZE(expected));
}

Test(cloud_event, given_the_largest_numbers_then_they_are_written_whole)
{
    struct recorded_event event = example();
    event.position = INT64_MAX;
    event.version = INT32_MAX;
    event.schema_version = INT16_MAX;
    struct cloud_event record;
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    cr_assert(str_equal_literal(record.headers[4].value, "cartledger.cart.ItemAdded.v32767"));
    cr_assert(str_equal_literal(record.headers[8].value, "09223372036854775807"));
    cr_assert(str_equal_literal(record.headers[9].value, "2147483647"));
    cr_assert(str_equal_literal(record.headers[10].value, "9223372036854775807"));
}

Test(cloud_event, given_metadata_that_cannot_be_read_then_it_is_left_out)
{
    static const char *const expected[][2] = {PLACE_HEADERS};
    static const char *const wrong[] = {"",
                                        "[]",
                                        "null",
                                        "{",
                                        "7",
                                        "{\"correlationId\":\"\\u0000\"}",
                                        "{\"correlationId\":\"\\ud800\"}"};
    struct recorded_event event = example();
    struct cloud_event record;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        event.metadata = str_from(wrong[i]);
        cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK, "%s", wrong[i]);
        assert_headers(&record, expected, ARRAY_SIZE(expected));
    }
}

Test(cloud_event, given_metadata_that_is_too_long_then_it_is_refused)
{
    struct recorded_event event = example();
    struct cloud_event record;
    AUTO(text_done) struct text text = TEXT_INIT(10000);
    struct json_out out = json_out_to(&text);
    static char long_text[CLOUD_EVENT_TEXT_MAX];
    memset(long_text, 'x', sizeof(long_text));
    json_out_object(&out);
    json_out_key(&out, "correlationId");
    json_out_string(&out, (struct str){long_text, sizeof(long_text)});
    json_out_key(&out, "causationId");
    json_out_string(&out, STR_LITERAL("c"));
    json_out_end_object(&out);
    event.metadata = text_str(&text);
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_INVALID);
    event.metadata = STR_LITERAL("{\"correlationId\":\"\"}");
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    cr_assert(str_equal_literal(record.headers[11].value, ""));
    event.metadata = STR_LITERAL("{\"correlationId\":7,\"causationId\":null}");
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    cr_assert_eq(record.header_count, 11, "what is no text is left out");
}

static enum status read_back(const struct cloud_event *record, struct text *metadata,
                             struct recorded_event *ret_event)
{
    struct error error;
    return cloud_event_read(3, str_from(record->key), record->value, record->headers,
                            record->header_count, metadata, ret_event, &error);
}

Test(cloud_event, given_a_record_when_read_then_it_is_the_event)
{
    struct recorded_event event = example();
    event.metadata = STR_LITERAL("{\"correlationId\":\"a\\\"b\",\"causationId\":\"c\","
                                 "\"traceparent\":\"" TRACE "\"}");
    struct cloud_event record;
    AUTO(text_done) struct text metadata = TEXT_INIT(32768);
    struct recorded_event back;
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    cr_assert_eq(read_back(&record, &metadata, &back), STATUS_OK);
    cr_assert_eq(back.partition, event.partition);
    cr_assert_eq(back.position, event.position);
    cr_assert_eq(back.version, event.version);
    cr_assert_eq(back.schema_version, event.schema_version);
    cr_assert_eq(back.occurred_at_us, event.occurred_at_us);
    cr_assert(uuid_equal(&back.cart_id, &event.cart_id));
    cr_assert(uuid_equal(&back.event_id, &event.event_id));
    cr_assert(str_equal(back.type, event.type));
    cr_assert(str_equal(back.data, event.data));
    cr_assert(str_equal(back.metadata, event.metadata));
}

/* The example record with one header's value replaced; none takes the header away. The value lies
 * by itself, so that a sanitizer sees reads behind it. */
static enum status read_with(const char *name, struct str value)
{
    char *exact = malloc(value.length + 1);
    if (!str_is_none(value))
        value.bytes = memcpy(exact + 1, value.bytes, value.length);
    struct recorded_event event = example(), back;
    static struct cloud_event record;
    AUTO(text_done) struct text metadata = TEXT_INIT(32768);
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    for (size_t i = 0; i < record.header_count; i++)
        if (strcmp(record.headers[i].name, name) == 0)
            record.headers[i].value = value;
    enum status status = read_back(&record, &metadata, &back);
    free(exact);
    return status;
}

Test(cloud_event, given_a_header_that_is_missing_then_the_place_is_unknown_or_it_does_not_matter)
{
    static const char *const needed[] = {"ce_position", "ce_id", "ce_cartversion", "ce_type",
                                         "ce_time"};
    static const char *const others[] = {"content-type", "ce_specversion",  "ce_source",
                                         "ce_subject",   "ce_partitionkey", "ce_sequence"};
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        cr_assert_eq(read_with(needed[i], STR_NONE), STATUS_INVALID, "%s", needed[i]);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        cr_assert_eq(read_with(others[i], STR_NONE), STATUS_OK, "%s", others[i]);
}

Test(cloud_event, given_a_header_that_is_malformed_then_the_record_is_refused)
{
    static const char *const wrong[][2] = {
        {"ce_position", ""},
        {"ce_position", "0"},
        {"ce_position", "-1"},
        {"ce_position", "01"},
        {"ce_position", "1 "},
        {"ce_position", "+1"},
        {"ce_position", "9223372036854775808"},
        {"ce_position", "99999999999999999999999"},
        {"ce_cartversion", "2147483648"},
        {"ce_cartversion", "x"},
        {"ce_id", "0198f3a2"},
        {"ce_time", "yesterday"},
        {"ce_type", ""},
        {"ce_type", "cartledger.cart."},
        {"ce_type", "cartledger.cart.ItemAdded"},
        {"ce_type", "cartledger.cart.v1"},
        {"ce_type", "cartledger.cart..v1"},
        {"ce_type", "cartledger.cart.ItemAdded.v"},
        {"ce_type", "cartledger.cart.ItemAdded.v0"},
        {"ce_type", "cartledger.cart.ItemAdded.v32768"},
        {"ce_type", "cartledger.cart.ItemAdded.1"},
        {"ce_type", "cartledger.cart.ItemAdded."},
        {"ce_type", "cartledger.cart.Item\xff.v1"},
        {"ce_type", "com.example.cart.ItemAdded.v1"},
        {"ce_subject", ID_B},
        {"ce_subject", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_eq(read_with(wrong[i][0], str_from(wrong[i][1])), STATUS_INVALID, "%s: %s",
                     wrong[i][0], wrong[i][1]);
    cr_assert_eq(read_with("ce_type", STR_LITERAL("cartledger.cart.New.Kind.v2")), STATUS_OK);
    char capitals[] = ID_A;
    for (char *at = capitals; *at != '\0'; at++)
        *at = (char)toupper(*at);
    cr_assert_eq(read_with("ce_subject", str_from(capitals)), STATUS_OK);
}

Test(cloud_event, given_a_wrong_key_or_no_value_or_a_header_twice_then_the_record_is_refused)
{
    struct recorded_event event = example(), back;
    static struct cloud_event record;
    AUTO(text_done) struct text metadata = TEXT_INIT(32768);
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    struct str key = str_from(record.key);
    size_t count = record.header_count;
    cr_assert_eq(
        cloud_event_read(3, STR_NONE, record.value, record.headers, count, &metadata, &back, NULL),
        STATUS_INVALID);
    cr_assert_eq(cloud_event_read(3, STR_LITERAL("cart-1"), record.value, record.headers, count,
                                  &metadata, &back, NULL),
                 STATUS_INVALID);
    cr_assert_eq(cloud_event_read(3, key, STR_NONE, record.headers, count, &metadata, &back, NULL),
                 STATUS_INVALID);
    record.headers[count] = (struct cloud_header){"ce_position", STR_LITERAL("18231")};
    cr_assert_eq(
        cloud_event_read(3, key, record.value, record.headers, count + 1, &metadata, &back, NULL),
        STATUS_INVALID);
}

Test(cloud_event, given_odd_texts_beside_the_place_then_they_are_left_out)
{
    struct recorded_event event = example(), back;
    static struct cloud_event record;
    AUTO(text_done) struct text metadata = TEXT_INIT(32768);
    cr_assert_eq(cloud_event_from(&event, &record, NULL), STATUS_OK);
    record.headers[record.header_count++] =
        (struct cloud_header){"ce_correlationid", STR_LITERAL("\xff\n")};
    record.headers[record.header_count++] =
        (struct cloud_header){"ce_causationid", STR_LITERAL("cause")};
    static char long_text[CLOUD_EVENT_TEXT_MAX + 1];
    memset(long_text, 'x', sizeof(long_text));
    record.headers[record.header_count++] =
        (struct cloud_header){"ce_traceparent", {long_text, sizeof(long_text)}};
    cr_assert_eq(read_back(&record, &metadata, &back), STATUS_OK);
    cr_assert(str_equal_literal(back.metadata, "{\"causationId\":\"cause\"}"));
}
