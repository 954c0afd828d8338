/*
 * money.h - amounts in the minor unit of a currency (cents, pence), with checked arithmetic.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

enum { CURRENCY_LENGTH = 3 };

/* This, times 999 pieces, times 500 lines, stays below 2^63. */
#define MONEY_AMOUNT_MAX INT64_C(1000000000000)

struct money {
    int64_t amount_minor;
    char currency[CURRENCY_LENGTH + 1]; /* ISO 4217 shape: three capital letters, terminated */
};

/* Three characters A to Z. */
MUST_CHECK bool currency_parse(struct str text, char ret_currency[CURRENCY_LENGTH + 1]);

/* False, and nothing written, on overflow. */
MUST_CHECK bool money_add(int64_t a, int64_t b, int64_t *ret_sum);
MUST_CHECK bool money_multiply(int64_t amount, int64_t times, int64_t *ret_product);

/* `percent` (0 to 100) of a non-negative amount, rounded half up; cannot overflow. */
int64_t money_percent(int64_t amount, int percent);
