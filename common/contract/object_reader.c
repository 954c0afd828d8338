#include "object_reader.h"

#include "clock.h"
#include "json_scan.h"

enum status json_object_parse(struct str json, int depth_most, json_t **ret_object,
                              struct error *error)
{
    if (str_is_none(json))
        return error_set(error, STATUS_INVALID, "there is no JSON");
    if (!json_depth_ok(json, depth_most))
        return error_set(error, STATUS_INVALID, "JSON nested deeper than %d", depth_most);
    json_error_t problem;
    json_t *object = json_loadb(json.bytes, json.length, JSON_REJECT_DUPLICATES, &problem);
    if (object == NULL && problem.text[0] == '\0') /* Jansson's only sign of it */
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    if (object == NULL)
        return error_set(error, STATUS_INVALID, "not JSON: %s at byte %d", problem.text,
                         problem.position);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(error, STATUS_INVALID, "not a JSON object");
    }
    *ret_object = object;
    return STATUS_OK;
}

enum status metadata_parse(struct str json, json_t **ret_object, struct error *error)
{
    json_t *object = NULL;
    struct error ignored;
    enum status status = json_object_parse(json, JSON_DEPTH_MAX, &object, &ignored);
    /* Jansson may report a syntax error for a text that it has no memory for, but not twice. */
    if (status == STATUS_INVALID &&
        json_object_parse(json, JSON_DEPTH_MAX, &object, &ignored) != STATUS_INVALID) {
        json_decref(object);
        status = STATUS_NO_MEMORY;
    }
    if (status == STATUS_NO_MEMORY)
        return error_set(error, status, "out of memory");
    *ret_object = object;
    return STATUS_OK;
}

void object_reader_fail(struct object_reader *reader, const char *name, const char *what)
{
    if (reader->status != STATUS_OK)
        return;
    if (reader->list != NULL)
        reader->status = error_set(reader->error, STATUS_INVALID, "%s[%zu].%s %s", reader->list,
                                   reader->index, name, what);
    else
        reader->status = error_set(reader->error, STATUS_INVALID, "%s %s", name, what);
}

const json_t *object_reader_find(const struct object_reader *reader, const char *name)
{
    const json_t *value = json_object_get(reader->object, name);
    return json_is_null(value) ? NULL : value;
}

static struct str text_of(const json_t *string)
{
    return (struct str){json_string_value(string), json_string_length(string)};
}

struct str object_reader_text_or_empty(struct object_reader *reader, const char *name)
{
    const json_t *value = json_object_get(reader->object, name);
    if (!json_is_string(value)) {
        object_reader_fail(reader, name, "must be a text");
        return STR_LITERAL("");
    }
    return text_of(value);
}

struct str object_reader_text(struct object_reader *reader, const char *name)
{
    struct str text = object_reader_text_or_empty(reader, name);
    if (text.length == 0)
        object_reader_fail(reader, name, "must not be empty");
    return text;
}

struct str object_reader_text_or_null(struct object_reader *reader, const char *name)
{
    if (json_is_null(json_object_get(reader->object, name)))
        return STR_NONE;
    return object_reader_text(reader, name);
}

int64_t object_reader_int(struct object_reader *reader, const char *name, int64_t lowest,
                          int64_t highest)
{
    const json_t *value = json_object_get(reader->object, name);
    if (!json_is_integer(value)) {
        object_reader_fail(reader, name, "must be an integer");
        return 0;
    }
    json_int_t number = json_integer_value(value);
    if (number < lowest || number > highest) {
        object_reader_fail(reader, name, "is out of range");
        return 0;
    }
    return number;
}

int32_t object_reader_quantity(struct object_reader *reader, const char *name)
{
    return (int32_t)object_reader_int(reader, name, 0, INT32_MAX);
}

void object_reader_currency(struct object_reader *reader, const char *name,
                            char ret_currency[CURRENCY_LENGTH + 1])
{
    ret_currency[0] = '\0';
    if (!currency_parse(object_reader_text(reader, name), ret_currency))
        object_reader_fail(reader, name, "must be three capital letters");
}

struct money object_reader_money(struct object_reader *reader, const char *name, int64_t most)
{
    struct money money = {0};
    struct object_reader inner = {.object = json_object_get(reader->object, name),
                                  .list = reader->list,
                                  .index = reader->index,
                                  .status = reader->status,
                                  .error = reader->error};
    if (!json_is_object(inner.object)) {
        object_reader_fail(reader, name, "must be an amount with its currency");
        return money;
    }
    money.amount_minor = object_reader_int(&inner, "amountMinor", 0, most);
    object_reader_currency(&inner, "currency", money.currency);
    reader->status = inner.status;
    return money;
}

struct uuid object_reader_uuid(struct object_reader *reader, const char *name)
{
    struct uuid uuid = {0};
    if (!uuid_parse(object_reader_text(reader, name), &uuid))
        object_reader_fail(reader, name, "must be a UUID");
    return uuid;
}

int64_t object_reader_time(struct object_reader *reader, const char *name)
{
    int64_t time_us = 0;
    if (!time_parse(object_reader_text(reader, name), &time_us))
        object_reader_fail(reader, name, "must be an RFC 3339 time");
    return time_us;
}

const json_t *object_reader_array(struct object_reader *reader, const char *name)
{
    const json_t *value = json_object_get(reader->object, name);
    if (!json_is_array(value)) {
        object_reader_fail(reader, name, "must be an array");
        return NULL;
    }
    return value;
}
