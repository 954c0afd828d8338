/*
 * fuzz.h - what the fuzz targets share. A target is one LLVMFuzzerTestOneInput(); it aborts when an
 * invariant does not hold.
 */
#pragma once

#include "str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Takes the first line off `rest`, without its line break. */
static inline struct str take_line(struct str *rest)
{
    const char *newline = rest->length > 0 ? memchr(rest->bytes, '\n', rest->length) : NULL;
    struct str line = *rest;
    if (newline == NULL) {
        rest->bytes += rest->length;
        rest->length = 0;
        return line;
    }
    line.length = (size_t)(newline - rest->bytes);
    *rest = (struct str){newline + 1, rest->length - line.length - 1};
    return line;
}

static inline struct str input_of(const uint8_t *bytes, size_t size)
{
    return size == 0 ? STR_LITERAL("") : (struct str){(const char *)bytes, size};
}
