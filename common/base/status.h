/*
 * status.h - how a call that can fail says so.
 *
 * A *failure* (disk, network, memory, malformed input) is an enum status with a caller-owned struct
 * error that says what failed on what. A *refusal* of the domain is an answer and has its own enum
 * (cart.h). A *bug* is assert().
 */
#pragma once

#include "macros.h"

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     /* the input can never work */
    STATUS_NOT_FOUND,   /* what was named is not there */
    STATUS_CONFLICT,    /* somebody else was first: read again, decide again */
    STATUS_UNAVAILABLE, /* not done, for certain; may work later */
    STATUS_UNCERTAIN,   /* done or not done: find out before answering */
    STATUS_NO_MEMORY,
    STATUS_INTERNAL, /* not done, for a reason that retrying will not change */
};

enum { ERROR_MESSAGE_MAX = 256 };

/* Owned by the caller; its message is one line of printable UTF-8, always terminated, cut at
 * ERROR_MESSAGE_MAX - 1 bytes or just before. */
struct error {
    enum status status;
    char message[ERROR_MESSAGE_MAX];
};

/* Fills `error` (may be NULL) and returns `status`, so that a failing function ends in `return
 * error_set(...)`. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* "unavailable", "conflict", ...: for logs and metrics; never NULL. */
const char *status_name(enum status status);
