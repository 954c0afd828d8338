/*
 * number.h - numbers as parameters write them: plain decimal.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

/* Digits only, no sign, no leading zero (0 itself has none); `least` (0 or more) to `most`. */
MUST_CHECK bool number_parse(struct str text, int64_t least, int64_t most, int64_t *ret_number);
