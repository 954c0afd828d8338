/*
 * cart_limits.h - how large a cart may get.
 */
#pragma once

#include <stdint.h>

enum {
    CART_LINES_MAX = 500, /* the most that a limit can allow */
    CART_COUPONS_MAX = 10,
};

struct cart_limits {
    int32_t lines_max;    /* lines a cart, up to CART_LINES_MAX */
    int32_t quantity_max; /* pieces a line */
};

#define CART_LIMITS_DEFAULT ((struct cart_limits){.lines_max = CART_LINES_MAX, .quantity_max = 999})
