/*
 * query_number.h - numbers in parameters and header fields: plain decimal, from 1 up.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

/* Digits only, no leading zero, no sign, 1 to `maximum`. */
MUST_CHECK bool query_number_parse(struct str text, int64_t maximum, int64_t *ret_number);
