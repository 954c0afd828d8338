/*
 * json_scan.h - what jansson cannot tell about a JSON text: how deep it is before it is parsed, and
 * the bytes with which a member's value was written.
 *
 * Neither function decides whether the text is JSON: that is jansson's work.
 */
#pragma once

#include "macros.h"
#include "str.h"

/* Deepest nesting of arrays and objects accepted from outside; {} is 1 deep. */
enum { JSON_DEPTH_MAX = 16 };

/* False when arrays and objects are nested deeper than `most`. A text that is not JSON may get
 * either answer; asking about it is safe. */
MUST_CHECK bool json_depth_ok(struct str json, int most);

/*
 * Walks over the values of an object's members as they were written, in the order of the text, each
 * without the white space around it.
 *
 *     struct json_members members = json_members_of(json);
 *     struct str value;
 *     while (json_members_next(&members, &value))
 *         ...
 *
 * `json` must have been parsed as an object before. Keys are not decoded ("d\u0061ta" is `data`).
 * To know which member a value belongs to, walk beside json_object_foreach() over an object read
 * with JSON_REJECT_DUPLICATES, which keeps the order of the text. On a text that is not an object
 * it ends early, inside the text.
 */
struct json_members {
    const char *at;
    const char *end;
};

struct json_members json_members_of(struct str json);
/* Borrowed from the text. */
MUST_CHECK bool json_members_next(struct json_members *members, struct str *ret_value);
