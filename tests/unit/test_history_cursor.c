/* Where a page of a history ended, as a text and back. */
#include "history_cursor.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct uuid cart_id = {
    {0x01, 0x98, 0xff, 0, 1, 2, 0x70, 3, 0x80, 4, 5, 6, 7, 8, 9, 1}};
static const struct uuid other_id = {
    {0x01, 0x98, 0xff, 0, 1, 2, 0x70, 3, 0x80, 4, 5, 6, 7, 8, 9, 2}};

Test(history_cursor, a_version_is_read_back_for_its_cart_only)
{
    const int32_t versions[] = {1, 50, 10000, INT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        char cursor[HISTORY_CURSOR_LENGTH + 1];
        int32_t version = 0;
        history_cursor_format(&cart_id, versions[i], cursor);
        cr_assert_eq(strlen(cursor), HISTORY_CURSOR_LENGTH);
        cr_assert(history_cursor_parse(str_from(cursor), &cart_id, &version));
        cr_assert_eq(version, versions[i]);
        cr_assert_not(history_cursor_parse(str_from(cursor), &other_id, &version));
    }
}

Test(history_cursor, nothing_else_is_a_cursor)
{
    char cursor[HISTORY_CURSOR_LENGTH + 2] = "";
    int32_t version;
    const int32_t impossible[] = {0, -1, INT32_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(impossible); i++) {
        history_cursor_format(&cart_id, impossible[i], cursor);
        cr_assert_not(history_cursor_parse(str_from(cursor), &cart_id, &version));
    }
    history_cursor_format(&cart_id, 7, cursor);
    for (size_t length = 0; length < HISTORY_CURSOR_LENGTH; length++)
        cr_assert_not(history_cursor_parse((struct str){cursor, length}, &cart_id, &version));
    cursor[HISTORY_CURSOR_LENGTH] = 'A';
    cr_assert_not(history_cursor_parse(str_from(cursor), &cart_id, &version));
    cursor[HISTORY_CURSOR_LENGTH] = '\0';
    cursor[0] ^= 1; /* another format */
    cr_assert_not(history_cursor_parse(str_from(cursor), &cart_id, &version));
    cursor[0] = '+'; /* base64, but not base64url */
    cr_assert_not(history_cursor_parse(str_from(cursor), &cart_id, &version));
    cr_assert_not(history_cursor_parse(STR_NONE, &cart_id, &version));
}
