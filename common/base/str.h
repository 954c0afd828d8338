/*
 * str.h - a borrowed piece of text with its length.
 *
 * Never owns its bytes, and they need not be terminated. The function that returns one says how
 * long they live.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *bytes; /* NULL means "none", which is not the same as empty */
    size_t length;     /* bytes */
};

#define STR_NONE ((struct str){NULL, 0})
#define STR_LITERAL(literal) ((struct str){"" literal, sizeof(literal) - 1})

/* For printf("%.*s"). */
#define STR_FORMAT "%.*s"
#define STR_ARGS(s) (int)(s).length, ((s).bytes != NULL ? (s).bytes : "")

static inline struct str str_from(const char *terminated)
{
    return terminated == NULL ? STR_NONE : (struct str){terminated, strlen(terminated)};
}

static inline bool str_is_none(struct str s)
{
    return s.bytes == NULL;
}

/* None equals only none. */
static inline bool str_equal(struct str a, struct str b)
{
    if (a.bytes == NULL || b.bytes == NULL)
        return a.bytes == b.bytes;
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

static inline bool str_equal_literal(struct str a, const char *literal)
{
    return str_equal(a, str_from(literal));
}

/* Without the spaces and tabs around it (the OWS of RFC 9110, 5.6.3). */
static inline struct str str_trim(struct str s)
{
    while (s.length > 0 && (s.bytes[0] == ' ' || s.bytes[0] == '\t'))
        s = (struct str){s.bytes + 1, s.length - 1};
    while (s.length > 0 && (s.bytes[s.length - 1] == ' ' || s.bytes[s.length - 1] == '\t'))
        s.length--;
    return s;
}
