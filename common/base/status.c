#include "status.h"

#include "utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Messages of libpq and the kernel end in newlines or have several lines. Messages of jansson quote
 * the input. */
static void make_one_line(char *message)
{
    struct str text = str_from(message);
    size_t at = 0;
    while (at < text.length) {
        uint32_t code_point;
        size_t length = utf8_decode(text, at, &code_point);
        bool printable = length > 0 && utf8_is_printable((struct str){message + at, length});
        if (!printable)
            message[at] = message[at] == '\n' || message[at] == '\r' ? ' ' : '?';
        at += printable ? length : 1;
    }
    while (at > 0 && message[at - 1] == ' ')
        message[--at] = '\0';
}

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    if (error == NULL)
        return status;
    char message[ERROR_MESSAGE_MAX]; /* an argument may be error->message itself */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    assert(length >= 0);
    if (length >= ERROR_MESSAGE_MAX)
        utf8_drop_cut(message);
    make_one_line(message);
    error->status = status;
    memcpy(error->message, message, sizeof(message));
    return status;
}

const char *status_name(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_NOT_FOUND:
        return "not found";
    case STATUS_CONFLICT:
        return "conflict";
    case STATUS_UNAVAILABLE:
        return "unavailable";
    case STATUS_UNCERTAIN:
        return "uncertain";
    case STATUS_NO_MEMORY:
        return "no memory";
    case STATUS_INTERNAL:
        return "internal";
    }
    return "unknown";
}
