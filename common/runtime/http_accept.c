#include "http_accept.h"

#include <strings.h>

/* Cuts off and returns the text before the separator; the rest stays. */
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
    return str_trim(part);
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

/* Thousandths of "q=0.5"; -1 when the parameter is not a quality. */
static int quality_of(struct str parameter)
{
    if (parameter.length < 3 || strncasecmp(parameter.bytes, "q=", 2) != 0)
        return -1;
    int quality = 0;
    int unit = 1000;
    for (size_t i = 2; i < parameter.length; i++) {
        char c = parameter.bytes[i];
        if (i == 3 ? c != '.' : c < '0' || c > '9')
            return -1;
        if (i != 3) {
            quality += (c - '0') * unit;
            unit /= 10;
        }
    }
    return quality <= 1000 ? quality : -1;
}

struct preference {
    int specificity;
    int quality; /* thousandths */
};

static struct preference preference_for(struct str accept, const char *type)
{
    struct preference best = {0};
    while (accept.length > 0) {
        struct str item = cut(&accept, ',');
        struct str range = cut(&item, ';');
        int match = specificity(range, type);
        if (match <= best.specificity)
            continue;
        best = (struct preference){.specificity = match, .quality = 1000};
        while (item.length > 0) {
            int quality = quality_of(cut(&item, ';'));
            if (quality >= 0)
                best.quality = quality;
        }
    }
    return best;
}

enum http_preference http_accepts(struct str accept, const char *type)
{
    if (str_is_none(accept) || accept.length == 0)
        return HTTP_ACCEPTED;
    struct preference preference = preference_for(accept, type);
    if (preference.quality == 0)
        return HTTP_NOT_ACCEPTED;
    return preference.specificity == 3 ? HTTP_ACCEPTED_BY_NAME : HTTP_ACCEPTED;
}

bool http_prefers(struct str accept, const char *type, const char *usual)
{
    return http_accepts(accept, type) == HTTP_ACCEPTED_BY_NAME &&
           preference_for(accept, type).quality >= preference_for(accept, usual).quality;
}
