/*
 * entity_tags.h - what If-Match and If-None-Match may say (RFC 9110, 13.1): `*`, or entity tags.
 * Ours are versions in plain decimal. Pure.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

/* Reads a field that was given. *ret_any: it is `*`, not a list. False when malformed. */
MUST_CHECK bool entity_tags_parse(struct str field, bool *ret_any);

enum entity_tag_comparison { ENTITY_TAGS_STRONGLY, ENTITY_TAGS_WEAKLY }; /* 8.8.3.2 */

/* Whether a well-formed list, or none, has the version. */
bool entity_tags_have(struct str list, int32_t version, enum entity_tag_comparison comparison);
