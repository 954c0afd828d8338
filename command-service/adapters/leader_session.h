/*
 * leader_session.h - a database session that can hold the right to do what only one process at a
 * time may do: publish the log, or expire its carts.
 *
 * The right is a session-level advisory lock. A process that loses its session loses the right, and
 * the server ends the session of a process that is frozen. The URL must lead to the server itself:
 * through a transaction-mode pooler the lock would mean nothing.
 *
 * Belongs to one thread. Deadlines are monotonic microseconds.
 */
#pragma once

#include "postgres.h"

struct leader_session {
    struct postgres *postgres;
    uint32_t lock_class;
    bool is_settled; /* this session has its planner settings */
};

struct leader_session_options {
    const char *url; /* borrowed until leader_session_done() */
    const char *application_name;
    uint32_t lock_class; /* which right: the first half of the lock's key, the log is the second */
    int frozen_ms;       /* the server ends a session that is idle for that long */
};

/* leader_session_done(), also after a failure. False: out of memory. */
MUST_CHECK bool leader_session_init(struct leader_session *session,
                                    const struct leader_session_options *options);
void leader_session_done(struct leader_session *session);

/* Connects unless connected. */
MUST_CHECK enum status leader_session_connect(struct leader_session *session, int64_t deadline_us,
                                              struct error *error);
/* Connects and asks for the right, once a session. STATUS_CONFLICT: another session has it. */
MUST_CHECK enum status leader_session_lead(struct leader_session *session, int64_t deadline_us,
                                           struct error *error);
/* Gives the right up and disconnects. Works at any time. */
void leader_session_resign(struct leader_session *session);

/* Reads with binary parameters. Does not connect: when it fails, the right may be lost. Never
 * STATUS_UNCERTAIN, since nothing is changed. *ret_result is the caller's. */
MUST_CHECK enum status leader_session_read(struct leader_session *session,
                                           const struct postgres_statement *statement,
                                           const char *const *values, const int *lengths,
                                           int64_t deadline_us, PGresult **ret_result,
                                           struct error *error);
