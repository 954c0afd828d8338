#include "recorded_event.h"

#include "cart_partition.h"
#include "json_scan.h"
#include "object_reader.h"

#include <stdlib.h>

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
 * The envelope alone, with every array and object in it replaced by 0. PostgreSQL accepts some JSON
 * that Jansson cannot read (such as \u0000); it must still be possible to tell whose event it is.
 * *ret_envelope is *new*.
 */
static enum status read_envelope(struct str json, json_t **ret_envelope, struct error *error)
{
    if (str_is_none(json))
        return error_set(error, STATUS_INVALID, "there is no JSON");
    char *copy = malloc(json.length + 1);
    if (copy == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    memcpy(copy, json.bytes, json.length);
    struct json_members members = json_members_of(json);
    struct str value;
    while (json_members_next(&members, &value)) {
        if (*value.bytes != '{' && *value.bytes != '[')
            continue;
        char *blank = memset(copy + (value.bytes - json.bytes), ' ', value.length);
        *blank = '0';
    }
    enum status status = json_object_parse((struct str){copy, json.length}, 1, ret_envelope, error);
    free(copy);
    return status;
}

/*
 * The bytes of `data` and `metadata` as they stand in the text. The parsed envelope has its members
 * in the order of the text, none twice, so the nth value of the text belongs to the nth member.
 */
static void find_raw(struct str json, json_t *envelope, struct str *ret_data,
                     struct str *ret_metadata)
{
    struct json_members members = json_members_of(json);
    const char *key;
    json_t *parsed;
    json_object_foreach(envelope, key, parsed)
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

static enum status check_metadata(struct str *metadata, struct error *error)
{
    json_t *object;
    if (str_is_none(*metadata) || *metadata->bytes != '{')
        return error_set(error, STATUS_INVALID, "metadata must be an object");
    enum status status = metadata_parse(*metadata, &object, error);
    if (status == STATUS_OK && object == NULL)
        *metadata = STR_LITERAL("{}");
    if (status == STATUS_OK)
        json_decref(object);
    return status;
}

static char *copy_text(char *at, struct str *text)
{
    if (text->length > 0)
        memcpy(at, text->bytes, text->length);
    text->bytes = at;
    return at + text->length;
}

/* Moves the event's texts into a block that is large enough for them. */
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
    enum status status = read_envelope(json, &object, error);
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
    if (str_is_none(event.data))
        object_reader_fail(&reader, "data", "is missing");
    if (reader.status != STATUS_OK)
        return reader.status;
    status = check_metadata(&event.metadata, error);
    if (status != STATUS_OK)
        return status;
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
