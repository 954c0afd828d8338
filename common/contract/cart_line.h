/*
 * cart_line.h - one line of a cart, as commands bring it, events carry it and views show it.
 */
#pragma once

#include "json_out.h"
#include "money.h"
#include "str.h"

struct cart_line {
    struct str sku;  /* 1-64 bytes */
    struct str name; /* 0-256 bytes */
    int32_t quantity;
    uint32_t sku_mark; /* the domain's own (cart_lines.c) */
    struct money unit_price;
};

/* What a coupon takes off: a percentage, or an amount when percent_off is 0. */
struct cart_coupon {
    struct str code;
    int32_t percent_off; /* 1-100, or 0 */
    struct money amount_off;
};

struct cart_totals {
    int64_t subtotal;
    int64_t discount;
    int64_t total;
};

/*
 * Subtotal, discount and total in minor units. Percent coupons come first, in order, each on what
 * is left, rounded half up. Then come amounts. The total never goes below 0. False on overflow,
 * which the limits of docs/api.md exclude.
 */
MUST_CHECK bool cart_totals_of(const struct cart_line *lines, size_t line_count,
                               const struct cart_coupon *coupons, size_t coupon_count,
                               struct cart_totals *ret_totals);

/* {"sku","name","quantity","unitPrice"} and, with_total, "lineTotal". A line total that overflows
 * (the limits of docs/api.md exclude it) fails the text. */
void cart_line_write(const struct cart_line *line, bool with_total, struct json_out *out);
/* {"code","percentOff"} or {"code","amountOff"}. */
void cart_coupon_write(const struct cart_coupon *coupon, struct json_out *out);
/* The same members into an object that is already open. */
void cart_coupon_write_members(const struct cart_coupon *coupon, struct json_out *out);
