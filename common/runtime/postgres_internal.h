/*
 * postgres_internal.h - what postgres.c and postgres_connect.c share.
 */
#pragma once

#include "postgres.h"

enum {
    POSTGRES_STATEMENTS_MAX = 32, /* different statements that one connection can have prepared */
    SQLSTATE_LENGTH = 5,
    POSTGRES_ATTEMPT_MS = 3000, /* to connect, over as many calls as that takes */
    /* Left to the caller of postgres_connect() for its first statement: half of what the attempt
     * took, within these limits. */
    POSTGRES_GREETING_MIN_MS = 150,
    POSTGRES_GREETING_MAX_MS = 350,
};

struct postgres {
    struct postgres_options options;
    PGconn *connection; /* NULL: not connected, nor about to be */
    bool is_ready;      /* postgres_connect() has succeeded; else the attempt goes on */
    PostgresPollingStatusType attempt_next; /* what the attempt waits for */
    int64_t attempt_until_us;
    unsigned silent_hosts; /* attempts that a host kept waiting: each next one begins one host on */
    const struct postgres_statement *prepared[POSTGRES_STATEMENTS_MAX];
    size_t prepared_count;
    const struct postgres_statement *sent; /* sent and not received yet; or NULL */
    char sqlstate[SQLSTATE_LENGTH + 1];
};

/* Waits until the socket is ready for one of `events` (POLLIN, POLLOUT); false when the deadline
 * has passed. */
MUST_CHECK bool postgres_wait(PGconn *connection, short events, int64_t deadline_us);

/* The first line of a message of libpq, into a buffer of ERROR_MESSAGE_MAX bytes. */
const char *postgres_first_line(const char *message, char *buffer);
