#include "cursor_text.h"

#include <assert.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Character i holds the six bits from bit 6 i on, from two bytes at most. */
void cursor_text_format(const uint8_t *bytes, size_t count, char *ret_text)
{
    assert(count <= CURSOR_BYTES_MAX);
    size_t length = CURSOR_TEXT_LENGTH(count);
    for (size_t i = 0; i < length; i++) {
        size_t at = i * 6 / 8;
        unsigned pair = (unsigned)bytes[at] << 8 | (at + 1 < count ? bytes[at + 1] : 0U);
        ret_text[i] = ALPHABET[pair >> (10 - i * 6 % 8) & 0x3f];
    }
    ret_text[length] = '\0';
}

bool cursor_text_parse(struct str text, size_t count, uint8_t *ret_bytes)
{
    assert(count <= CURSOR_BYTES_MAX);
    uint8_t bytes[CURSOR_BYTES_MAX + 1] = {0};
    if (text.length != CURSOR_TEXT_LENGTH(count))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        const char *found = memchr(ALPHABET, text.bytes[i], sizeof(ALPHABET) - 1);
        if (found == NULL)
            return false;
        size_t at = i * 6 / 8;
        unsigned pair = (unsigned)(found - ALPHABET) << (10 - i * 6 % 8);
        bytes[at] |= (uint8_t)(pair >> 8);
        bytes[at + 1] |= (uint8_t)pair;
    }
    if (bytes[count] != 0) /* bits after the last byte */
        return false;
    memcpy(ret_bytes, bytes, count);
    return true;
}
