#include "http_accept.h"

#include <strings.h>

static struct str trim(struct str text)
{
    while (text.length > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text = (struct str){text.bytes + 1, text.length - 1};
    while (text.length > 0 &&
           (text.bytes[text.length - 1] == ' ' || text.bytes[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* Cuts off and returns what stands before the separator; the rest stays. */
static struct str cut(struct str *rest, char separator)
{
    const char *found = memchr(rest->bytes, separator, rest->length);
    struct str part = *rest;
    if (found == NULL) {
        *rest = (struct str){rest->bytes + rest->length, 0};
    } else {
        part.length = (size_t)(found - rest->bytes);
        *rest = (struct str){found + 1, rest->length - part.length - 1};
    }
    return trim(part);
}

static bool equal_ignoring_case(struct str text, const char *other, size_t length)
{
    return text.length == length && strncasecmp(text.bytes, other, length) == 0;
}

/* 0: does not match; 1: all types; 2: all subtypes; 3: the type itself. */
static int specificity(struct str range, const char *type)
{
    size_t main_length = (size_t)(strchr(type, '/') - type) + 1;
    if (equal_ignoring_case(range, type, strlen(type)))
        return 3;
    if (range.length == main_length + 1 && range.bytes[main_length] == '*' &&
        strncasecmp(range.bytes, type, main_length) == 0)
        return 2;
    return equal_ignoring_case(range, "*/*", 3) ? 1 : 0;
}

/* "q=0", "q=0.", "q=0.000" and nothing else. */
static bool is_zero_quality(struct str parameter)
{
    if (parameter.length < 3 || strncasecmp(parameter.bytes, "q=0", 3) != 0)
        return false;
    for (size_t i = 3; i < parameter.length; i++)
        if (parameter.bytes[i] != '0' && !(i == 3 && parameter.bytes[i] == '.'))
            return false;
    return true;
}

enum http_preference http_accepts(struct str accept, const char *type)
{
    if (str_is_none(accept) || accept.length == 0)
        return HTTP_ACCEPTED;
    int best = 0;
    bool refused = false;
    while (accept.length > 0) {
        struct str item = cut(&accept, ',');
        struct str range = cut(&item, ';');
        int match = specificity(range, type);
        if (match <= best)
            continue;
        best = match;
        refused = false;
        while (item.length > 0)
            refused = is_zero_quality(cut(&item, ';')) || refused;
    }
    if (best == 0 || refused)
        return HTTP_NOT_ACCEPTED;
    return best == 3 ? HTTP_ACCEPTED_BY_NAME : HTTP_ACCEPTED;
}
