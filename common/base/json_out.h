/*
 * json_out.h - writes JSON (RFC 8259) straight into a text buffer, commas included.
 *
 *     struct json_out out = json_out_to(&text);
 *     json_out_object(&out);
 *     json_out_key(&out, "version");
 *     json_out_int(&out, 7);
 *     json_out_end_object(&out);
 *
 * Strings must be UTF-8 (checked where they came in); control characters, quotes and backslashes
 * are escaped. Reading JSON is jansson's work.
 */
#pragma once

#include "money.h"
#include "text.h"
#include "uuid.h"

struct json_out {
    struct text *text; /* borrowed */
    bool needs_comma;
};

static inline struct json_out json_out_to(struct text *text)
{
    return (struct json_out){text, false};
}

void json_out_object(struct json_out *out);
void json_out_end_object(struct json_out *out);
void json_out_array(struct json_out *out);
void json_out_end_array(struct json_out *out);
/* `key` needs no escaping: it is a name of ours. */
void json_out_key(struct json_out *out, const char *key);
/* None is written as null. */
void json_out_string(struct json_out *out, struct str value);
void json_out_int(struct json_out *out, int64_t value);
void json_out_bool(struct json_out *out, bool value);
void json_out_null(struct json_out *out);
void json_out_uuid(struct json_out *out, const struct uuid *value);
/* RFC 3339, UTC, six decimals. */
void json_out_time(struct json_out *out, int64_t time_us);
/* {"amountMinor":1999,"currency":"EUR"} */
void json_out_money(struct json_out *out, struct money value);
/* `json` is a complete JSON value already. */
void json_out_raw(struct json_out *out, struct str json);
