#include "utf8.h"

size_t utf8_decode(struct str text, size_t at, uint32_t *ret_code_point)
{
    const unsigned char *bytes = (const unsigned char *)text.bytes + at;
    size_t left = text.length - at;
    if (left == 0)
        return 0;
    unsigned char first = bytes[0];
    if (first < 0x80) {
        *ret_code_point = first;
        return 1;
    }
    size_t length;
    uint32_t code_point;
    uint32_t lowest; /* a smaller one is an overlong form */
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
        code_point = first & 0x1fu;
        lowest = 0x80;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        code_point = first & 0x0fu;
        lowest = 0x800;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        code_point = first & 0x07u;
        lowest = 0x10000;
    } else {
        return 0;
    }
    if (left < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code_point = code_point << 6 | (bytes[i] & 0x3fu);
    }
    bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (code_point < lowest || code_point > 0x10ffff || surrogate)
        return 0;
    *ret_code_point = code_point;
    return length;
}

static bool is_printable(uint32_t code_point)
{
    bool control = code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
    bool noncharacter =
        (code_point >= 0xfdd0 && code_point <= 0xfdef) || (code_point & 0xfffe) == 0xfffe;
    return !control && !noncharacter;
}

bool utf8_is_printable(struct str text)
{
    for (size_t at = 0; at < text.length;) {
        uint32_t code_point;
        size_t length = utf8_decode(text, at, &code_point);
        if (length == 0 || !is_printable(code_point))
            return false;
        at += length;
    }
    return true;
}

void utf8_drop_cut(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    uint32_t code_point;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0 &&
        utf8_decode((struct str){text, length}, start - 1, &code_point) == 0)
        text[start - 1] = '\0';
}
