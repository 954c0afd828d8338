#include "cart_line.h"

#include <criterion/criterion.h>

static struct cart_line line(int32_t quantity, int64_t price)
{
    return (struct cart_line){.quantity = quantity, .unit_price = {price, "EUR"}};
}

static struct cart_coupon percent(int32_t percent_off)
{
    return (struct cart_coupon){STR_LITERAL("p"), percent_off, {0, "EUR"}};
}

static struct cart_coupon amount(int64_t amount_off)
{
    return (struct cart_coupon){STR_LITERAL("a"), 0, {amount_off, "EUR"}};
}

static void assert_totals(const struct cart_line *lines, size_t line_count,
                          const struct cart_coupon *coupons, size_t coupon_count, int64_t subtotal,
                          int64_t discount)
{
    struct cart_totals totals;
    cr_assert(cart_totals_of(lines, line_count, coupons, coupon_count, &totals));
    cr_assert_eq(totals.subtotal, subtotal);
    cr_assert_eq(totals.discount, discount, "discount %lld", (long long)totals.discount);
    cr_assert_eq(totals.total, subtotal - discount);
}

Test(cart_totals, given_no_lines_then_all_is_zero)
{
    assert_totals(NULL, 0, (struct cart_coupon[]){percent(10), amount(5)}, 2, 0, 0);
}

Test(cart_totals, given_lines_then_quantity_times_price_is_summed)
{
    assert_totals((struct cart_line[]){line(2, 1999), line(1, 450), line(3, 0)}, 3, NULL, 0, 4448,
                  0);
}

Test(cart_totals, given_percent_coupons_then_each_takes_from_what_is_left)
{
    struct cart_line lines[] = {line(1, 1000)};
    assert_totals(lines, 1, (struct cart_coupon[]){percent(10), percent(10)}, 2, 1000, 190);
    assert_totals(lines, 1, (struct cart_coupon[]){percent(100), percent(10)}, 2, 1000, 1000);
}

Test(cart_totals, given_halves_then_the_discount_is_rounded_up)
{
    assert_totals((struct cart_line[]){line(1, 5)}, 1, (struct cart_coupon[]){percent(10)}, 1, 5,
                  1);
    assert_totals((struct cart_line[]){line(1, 4)}, 1, (struct cart_coupon[]){percent(10)}, 1, 4,
                  0);
}

Test(cart_totals, given_an_amount_first_then_percents_still_come_first)
{
    assert_totals((struct cart_line[]){line(1, 1000)}, 1,
                  (struct cart_coupon[]){amount(500), percent(10)}, 2, 1000, 600);
    assert_totals((struct cart_line[]){line(1, 1000)}, 1,
                  (struct cart_coupon[]){percent(10), amount(500), percent(10), amount(1)}, 4, 1000,
                  691);
}

Test(cart_totals, given_amounts_above_what_is_left_then_the_total_is_zero)
{
    assert_totals((struct cart_line[]){line(1, 1000)}, 1,
                  (struct cart_coupon[]){amount(700), amount(700)}, 2, 1000, 1000);
}

Test(cart_totals, given_the_limits_of_the_api_then_nothing_overflows)
{
    static struct cart_line lines[500];
    for (size_t i = 0; i < 500; i++)
        lines[i] = line(999, MONEY_AMOUNT_MAX);
    assert_totals(lines, 500, (struct cart_coupon[]){percent(50)}, 1, 499500 * MONEY_AMOUNT_MAX,
                  499500 * MONEY_AMOUNT_MAX / 2);
}

Test(cart_totals, given_more_than_fits_then_it_is_refused_and_nothing_written)
{
    struct cart_totals totals = {1, 2, 3};
    struct cart_line product[] = {line(INT32_MAX, INT64_MAX / 2)};
    struct cart_line sum[] = {line(1, INT64_MAX), line(1, 1)};
    cr_assert_not(cart_totals_of(product, 1, NULL, 0, &totals));
    cr_assert_not(cart_totals_of(sum, 2, NULL, 0, &totals));
    cr_assert_eq(totals.subtotal, 1);
}

Test(cart_totals, given_a_line_total_that_overflows_when_written_then_the_text_fails)
{
    AUTO(text_done) struct text text = TEXT_INIT(1000);
    struct json_out out = json_out_to(&text);
    struct cart_line wide = line(INT32_MAX, INT64_MAX / 2);
    cart_line_write(&wide, true, &out);
    cr_assert_not(text_ok(&text));
}
