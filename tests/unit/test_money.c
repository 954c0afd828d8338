#include "money.h"

#include <criterion/criterion.h>

Test(money, given_three_capitals_when_parsed_then_it_is_a_currency)
{
    char currency[CURRENCY_LENGTH + 1];
    cr_assert(currency_parse(STR_LITERAL("EUR"), currency));
    cr_assert_str_eq(currency, "EUR");
    cr_assert(currency_parse(STR_LITERAL("AZZ"), currency));
}

Test(money, given_anything_else_when_parsed_then_it_is_refused_and_nothing_written)
{
    static const char *const wrong[] = {"",    "EU",  "EURO", "eur",      "E R",
                                        "EU1", "EU[", "EU@",  "\xc3\x84R"};
    char currency[CURRENCY_LENGTH + 1] = "XXX";
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(currency_parse(str_from(wrong[i]), currency), "%s", wrong[i]);
    cr_assert_not(currency_parse(STR_NONE, currency));
    cr_assert_str_eq(currency, "XXX");
}

Test(money, given_sums_when_they_fit_then_they_are_exact_else_refused)
{
    int64_t sum = 42;
    cr_assert(money_add(INT64_MAX - 1, 1, &sum));
    cr_assert_eq(sum, INT64_MAX);
    sum = 42;
    cr_assert_not(money_add(INT64_MAX, 1, &sum));
    cr_assert_not(money_add(INT64_MIN, -1, &sum));
    cr_assert_eq(sum, 42);
}

Test(money, given_products_when_they_fit_then_they_are_exact_else_refused)
{
    int64_t product = 42;
    cr_assert(money_multiply(MONEY_AMOUNT_MAX, 999 * 500, &product), "the limits of the API fit");
    cr_assert_eq(product, MONEY_AMOUNT_MAX * 499500);
    product = 42;
    cr_assert_not(money_multiply(INT64_MAX / 2 + 1, 2, &product));
    cr_assert_eq(product, 42);
}

Test(money, given_halves_when_a_percentage_is_taken_then_they_are_rounded_up)
{
    cr_assert_eq(money_percent(0, 10), 0);
    cr_assert_eq(money_percent(1999, 10), 200);
    cr_assert_eq(money_percent(1994, 10), 199);
    cr_assert_eq(money_percent(5, 10), 1);
    cr_assert_eq(money_percent(4, 10), 0);
    cr_assert_eq(money_percent(150, 1), 2);
    cr_assert_eq(money_percent(149, 1), 1);
    cr_assert_eq(money_percent(1, 50), 1);
}

Test(money, given_the_largest_amount_when_a_percentage_is_taken_then_nothing_overflows)
{
    cr_assert_eq(money_percent(INT64_MAX, 100), INT64_MAX);
    cr_assert_eq(money_percent(INT64_MAX, 0), 0);
    cr_assert_eq(money_percent(INT64_MAX, 50), INT64_MAX / 2 + 1);
}

Test(money, given_all_small_amounts_then_the_percentage_is_the_rounded_quotient)
{
    for (int64_t amount = 0; amount < 500; amount++)
        for (int percent = 0; percent <= 100; percent++)
            cr_assert_eq(money_percent(amount, percent), (amount * percent * 2 + 100) / 200);
}
