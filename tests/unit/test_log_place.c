#include "log_place.h"

#include <criterion/criterion.h>

Test(log_place, given_partition_and_position_then_it_is_a_place)
{
    struct log_place place;
    cr_assert(log_place_parse(STR_LITERAL("0:1"), 6, &place));
    cr_assert_eq(place.partition, 0);
    cr_assert_eq(place.position, 1);
    cr_assert(log_place_parse(STR_LITERAL("5:9223372036854775807"), 6, &place));
    cr_assert_eq(place.partition, 5);
    cr_assert_eq(place.position, INT64_MAX);
}

Test(log_place, given_anything_else_then_it_is_none)
{
    const char *const wrong[] = {"",      ":",
                                 "1",     ":1",
                                 "1:",    "6:1",
                                 "-1:1",  "0:0",
                                 "0:x",   "x:1",
                                 " 0:1",  "0: 1",
                                 "0:1 ",  "00:1",
                                 "0:01",  "0:-1",
                                 "all",   "0:1:",
                                 "0::1",  "+0:+1",
                                 "0:1e1", "0:9223372036854775808"};
    struct log_place place = {7, 7};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(log_place_parse(str_from(wrong[i]), 6, &place), "%s", wrong[i]);
    cr_assert_not(log_place_parse(STR_NONE, 6, &place));
    cr_assert_eq(place.partition, 7);
}
