#include "utf8.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void encode(uint32_t c, char bytes[5])
{
    unsigned char *at = (unsigned char *)bytes;
    if (c < 0x80) {
        *at++ = (unsigned char)c;
    } else if (c < 0x800) {
        *at++ = (unsigned char)(0xc0 | c >> 6);
        *at++ = (unsigned char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *at++ = (unsigned char)(0xe0 | c >> 12);
        *at++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        *at++ = (unsigned char)(0x80 | (c & 0x3f));
    } else {
        *at++ = (unsigned char)(0xf0 | c >> 18);
        *at++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        *at++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        *at++ = (unsigned char)(0x80 | (c & 0x3f));
    }
    *at = '\0';
}

static bool expected_printable(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000))
        return false;
    return !(c >= 0xfdd0 && c <= 0xfdef) && (c & 0xffff) != 0xfffe && (c & 0xffff) != 0xffff;
}

Test(utf8, given_every_code_point_then_only_printable_ones_are)
{
    for (uint32_t c = 1; c < 0x120000; c++) {
        char bytes[5];
        encode(c, bytes);
        bool expected = c < 0x110000 && expected_printable(c);
        if (utf8_is_printable(str_from(bytes)) != expected)
            cr_assert(false, "U+%04X", (unsigned)c);
    }
    cr_assert_not(utf8_is_printable((struct str){"a\0b", 3}));
}

Test(utf8, given_every_code_point_when_decoded_then_it_comes_back)
{
    for (uint32_t c = 1; c < 0x110000; c++) {
        char bytes[5];
        encode(c, bytes);
        uint32_t got = 0;
        size_t length = utf8_decode(str_from(bytes), 0, &got);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        if (length != (surrogate ? 0 : strlen(bytes)) || (!surrogate && got != c))
            cr_assert(false, "U+%04X", (unsigned)c);
    }
}

Test(utf8, given_malformed_bytes_then_they_are_not_printable)
{
    static const char *const wrong[] = {
        "\x80",           "\xbf",
        "\xc0\x80",       "\xc1\xbf",
        "\xc3",           "\xc3(",
        "\xe0\x9f\xbf",   "\xe2\x82",
        "\xe2(\xa1",      "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",   "\xf5\x80\x80\x80",
        "\xfe",           "\xff",
        "ok\xed\xa0\x80", "\xf4\x90\x80\x80",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(utf8_is_printable(str_from(wrong[i])), "number %zu", i);
}

Test(utf8, given_text_in_many_scripts_then_it_is_printable)
{
    cr_assert(utf8_is_printable(STR_LITERAL("")));
    cr_assert(utf8_is_printable(STR_NONE));
    cr_assert(utf8_is_printable(STR_LITERAL("Grüner Tee, 緑茶, שָׁלוֹם, 🍵, e\xcc\x81")));
}

Test(utf8, given_a_sequence_cut_by_the_length_then_bytes_behind_it_are_not_read)
{
    cr_assert_not(utf8_is_printable((struct str){"\xe2\x82\xac", 2}));
}

Test(utf8, given_the_end_of_a_text_then_there_is_nothing_to_decode)
{
    uint32_t code_point;
    cr_assert_eq(utf8_decode(STR_LITERAL("a"), 1, &code_point), 0);
}

Test(utf8, given_a_cut_text_then_only_a_character_that_is_not_whole_is_dropped)
{
    static const char *const texts[][2] = {
        {"", ""},           {"ab", "ab"},     {"a\xe2\x82\xac", "a\xe2\x82\xac"},
        {"a\xe2\x82", "a"}, {"a\xe2", "a"},   {"a\xf0\x9f\x8d", "a"},
        {"\xc3", ""},       {"\x80", "\x80"}, {"a\x80\x80\x80\x80", "a\x80\x80\x80\x80"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char text[8];
        snprintf(text, sizeof(text), "%s", texts[i][0]);
        utf8_drop_cut(text);
        cr_assert_str_eq(text, texts[i][1], "number %zu", i);
    }
}
