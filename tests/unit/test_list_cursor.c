/* Where a page ended, as a text and back. */
#include "list_cursor.h"

#include <criterion/criterion.h>

static const struct view_place place = {
    INT64_C(1795424400123456),
    {{0x01, 0x98, 0xff, 0, 1, 2, 0x70, 3, 0x80, 4, 5, 6, 7, 8, 0xfe, 0xff}},
};

static struct view_list list_of(const char *customer, const char *status)
{
    return (struct view_list){.customer_id = str_from(customer), .status = str_from(status)};
}

Test(list_cursor, a_place_is_read_back)
{
    const struct view_list lists[] = {list_of(NULL, NULL), list_of("c", NULL),
                                      list_of(NULL, "open"), list_of("\xc3\xa9 &=", "checked_out")};
    const int64_t times[] = {
        0, 1, -1, place.updated_at_us, INT64_C(253402300799999999), INT64_C(-62135596800000000)};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        for (size_t t = 0; t < ARRAY_SIZE(times); t++) {
            struct view_place given = {times[t], place.cart_id};
            struct view_place read;
            char cursor[LIST_CURSOR_LENGTH + 1];
            list_cursor_format(&lists[i], &given, cursor);
            cr_assert_eq(strlen(cursor), LIST_CURSOR_LENGTH);
            cr_assert_eq(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_"),
                         LIST_CURSOR_LENGTH);
            cr_assert(list_cursor_parse(str_from(cursor), &lists[i], &read));
            cr_assert_eq(read.updated_at_us, times[t]);
            cr_assert(uuid_equal(&read.cart_id, &place.cart_id));
        }
    }
}

Test(list_cursor, it_goes_with_its_filters_only)
{
    const struct view_list lists[] = {list_of(NULL, NULL),   list_of("open", NULL),
                                      list_of(NULL, "open"), list_of("c", NULL),
                                      list_of("c", "open"),  list_of("copen", NULL)};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        char cursor[LIST_CURSOR_LENGTH + 1];
        list_cursor_format(&lists[i], &place, cursor);
        for (size_t j = 0; j < ARRAY_SIZE(lists); j++) {
            struct view_place read;
            cr_assert_eq(list_cursor_parse(str_from(cursor), &lists[j], &read), i == j, "%zu %zu",
                         i, j);
        }
    }
}

Test(list_cursor, nothing_else_is_a_cursor)
{
    struct view_list list = list_of(NULL, NULL);
    struct view_place read;
    char cursor[LIST_CURSOR_LENGTH + 2] = "";
    list_cursor_format(&list, &place, cursor);
    for (size_t length = 0; length < LIST_CURSOR_LENGTH; length++)
        cr_assert_not(list_cursor_parse((struct str){cursor, length}, &list, &read));
    cursor[LIST_CURSOR_LENGTH] = 'A';
    cr_assert_not(list_cursor_parse((struct str){cursor, LIST_CURSOR_LENGTH + 1}, &list, &read));
    for (int c = 0; c < 256; c++) {
        cursor[20] = (char)c;
        bool is_base64url = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "0123456789-_",
                                             c) != NULL;
        cr_assert_eq(list_cursor_parse((struct str){cursor, LIST_CURSOR_LENGTH}, &list, &read),
                     is_base64url, "%d", c);
    }
    cr_assert_not(list_cursor_parse(STR_NONE, &list, &read));
}

Test(list_cursor, another_format_a_time_that_no_cart_has_and_stray_bits_are_refused)
{
    struct view_list list = list_of(NULL, NULL);
    struct view_place read;
    char cursor[LIST_CURSOR_LENGTH + 1];
    list_cursor_format(&list, &place, cursor);
    char first = cursor[0];
    cursor[0] = 'B'; /* the format's upper six bits */
    cr_assert_not(list_cursor_parse(str_from(cursor), &list, &read));
    cursor[0] = first;
    cr_assert(list_cursor_parse(str_from(cursor), &list, &read));
    cursor[LIST_CURSOR_LENGTH - 1] ^= 1; /* a bit behind the last byte */
    cr_assert_not(list_cursor_parse(str_from(cursor), &list, &read));

    const int64_t times[] = {INT64_MAX, INT64_MIN, INT64_C(253402300800000000),
                             INT64_C(-62135596800000001)};
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        struct view_place given = {times[i], place.cart_id};
        list_cursor_format(&list, &given, cursor);
        cr_assert_not(list_cursor_parse(str_from(cursor), &list, &read));
    }
}
