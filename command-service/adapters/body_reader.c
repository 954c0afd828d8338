#include "body_reader.h"

#include "json_body.h"
#include "utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { SHOWN_NAME_MAX = 64 };

static void add_invalid(const struct body_object *object, const char *member, const char *format,
                        ...) PRINTF_LIKE(3, 4);

void body_malformed(struct body_problems *problems, const char *format, ...)
{
    if (problems->is_malformed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problems->malformed, sizeof(problems->malformed), format, arguments);
    va_end(arguments);
    problems->is_malformed = true;
}

static void add_invalid(const struct body_object *object, const char *member, const char *format,
                        ...)
{
    struct body_problems *problems = object->problems;
    assert(problems->error_count < BODY_ERRORS_MAX);
    struct problem_error *error = &problems->errors[problems->error_count++];
    snprintf(error->pointer, sizeof(error->pointer), "%s%s%s", object->pointer,
             member[0] == '\0' ? "" : "/", member);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
}

void body_invalid(const struct body_object *object, const char *member, const char *detail)
{
    add_invalid(object, member, "%s", detail);
}

/* The object at this place. When it is not one, that is reported, and it reads as zeros. */
static struct body_object object_at(const struct body_object *place, const json_t *json)
{
    struct body_object object = *place;
    object.json = json_is_object(json) ? json : NULL;
    if (object.json == NULL)
        add_invalid(place, "", "must be an object");
    return object;
}

struct body_object body_parse(struct str body, json_t **ret_document,
                              struct body_problems *problems)
{
    struct body_object root = {.problems = problems};
    struct error error;
    *ret_document = NULL;
    enum status status = json_body_parse(body, ret_document, &error);
    if (status == STATUS_OK)
        return object_at(&root, *ret_document);
    if (status == STATUS_NO_MEMORY)
        problems->has_no_memory = true;
    else
        body_malformed(problems, "%s", error.message);
    return root;
}

void body_allow(const struct body_object *object, const char *const *members)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object->json, name, value)
    {
        size_t i = 0;
        while (members[i] != NULL && strcmp(members[i], name) != 0)
            i++;
        if (members[i] != NULL)
            continue;
        bool can_be_shown = strlen(name) <= SHOWN_NAME_MAX && utf8_is_printable(str_from(name));
        body_malformed(object->problems, "unknown member '%s' in %s", can_be_shown ? name : "...",
                       object->pointer[0] == '\0' ? "the body" : object->pointer);
    }
}

bool body_has(const struct body_object *object, const char *member)
{
    return json_object_get(object->json, member) != NULL;
}

/* The member's value. NULL when it is missing, which is reported. */
static const json_t *required(const struct body_object *object, const char *member)
{
    const json_t *value = json_object_get(object->json, member);
    if (value == NULL && object->json != NULL)
        add_invalid(object, member, "is missing");
    return value;
}

static struct str checked_text(const struct body_object *object, const char *member,
                               const json_t *value, size_t bytes_min, size_t bytes_max)
{
    if (!json_is_string(value)) {
        add_invalid(object, member, "must be a string");
        return STR_NONE;
    }
    struct str text = {json_string_value(value), json_string_length(value)};
    if (text.length < bytes_min || text.length > bytes_max) {
        add_invalid(object, member, "must have %zu to %zu bytes", bytes_min, bytes_max);
        return STR_NONE;
    }
    if (!utf8_is_printable(text)) {
        add_invalid(object, member, "must not hold control characters");
        return STR_NONE;
    }
    return text;
}

struct str body_text(const struct body_object *object, const char *member, size_t bytes_min,
                     size_t bytes_max)
{
    const json_t *value = required(object, member);
    return value == NULL ? STR_NONE : checked_text(object, member, value, bytes_min, bytes_max);
}

struct str body_optional_text(const struct body_object *object, const char *member,
                              size_t bytes_min, size_t bytes_max)
{
    const json_t *value = json_object_get(object->json, member);
    if (value == NULL || json_is_null(value))
        return STR_NONE;
    return checked_text(object, member, value, bytes_min, bytes_max);
}

int64_t body_int(const struct body_object *object, const char *member, int64_t minimum,
                 int64_t maximum)
{
    const json_t *value = required(object, member);
    if (value == NULL)
        return 0;
    if (!json_is_integer(value)) {
        add_invalid(object, member, "must be an integer");
        return 0;
    }
    int64_t number = json_integer_value(value);
    if (number < minimum || number > maximum) {
        add_invalid(object, member, "must be %" PRId64 " to %" PRId64, minimum, maximum);
        return 0;
    }
    return number;
}

void body_currency(const struct body_object *object, const char *member,
                   char ret_currency[CURRENCY_LENGTH + 1])
{
    ret_currency[0] = '\0';
    const json_t *value = required(object, member);
    if (value == NULL)
        return;
    struct str text = {json_string_value(value), json_string_length(value)};
    if (!json_is_string(value) || !currency_parse(text, ret_currency))
        add_invalid(object, member, "must be three capital letters (ISO 4217)");
}

static bool checked_uuid(const struct body_object *object, const char *member, const json_t *value,
                         struct uuid *ret_uuid)
{
    struct str text = {json_string_value(value), json_string_length(value)};
    if (!json_is_string(value) || !uuid_parse(text, ret_uuid)) {
        add_invalid(object, member, "must be a UUID");
        return false;
    }
    return true;
}

bool body_uuid(const struct body_object *object, const char *member, struct uuid *ret_uuid)
{
    const json_t *value = required(object, member);
    return value != NULL && checked_uuid(object, member, value, ret_uuid);
}

bool body_optional_uuid(const struct body_object *object, const char *member, struct uuid *ret_uuid)
{
    const json_t *value = json_object_get(object->json, member);
    return value != NULL && !json_is_null(value) && checked_uuid(object, member, value, ret_uuid);
}

struct body_object body_member(const struct body_object *object, const char *member)
{
    struct body_object place = {.problems = object->problems};
    int length = snprintf(place.pointer, sizeof(place.pointer), "%s/%s", object->pointer, member);
    assert(length > 0 && (size_t)length < sizeof(place.pointer));
    const json_t *value = required(object, member);
    return value == NULL ? place : object_at(&place, value);
}

size_t body_array(const struct body_object *object, const char *member, size_t minimum,
                  size_t maximum)
{
    const json_t *value = required(object, member);
    if (value == NULL)
        return 0;
    if (!json_is_array(value)) {
        add_invalid(object, member, "must be an array");
        return 0;
    }
    size_t size = json_array_size(value);
    if (size < minimum || size > maximum) {
        add_invalid(object, member, "must have %zu to %zu elements", minimum, maximum);
        return 0;
    }
    return size;
}

struct body_object body_element(const struct body_object *object, const char *member, size_t index)
{
    struct body_object place = {.problems = object->problems};
    int length =
        snprintf(place.pointer, sizeof(place.pointer), "%s/%s/%zu", object->pointer, member, index);
    assert(length > 0 && (size_t)length < sizeof(place.pointer));
    return object_at(&place, json_array_get(json_object_get(object->json, member), index));
}
