#include "cart_line.h"

static int64_t take_coupons(int64_t left, const struct cart_coupon *coupons, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (coupons[i].percent_off != 0)
            left -= money_percent(left, coupons[i].percent_off);
    for (size_t i = 0; i < count; i++) {
        if (coupons[i].percent_off != 0)
            continue;
        int64_t amount = coupons[i].amount_off.amount_minor;
        left -= amount < left ? amount : left;
    }
    return left;
}

bool cart_totals_of(const struct cart_line *lines, size_t line_count,
                    const struct cart_coupon *coupons, size_t coupon_count,
                    struct cart_totals *ret_totals)
{
    int64_t subtotal = 0;
    for (size_t i = 0; i < line_count; i++) {
        int64_t line_total;
        if (!money_multiply(lines[i].unit_price.amount_minor, lines[i].quantity, &line_total) ||
            !money_add(subtotal, line_total, &subtotal))
            return false;
    }
    int64_t total = take_coupons(subtotal, coupons, coupon_count);
    *ret_totals =
        (struct cart_totals){.subtotal = subtotal, .discount = subtotal - total, .total = total};
    return true;
}
