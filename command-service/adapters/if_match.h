/*
 * if_match.h - the If-Match field (RFC 9110, 13.1.1) as a condition on the cart's version.
 */
#pragma once

#include "cart_condition.h"

/*
 * Reads `*` or a list of entity tags, *borrowed* by the condition. A strong tag that is a version
 * number in plain decimal can match. Weak tags and all other tags are well formed but never match.
 * A missing field (none) gives a condition that always holds. False when it is malformed.
 */
MUST_CHECK bool if_match_parse(struct str field, struct cart_condition *ret_condition);
