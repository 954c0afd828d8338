#include "cloud_event.h"

#include "clock.h"
#include "object_reader.h"

enum { SEQUENCE_DIGITS = 20, INT64_DIGITS_MAX = 20 };

/* Where the next header value goes; sticky when it does not fit. */
struct writer {
    struct cloud_event *record;
    size_t used; /* of record->text */
    bool failed;
};

static void put_bytes(struct writer *writer, struct str bytes)
{
    if (writer->failed || bytes.length > CLOUD_EVENT_TEXT_MAX - writer->used) {
        writer->failed = true;
        return;
    }
    if (bytes.length > 0)
        memcpy(writer->record->text + writer->used, bytes.bytes, bytes.length);
    writer->used += bytes.length;
}

/* At least `width` digits. */
static void put_number(struct writer *writer, int64_t number, size_t width)
{
    char digits[INT64_DIGITS_MAX];
    size_t at = sizeof(digits);
    uint64_t rest = (uint64_t)number;
    while (rest > 0 || sizeof(digits) - at < width) {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    }
    put_bytes(writer, (struct str){digits + at, sizeof(digits) - at});
}

static void add_header(struct writer *writer, const char *name, struct str value)
{
    struct cloud_event *record = writer->record;
    record->headers[record->header_count++] = (struct cloud_header){name, value};
}

/* Adds a header whose value is what was put since `start`. */
static void add_put(struct writer *writer, const char *name, size_t start)
{
    add_header(writer, name, (struct str){writer->record->text + start, writer->used - start});
}

static void add_number(struct writer *writer, const char *name, int64_t number, size_t width)
{
    size_t start = writer->used;
    put_number(writer, number, width);
    add_put(writer, name, start);
}

static void add_id_and_type(struct writer *writer, const struct recorded_event *event)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(&event->event_id, id);
    size_t start = writer->used;
    put_bytes(writer, (struct str){id, UUID_TEXT_LENGTH});
    add_put(writer, "ce_id", start);
    add_header(writer, "ce_source", STR_LITERAL("/cartledger/carts"));
    start = writer->used;
    put_bytes(writer, STR_LITERAL("cartledger.cart."));
    put_bytes(writer, event->type);
    put_bytes(writer, STR_LITERAL(".v"));
    put_number(writer, event->schema_version, 1);
    add_put(writer, "ce_type", start);
    char time[TIME_TEXT_LENGTH + 1];
    time_format(event->occurred_at_us, time);
    start = writer->used;
    put_bytes(writer, (struct str){time, TIME_TEXT_LENGTH});
    add_put(writer, "ce_time", start);
}

/* A member that is not a text is not ours, and is left out. */
static struct str copy_member(struct writer *writer, const json_t *metadata, const char *name)
{
    const json_t *value = json_object_get(metadata, name);
    if (!json_is_string(value))
        return STR_NONE;
    size_t start = writer->used;
    put_bytes(writer, (struct str){json_string_value(value), json_string_length(value)});
    return (struct str){writer->record->text + start, writer->used - start};
}

static enum status add_metadata(struct writer *writer, struct str metadata, struct error *error)
{
    if (str_equal(metadata, STR_LITERAL("{}")))
        return STATUS_OK;
    json_t *object;
    enum status status = metadata_parse(metadata, &object, error);
    if (status != STATUS_OK)
        return status;
    struct str correlation = copy_member(writer, object, "correlationId");
    struct str causation = copy_member(writer, object, "causationId");
    struct str trace = copy_member(writer, object, "traceparent");
    json_decref(object);
    if (!str_is_none(correlation))
        add_header(writer, "ce_correlationid", correlation);
    if (!str_is_none(causation))
        add_header(writer, "ce_causationid", causation);
    if (!str_is_none(trace)) {
        add_header(writer, "ce_traceparent", trace);
        add_header(writer, "traceparent", trace);
    }
    return STATUS_OK;
}

enum status cloud_event_from(const struct recorded_event *event, struct cloud_event *ret_record,
                             struct error *error)
{
    struct cloud_event *record = ret_record;
    struct writer writer = {.record = record};
    uuid_format(&event->cart_id, record->key);
    struct str key = {record->key, UUID_TEXT_LENGTH};
    record->value = event->data;
    record->header_count = 0;
    add_header(&writer, "content-type", STR_LITERAL("application/json"));
    add_header(&writer, "ce_specversion", STR_LITERAL("1.0"));
    add_id_and_type(&writer, event);
    add_header(&writer, "ce_subject", key);
    add_header(&writer, "ce_partitionkey", key);
    add_number(&writer, "ce_sequence", event->position, SEQUENCE_DIGITS);
    add_number(&writer, "ce_cartversion", event->version, 1);
    add_number(&writer, "ce_position", event->position, 1);
    enum status status = add_metadata(&writer, event->metadata, error);
    if (status == STATUS_OK && writer.failed)
        status = error_set(error, STATUS_INVALID, "the headers have more than %d bytes",
                           CLOUD_EVENT_TEXT_MAX);
    return status;
}
