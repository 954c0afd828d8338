/*
 * prefer.h - the `wait` preference of the Prefer field (RFC 7240, 4.3).
 */
#pragma once

#include "macros.h"
#include "str.h"

/* True with the seconds of the first `wait`, when there is one and it is a number (above
 * `seconds_max`: that). Anything else in the field is somebody else's, or not understood: it is a
 * preference, not an order. */
MUST_CHECK bool prefer_wait(struct str field, int seconds_max, int *ret_seconds);
