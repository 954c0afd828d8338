#include "number.h"

#include <criterion/criterion.h>

Test(number, plain_decimals_within_the_limits_only)
{
    int64_t number = -1;
    cr_assert(number_parse(STR_LITERAL("1"), 1, 200, &number));
    cr_assert_eq(number, 1);
    cr_assert(number_parse(STR_LITERAL("200"), 1, 200, &number));
    cr_assert_eq(number, 200);
    const char *const wrong[] = {"",
                                 "0",
                                 "201",
                                 "-1",
                                 "+1",
                                 " 1",
                                 "1 ",
                                 "01",
                                 "001",
                                 "1.0",
                                 "1e1",
                                 "x",
                                 "18446744073709551617"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(number_parse(str_from(wrong[i]), 1, 200, &number), "%s", wrong[i]);
    cr_assert_not(number_parse(STR_NONE, 1, 200, &number));
    cr_assert(number_parse(STR_LITERAL("9223372036854775807"), 1, INT64_MAX, &number));
    cr_assert_not(number_parse(STR_LITERAL("9223372036854775808"), 1, INT64_MAX, &number));
    cr_assert_eq(number, INT64_MAX);
}

Test(number, where_zero_is_one_it_has_no_other_zero_before_it)
{
    int64_t number = -1;
    cr_assert(number_parse(STR_LITERAL("0"), 0, 5, &number));
    cr_assert_eq(number, 0);
    cr_assert_not(number_parse(STR_LITERAL("00"), 0, 5, &number));
    cr_assert_not(number_parse(STR_LITERAL("05"), 0, 5, &number));
}
