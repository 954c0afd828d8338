#include "text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 128, INT64_TEXT_MAX = 20 };

void text_done(struct text *text)
{
    free(text->bytes);
    text->bytes = NULL;
    text->length = 0;
    text->capacity = 0;
    text->failed = false;
}

void text_clear(struct text *text)
{
    text->length = 0;
    text->failed = false;
}

/* Makes room for `more` bytes and the NUL of text_steal() and vsnprintf(). */
static bool reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more > text->limit - text->length) {
        text->failed = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : text->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, const char *bytes, size_t length)
{
    if (length == 0 || !reserve(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_append_char(struct text *text, char c)
{
    if (!reserve(text, 1))
        return;
    text->bytes[text->length++] = c;
}

void text_append_str(struct text *text, struct str s)
{
    text_append(text, s.bytes, s.length);
}

void text_append_terminated(struct text *text, const char *terminated)
{
    text_append(text, terminated, strlen(terminated));
}

void text_append_int(struct text *text, int64_t value)
{
    char digits[INT64_TEXT_MAX];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    text_append(text, digits + at, sizeof(digits) - at);
}

void text_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    if (length > 0 && reserve(text, (size_t)length)) {
        int written = vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        assert(written == length);
        text->length += (size_t)written;
    }
    va_end(again);
}

void text_fail(struct text *text)
{
    text->failed = true;
}

bool text_ok(const struct text *text)
{
    return !text->failed;
}

struct str text_str(const struct text *text)
{
    return (struct str){text->bytes != NULL ? text->bytes : "", text->length};
}

char *text_steal(struct text *text, size_t *ret_length)
{
    if (!reserve(text, 0)) {
        text_done(text);
        return NULL;
    }
    char *bytes = text->bytes;
    bytes[text->length] = '\0';
    if (ret_length != NULL)
        *ret_length = text->length;
    text->bytes = NULL;
    text_done(text);
    return bytes;
}
