/*
 * postgres_internal.h - what postgres.c and postgres_connect.c share.
 */
#pragma once

#include "postgres.h"

enum {
    POSTGRES_STATEMENTS_MAX = 32, /* different statements that one connection can have prepared */
    SQLSTATE_LENGTH = 5,
};

struct postgres {
    struct postgres_options options;
    PGconn *connection; /* NULL: not connected */
    const struct postgres_statement *prepared[POSTGRES_STATEMENTS_MAX];
    size_t prepared_count;
    char sqlstate[SQLSTATE_LENGTH + 1];
};

/* Waits until the socket is ready for one of `events` (POLLIN, POLLOUT); false when the deadline
 * has passed. */
MUST_CHECK bool postgres_wait(PGconn *connection, short events, int64_t deadline_us);

/* The first line of a message of libpq, into a buffer of ERROR_MESSAGE_MAX bytes. */
const char *postgres_first_line(const char *message, char *buffer);
