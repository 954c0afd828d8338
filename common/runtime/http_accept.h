/*
 * http_accept.h - which media types a client accepts, by its Accept field (RFC 9110, 12.5.1).
 */
#pragma once

#include "macros.h"
#include "str.h"

enum http_preference {
    HTTP_NOT_ACCEPTED = 0,
    HTTP_ACCEPTED = 1,         /* by a wildcard, or because there is no Accept field */
    HTTP_ACCEPTED_BY_NAME = 2, /* the type itself is listed */
};

/* `type` is "application/json". The most specific range that matches decides; q=0 refuses. */
MUST_CHECK enum http_preference http_accepts(struct str accept, const char *type);

/* Whether the client names `type` and does not prefer `usual`. */
MUST_CHECK bool http_prefers(struct str accept, const char *type, const char *usual);
