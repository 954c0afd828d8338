/*
 * if_none_match.h - the If-None-Match field (RFC 9110, 13.1.2) against a cart's version.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

struct if_none_match {
    bool any;        /* `*` */
    struct str tags; /* else a well-formed list, borrowed, or none */
};

/* Reads `*` or a list of entity tags, *borrowed* by the condition. No field (none) matches nothing.
 * Tags are compared weakly, so W/"7" is version 7; a tag that is no version in plain decimal never
 * matches. False: malformed. */
MUST_CHECK bool if_none_match_parse(struct str field, struct if_none_match *ret_condition);

/* True: the client has this version already. */
MUST_CHECK bool if_none_match_has(const struct if_none_match *condition, int32_t version);
