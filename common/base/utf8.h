/*
 * utf8.h - well-formed UTF-8 (RFC 3629) without control characters.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

/* Well-formed, and no C0 or C1 control, DEL, or noncharacter in it; the empty text is. */
MUST_CHECK bool utf8_is_printable(struct str text);

/* The length in bytes (1 to 4) and the code point of the well-formed sequence that starts at `at`;
 * control characters too. 0 when there is none: malformed, overlong, a surrogate, cut, or the end
 * of the text. */
MUST_CHECK size_t utf8_decode(struct str text, size_t at, uint32_t *ret_code_point);

/* Removes the incomplete character at the end of a text that was cut at its limit. */
void utf8_drop_cut(char *text);
