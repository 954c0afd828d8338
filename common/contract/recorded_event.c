#include "recorded_event.h"

#include "cart_partition.h"
#include "json_scan.h"
#include "object_reader.h"

#include <stdlib.h>

/* The envelope is one level around the data; some room for data that we would not write. */
enum { RECORDED_DEPTH_MAX = 2 * JSON_DEPTH_MAX };

void recorded_event_write(const struct recorded_event *event, struct json_out *out)
{
    json_out_object(out);
    json_out_key(out, "partition");
    json_out_int(out, event->partition);
    json_out_key(out, "position");
    json_out_int(out, event->position);
    json_out_key(out, "cartId");
    json_out_uuid(out, &event->cart_id);
    json_out_key(out, "version");
    json_out_int(out, event->version);
    json_out_key(out, "eventId");
    json_out_uuid(out, &event->event_id);
    json_out_key(out, "type");
    json_out_string(out, event->type);
    json_out_key(out, "schemaVersion");
    json_out_int(out, event->schema_version);
    json_out_key(out, "occurredAt");
    json_out_time(out, event->occurred_at_us);
    json_out_key(out, "data");
    json_out_raw(out, event->data);
    json_out_key(out, "metadata");
    json_out_raw(out, event->metadata);
    json_out_end_object(out);
}

/*
 * The bytes of `data` and `metadata` as they stand in the text: writing them again would change
 * escapes, numbers and white space. The parsed object has the members in the order of the text and
 * none twice, so the nth value of the text belongs to its nth member.
 */
static void find_raw(struct str json, json_t *object, struct str *ret_data,
                     struct str *ret_metadata)
{
    struct json_members members = json_members_of(json);
    const char *key;
    json_t *parsed;
    json_object_foreach(object, key, parsed)
    {
        struct str value;
        if (!json_members_next(&members, &value))
            return;
        if (strcmp(key, "data") == 0)
            *ret_data = value;
        else if (strcmp(key, "metadata") == 0)
            *ret_metadata = value;
    }
}

/* The bytes of the member `data`, when its name is written without escapes; or none. */
static struct str find_data(struct str json)
{
    static const char name[] = "\"data\"";
    struct json_members members = json_members_of(json);
    const char *at = members.at;
    for (struct str value; json_members_next(&members, &value); at = members.at) {
        const char *quote = memchr(at, '"', (size_t)(value.bytes - at));
        if (strncmp(quote, name, sizeof(name) - 1) == 0)
            return value;
    }
    return STR_NONE;
}

/*
 * What Jansson takes for no JSON - a name twice, a number beyond 64 bits, half a surrogate pair -
 * PostgreSQL does, and the log may hold it. It spoils no more than the event's data: the envelope
 * is read without it.
 */
static void write_without(struct text *text, struct str json, struct str data)
{
    size_t before = (size_t)(data.bytes - json.bytes);
    text_append(text, json.bytes, before);
    text_append_terminated(text, "null");
    text_append(text, data.bytes + data.length, json.length - before - data.length);
}

static char *copy_text(char *at, struct str *text)
{
    if (text->length > 0)
        memcpy(at, text->bytes, text->length);
    text->bytes = at;
    return at + text->length;
}

/* Moves the event's texts into a block that is long enough for them. */
static void copy_texts(char *block, struct recorded_event *event)
{
    block = copy_text(block, &event->type);
    block = copy_text(block, &event->data);
    copy_text(block, &event->metadata);
}

static size_t texts_length(const struct recorded_event *event)
{
    return event->type.length + event->data.length + event->metadata.length;
}

static void decref(json_t **object)
{
    json_decref(*object);
}

enum status recorded_event_read(struct str json, struct recorded_event *ret_event,
                                void **ret_source, struct error *error)
{
    AUTO(decref) json_t *object = NULL;
    AUTO(text_done) struct text envelope = TEXT_INIT(json.length + sizeof("null"));
    struct str data = find_data(json);
    if (!str_is_none(data)) {
        write_without(&envelope, json, data);
        if (!text_ok(&envelope))
            return error_set(error, STATUS_NO_MEMORY, "out of memory");
        json = text_str(&envelope);
    }
    enum status status = json_object_parse(json, RECORDED_DEPTH_MAX, &object, error);
    if (status != STATUS_OK)
        return status;
    struct object_reader reader = {.object = object, .error = error};
    struct recorded_event event = {
        .partition = (int16_t)object_reader_int(&reader, "partition", 0, PARTITION_COUNT_MAX - 1),
        .position = object_reader_int(&reader, "position", 1, INT64_MAX),
        .cart_id = object_reader_uuid(&reader, "cartId"),
        .version = (int32_t)object_reader_int(&reader, "version", 1, INT32_MAX),
        .event_id = object_reader_uuid(&reader, "eventId"),
        .type = object_reader_text(&reader, "type"),
        .schema_version = (int16_t)object_reader_int(&reader, "schemaVersion", 1, INT16_MAX),
        .occurred_at_us = object_reader_time(&reader, "occurredAt"),
    };
    find_raw(json, object, &event.data, &event.metadata);
    if (!str_is_none(data))
        event.data = data;
    if (str_is_none(event.data))
        object_reader_fail(&reader, "data", "is missing");
    if (!json_is_object(object_reader_find(&reader, "metadata")))
        object_reader_fail(&reader, "metadata", "must be an object");
    if (reader.status != STATUS_OK)
        return reader.status;
    char *block = malloc(texts_length(&event));
    if (block == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    copy_texts(block, &event);
    *ret_event = event;
    *ret_source = block;
    return STATUS_OK;
}

struct recorded_event *recorded_event_copy(const struct recorded_event *event)
{
    struct recorded_event *copy = malloc(sizeof(*copy) + texts_length(event));
    if (copy == NULL)
        return NULL;
    *copy = *event;
    copy_texts((char *)(copy + 1), copy);
    return copy;
}
