#include "history_cursor.h"

#include "cart_partition.h"
#include "cursor_text.h"

#include <endian.h>

/* format (1), version (4), cart (4) */
enum { CURSOR_FORMAT = 2, VERSION_AT = 1, CART_AT = 5, CURSOR_BYTES = 9 };
_Static_assert(CURSOR_TEXT_LENGTH(CURSOR_BYTES) == HISTORY_CURSOR_LENGTH, "as the header says");

static uint32_t cart_hash(const struct uuid *cart_id)
{
    return murmur2((struct str){(const char *)cart_id->bytes, sizeof(cart_id->bytes)});
}

void history_cursor_format(const struct uuid *cart_id, int32_t version,
                           char ret_cursor[HISTORY_CURSOR_LENGTH + 1])
{
    uint8_t bytes[CURSOR_BYTES] = {CURSOR_FORMAT};
    uint32_t number = htobe32((uint32_t)version);
    uint32_t cart = htobe32(cart_hash(cart_id));
    memcpy(bytes + VERSION_AT, &number, sizeof(number));
    memcpy(bytes + CART_AT, &cart, sizeof(cart));
    cursor_text_format(bytes, sizeof(bytes), ret_cursor);
}

bool history_cursor_parse(struct str cursor, const struct uuid *cart_id, int32_t *ret_version)
{
    uint8_t bytes[CURSOR_BYTES];
    if (!cursor_text_parse(cursor, sizeof(bytes), bytes) || bytes[0] != CURSOR_FORMAT)
        return false;
    uint32_t number;
    uint32_t cart;
    memcpy(&number, bytes + VERSION_AT, sizeof(number));
    memcpy(&cart, bytes + CART_AT, sizeof(cart));
    number = be32toh(number);
    if (be32toh(cart) != cart_hash(cart_id) || number == 0 || number > INT32_MAX)
        return false;
    *ret_version = (int32_t)number;
    return true;
}
