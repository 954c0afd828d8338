/*
 * cursor_text.h - the bytes of a cursor as a text that fits in a query: base64url without padding
 * (RFC 4648).
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

enum { CURSOR_BYTES_MAX = 32 };

#define CURSOR_TEXT_LENGTH(byte_count) (((byte_count)*8 + 5) / 6)

/* Writes CURSOR_TEXT_LENGTH(count) characters and a NUL; `count` is at most CURSOR_BYTES_MAX. */
void cursor_text_format(const uint8_t *bytes, size_t count, char *ret_text);

/* False when it is not the text of exactly `count` bytes. Each value has only one text. */
MUST_CHECK bool cursor_text_parse(struct str text, size_t count, uint8_t *ret_bytes);
