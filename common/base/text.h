/*
 * text.h - a growing text buffer with a hard limit.
 *
 * Failure is sticky: once the limit is reached or memory is out, appending does nothing, and
 * text_ok() says so, at the end. Nothing is ever cut silently.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

struct text {
    char *bytes; /* owned; not terminated */
    size_t length;
    size_t capacity;
    size_t limit; /* most bytes it may hold */
    bool failed;
};

#define TEXT_INIT(most_bytes) ((struct text){.limit = (most_bytes)})

/* Releases the contents. Works on a zeroed struct. */
void text_done(struct text *text);

/* Empties it and forgets a failure, keeping the memory. */
void text_clear(struct text *text);

void text_append(struct text *text, const char *bytes, size_t length);
void text_append_char(struct text *text, char c);
void text_append_str(struct text *text, struct str s);
void text_append_terminated(struct text *text, const char *terminated);
void text_append_int(struct text *text, int64_t value);
void text_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* Marks it as failed: for callers that cannot write what was to be appended. */
void text_fail(struct text *text);

/* False when anything that was appended since text_clear() is missing. */
MUST_CHECK bool text_ok(const struct text *text);

/* Borrowed until the next append. Never none: an empty text is an empty str. */
struct str text_str(const struct text *text);

/* Steals the bytes (malloc'ed, terminated with NUL) and leaves the text empty. NULL when the text
 * has failed or memory is out; the text is empty then too. */
MUST_CHECK char *text_steal(struct text *text, size_t *ret_length);
