/*
 * number.h - numbers as parameters write them: plain decimal; and hexadecimal digits.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

/* Digits only, no sign, no leading zero (0 itself has none); `least` (0 or more) to `most`. */
MUST_CHECK bool number_parse(struct str text, int64_t least, int64_t most, int64_t *ret_number);

/* 0 to 15, of a hexadecimal digit in either case; -1: it is none. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
