/*
 * if_match.h - the If-Match field (RFC 9110, 13.1.1) as a condition on the cart's version.
 */
#pragma once

#include "cart.h"

/* The most tags that a field can have: `"1"` and a comma take four bytes. */
static inline size_t if_match_tags_max(struct str field)
{
    return (field.length + 1) / 4;
}

/*
 * Reads `*` or a list of entity tags. A strong tag that is a version number in plain decimal can
 * match; weak tags and other opaque ones are well formed and never do. No field (none) gives a
 * condition that always holds. Writes the versions to `buffer`, which has room for
 * if_match_tags_max() and which *ret_condition borrows. False when it is malformed.
 */
MUST_CHECK bool if_match_parse(struct str field, int32_t *buffer,
                               struct cart_condition *ret_condition);
