/*
 * object_reader.h - takes the members of a JSON object one by one, each with its type and range.
 *
 * Failure is sticky: once a member is missing or wrong, the others read as zero, and `status` says
 * so, at the end. Unknown members are ignored. Texts are borrowed from the object.
 */
#pragma once

#include "cart_line.h"
#include "status.h"
#include "uuid.h"

#include <jansson.h>

struct object_reader {
    const json_t *object;
    const char *list;    /* the array that it is an element of, for messages; or NULL */
    size_t index;        /* in that array */
    enum status status;  /* STATUS_OK as long as all was well */
    struct error *error; /* may be NULL */
};

/* Parses `json` as one object, nested no deeper than `depth_most`, no member twice, no NUL in
 * texts; json_decref() *ret_object. STATUS_INVALID when it is anything else. */
MUST_CHECK enum status json_object_parse(struct str json, int depth_most, json_t **ret_object,
                                         struct error *error);

/* Parses an event's metadata. Metadata that cannot be read does not make the event unreadable:
 * *ret_object is NULL then, with STATUS_OK. STATUS_NO_MEMORY. */
MUST_CHECK enum status metadata_parse(struct str json, json_t **ret_object, struct error *error);

/* Any value but null. NULL when there is none, which is not an error. */
const json_t *object_reader_find(const struct object_reader *reader, const char *name);

struct str object_reader_text(struct object_reader *reader, const char *name); /* not empty */
struct str object_reader_text_or_empty(struct object_reader *reader, const char *name);
/* None for null; not empty; the member must be there. */
struct str object_reader_text_or_null(struct object_reader *reader, const char *name);
/* An integer: 2.0 is none. */
int64_t object_reader_int(struct object_reader *reader, const char *name, int64_t lowest,
                          int64_t highest);
/* 0 to 2^31 - 1 */
int32_t object_reader_quantity(struct object_reader *reader, const char *name);
/* {"amountMinor","currency"} of 0 to `most` */
struct money object_reader_money(struct object_reader *reader, const char *name, int64_t most);
void object_reader_currency(struct object_reader *reader, const char *name,
                            char ret_currency[CURRENCY_LENGTH + 1]);
struct uuid object_reader_uuid(struct object_reader *reader, const char *name);
int64_t object_reader_time(struct object_reader *reader, const char *name);
/* An array, or NULL after a failure. */
const json_t *object_reader_array(struct object_reader *reader, const char *name);
/* Sticky failure for a check that only the caller can make. */
void object_reader_fail(struct object_reader *reader, const char *name, const char *what);
