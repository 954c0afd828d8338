/*
 * history_cursor.h - where a page of a cart's history ended, as an opaque text that is only valid
 * for that cart.
 */
#pragma once

#include "macros.h"
#include "str.h"
#include "uuid.h"

enum { HISTORY_CURSOR_LENGTH = 12 };

/* The cursor after the event of that version (1 or more). Also writes a NUL. */
void history_cursor_format(const struct uuid *cart_id, int32_t version,
                           char ret_cursor[HISTORY_CURSOR_LENGTH + 1]);

/* False when it is not a cursor, or one of another cart. */
MUST_CHECK bool history_cursor_parse(struct str cursor, const struct uuid *cart_id,
                                     int32_t *ret_version);
