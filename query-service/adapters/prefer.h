/*
 * prefer.h - the `wait` preference of the Prefer field (RFC 7240, 4.3).
 */
#pragma once

#include "macros.h"
#include "str.h"

/* True: *ret_seconds is the number in the first `wait`, at most `seconds_max`. False: there is no
 * `wait`, or it is not a number. Everything else in the field is ignored: it is a preference, not
 * an order. */
MUST_CHECK bool prefer_wait(struct str field, int seconds_max, int *ret_seconds);
