#include "prefer.h"

#include <strings.h>

/* Up to the next of `ends` outside a quoted string. *rest begins after it. */
static struct str take_until(struct str *rest, const char *ends)
{
    size_t length = 0;
    bool is_quoted = false;
    for (; length < rest->length; length++) {
        char c = rest->bytes[length];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && c == '\\' && length + 1 < rest->length)
            length++;
        else if (!is_quoted && c != '\0' && strchr(ends, c) != NULL)
            break;
    }
    struct str taken = {rest->bytes, length};
    size_t skipped = length < rest->length ? length + 1 : length;
    *rest = (struct str){rest->bytes + skipped, rest->length - skipped};
    return taken;
}

static bool parse_seconds(struct str value, int seconds_max, int *ret_seconds)
{
    if (value.length >= 2 && value.bytes[0] == '"' && value.bytes[value.length - 1] == '"')
        value = (struct str){value.bytes + 1, value.length - 2};
    if (value.length == 0)
        return false;
    int seconds = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return false;
        seconds = seconds * 10 + (value.bytes[i] - '0');
        if (seconds > seconds_max)
            seconds = seconds_max;
    }
    *ret_seconds = seconds;
    return true;
}

bool prefer_wait(struct str field, int seconds_max, int *ret_seconds)
{
    static const char wait[] = "wait";
    struct str rest = field;
    while (rest.length > 0) {
        struct str preference = take_until(&rest, ",");
        struct str value = take_until(&preference, ";"); /* its parameters do not matter */
        struct str name = str_trim(take_until(&value, "="));
        if (name.length == sizeof(wait) - 1 && strncasecmp(name.bytes, wait, name.length) == 0)
            return parse_seconds(str_trim(value), seconds_max, ret_seconds);
    }
    return false;
}
