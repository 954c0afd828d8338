#include "cloud_event.h"

#include "clock.h"
#include "number.h"
#include "utf8.h"

static const char type_prefix[] = "cartledger.cart.";

/* The headers that are read; each may come once. */
enum header {
    HEADER_ID,
    HEADER_TYPE,
    HEADER_TIME,
    HEADER_SUBJECT,
    HEADER_CARTVERSION,
    HEADER_POSITION,
    HEADER_CORRELATIONID,
    HEADER_CAUSATIONID,
    HEADER_TRACEPARENT,
    HEADER_COUNT,
};

static const char *const header_names[HEADER_COUNT] = {
    [HEADER_ID] = "ce_id",
    [HEADER_TYPE] = "ce_type",
    [HEADER_TIME] = "ce_time",
    [HEADER_SUBJECT] = "ce_subject",
    [HEADER_CARTVERSION] = "ce_cartversion",
    [HEADER_POSITION] = "ce_position",
    [HEADER_CORRELATIONID] = "ce_correlationid",
    [HEADER_CAUSATIONID] = "ce_causationid",
    [HEADER_TRACEPARENT] = "ce_traceparent",
};

static enum status collect(const struct cloud_header *headers, size_t count,
                           struct str values[HEADER_COUNT], struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t known = 0; known < HEADER_COUNT; known++) {
            if (strcmp(headers[i].name, header_names[known]) != 0)
                continue;
            if (!str_is_none(values[known]))
                return error_set(error, STATUS_INVALID, "header %s is there twice",
                                 header_names[known]);
            values[known] = headers[i].value;
            break;
        }
    }
    return STATUS_OK;
}

/* cartledger.cart.ItemAdded.v1 */
static bool parse_type(struct str text, struct str *ret_type, int16_t *ret_schema_version)
{
    size_t start = sizeof(type_prefix) - 1;
    if (text.length < start || memcmp(text.bytes, type_prefix, start) != 0)
        return false;
    const char *dot = memrchr(text.bytes, '.', text.length);
    size_t end = (size_t)(dot - text.bytes);
    if (end <= start || end + 2 > text.length || dot[1] != 'v')
        return false;
    int64_t schema_version;
    struct str number = {dot + 2, text.length - end - 2};
    if (!number_parse(number, 1, INT16_MAX, &schema_version))
        return false;
    *ret_type = (struct str){text.bytes + start, end - start};
    *ret_schema_version = (int16_t)schema_version;
    return utf8_is_printable(*ret_type);
}

static enum status malformed(struct error *error, const char *what)
{
    return error_set(error, STATUS_INVALID, "%s is missing or malformed", what);
}

static enum status read_place(struct str key, const struct str values[HEADER_COUNT],
                              struct recorded_event *event, struct error *error)
{
    int64_t version;
    struct uuid subject;
    if (!uuid_parse(key, &event->cart_id))
        return malformed(error, "the key");
    if (!uuid_parse(values[HEADER_ID], &event->event_id))
        return malformed(error, "ce_id");
    if (!parse_type(values[HEADER_TYPE], &event->type, &event->schema_version))
        return malformed(error, "ce_type");
    if (!time_parse(values[HEADER_TIME], &event->occurred_at_us))
        return malformed(error, "ce_time");
    if (!number_parse(values[HEADER_CARTVERSION], 1, INT32_MAX, &version))
        return malformed(error, "ce_cartversion");
    if (!number_parse(values[HEADER_POSITION], 1, INT64_MAX, &event->position))
        return malformed(error, "ce_position");
    if (!str_is_none(values[HEADER_SUBJECT]) && !str_equal(values[HEADER_SUBJECT], key) &&
        (!uuid_parse(values[HEADER_SUBJECT], &subject) || !uuid_equal(&subject, &event->cart_id)))
        return error_set(error, STATUS_INVALID, "ce_subject is not the key");
    event->version = (int32_t)version;
    return STATUS_OK;
}

/* The members beside an event's place must not make it unreadable: an odd text is left out. */
static void put_member(struct json_out *out, const char *name, struct str value)
{
    if (value.length == 0 || value.length > CLOUD_EVENT_TEXT_MAX || !utf8_is_printable(value))
        return;
    json_out_key(out, name);
    json_out_string(out, value);
}

static enum status write_metadata(const struct str values[HEADER_COUNT], struct text *metadata,
                                  struct error *error)
{
    struct json_out out = json_out_to(metadata);
    json_out_object(&out);
    put_member(&out, "correlationId", values[HEADER_CORRELATIONID]);
    put_member(&out, "causationId", values[HEADER_CAUSATIONID]);
    put_member(&out, "traceparent", values[HEADER_TRACEPARENT]);
    json_out_end_object(&out);
    if (!text_ok(metadata))
        return error_set(error, STATUS_NO_MEMORY, "no memory for the metadata");
    return STATUS_OK;
}

enum status cloud_event_read(int16_t partition, struct str key, struct str value,
                             const struct cloud_header *headers, size_t header_count,
                             struct text *metadata, struct recorded_event *ret_event,
                             struct error *error)
{
    struct recorded_event event = {.partition = partition, .data = value};
    struct str values[HEADER_COUNT] = {STR_NONE};
    text_clear(metadata);
    if (str_is_none(value))
        return error_set(error, STATUS_INVALID, "the record has no value");
    enum status status = collect(headers, header_count, values, error);
    if (status == STATUS_OK)
        status = read_place(key, values, &event, error);
    if (status == STATUS_OK)
        status = write_metadata(values, metadata, error);
    if (status != STATUS_OK)
        return status;
    event.metadata = text_str(metadata);
    *ret_event = event;
    return STATUS_OK;
}
