/*
 * list_cursor.h - where a page of carts ended, as an opaque text that is only valid with its
 * filters.
 */
#pragma once

#include "view_source.h"

enum { LIST_CURSOR_LENGTH = 39 }; /* 29 bytes in base64url (RFC 4648) without padding */

/* The place after which the next page of `list` begins. Also writes a NUL. */
void list_cursor_format(const struct view_list *list, const struct view_place *place,
                        char ret_cursor[LIST_CURSOR_LENGTH + 1]);

/* False when it is not a cursor, or one of a list with other filters. */
MUST_CHECK bool list_cursor_parse(struct str cursor, const struct view_list *list,
                                  struct view_place *ret_place);
