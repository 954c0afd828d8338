#include "list_cursor.h"

#include "cart_partition.h"
#include "cursor_text.h"

#include <assert.h>
#include <endian.h>

/* format (1), updated_at (8), cart id (16), filters (4) */
enum {
    CURSOR_FORMAT = 1,
    TIME_AT = 1,
    CART_AT = 9,
    FILTERS_AT = 25,
    CURSOR_BYTES = 29,
    FILTERS_TEXT_MAX = 256,
};
_Static_assert(CURSOR_TEXT_LENGTH(CURSOR_BYTES) == LIST_CURSOR_LENGTH, "as the header says");

/* What time_format() can write: years 0001 to 9999. */
static const int64_t TIME_MIN_US = INT64_C(-62135596800000000);
static const int64_t TIME_MAX_US = INT64_C(253402300799999999);

static uint32_t filters_hash(const struct view_list *list)
{
    char text[FILTERS_TEXT_MAX];
    size_t length = 0;
    const struct str filters[] = {list->customer_id, list->status};
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        assert(length + filters[i].length + 1 <= sizeof(text));
        if (filters[i].length > 0)
            memcpy(text + length, filters[i].bytes, filters[i].length);
        length += filters[i].length;
        text[length++] = '\n'; /* cannot occur in a filter */
    }
    return murmur2((struct str){text, length});
}

void list_cursor_format(const struct view_list *list, const struct view_place *place,
                        char ret_cursor[LIST_CURSOR_LENGTH + 1])
{
    uint8_t bytes[CURSOR_BYTES] = {CURSOR_FORMAT};
    uint64_t time = htobe64((uint64_t)place->updated_at_us);
    uint32_t filters = htobe32(filters_hash(list));
    memcpy(bytes + TIME_AT, &time, sizeof(time));
    memcpy(bytes + CART_AT, place->cart_id.bytes, sizeof(place->cart_id.bytes));
    memcpy(bytes + FILTERS_AT, &filters, sizeof(filters));
    cursor_text_format(bytes, sizeof(bytes), ret_cursor);
}

bool list_cursor_parse(struct str cursor, const struct view_list *list,
                       struct view_place *ret_place)
{
    uint8_t bytes[CURSOR_BYTES];
    if (!cursor_text_parse(cursor, sizeof(bytes), bytes) || bytes[0] != CURSOR_FORMAT)
        return false;
    uint32_t filters;
    memcpy(&filters, bytes + FILTERS_AT, sizeof(filters));
    if (be32toh(filters) != filters_hash(list))
        return false;
    uint64_t time;
    memcpy(&time, bytes + TIME_AT, sizeof(time));
    struct view_place place = {.updated_at_us = (int64_t)be64toh(time)};
    memcpy(place.cart_id.bytes, bytes + CART_AT, sizeof(place.cart_id.bytes));
    if (place.updated_at_us < TIME_MIN_US || place.updated_at_us > TIME_MAX_US)
        return false;
    *ret_place = place;
    return true;
}
