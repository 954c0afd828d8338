/*
 * event_store_postgres.h - the event log in PostgreSQL, as the writer lane uses it.
 *
 * One connection, of one thread. An append is one statement and one transaction. It locks the rows
 * of its partitions in partition order, so writers wait for each other but never in a circle.
 * Positions have no gaps and only one order (docs/adr/0001).
 */
#pragma once

#include "event_store.h"

enum {
    /* schema_version.version; migrations that no program depends on do not raise it */
    EVENT_STORE_SCHEMA_VERSION = 1,

    /* The server's own limits, in milliseconds. They are below LANE_APPEND_MS and
     * LANE_APPEND_MINIMUM_MS: the server gives up, and has released its locks, before the lane
     * would. Neither covers the commit itself. */
    EVENT_STORE_STATEMENT_TIMEOUT_MS = 800,
    EVENT_STORE_LOCK_TIMEOUT_MS = 300,
};

struct event_store_postgres;

/* `url` is borrowed until event_store_postgres_free(). Does not connect. */
MUST_CHECK struct event_store_postgres *event_store_postgres_new(const char *url,
                                                                 int partition_count);
void event_store_postgres_free(struct event_store_postgres *store);

/* The port; valid as long as the store. */
struct event_store event_store_postgres_port(struct event_store_postgres *store);

/*
 * Checks before the first command that the schema is the one of this program, that the log is
 * initialised and has as many partitions as configured, and that commits are durable.
 *
 *     STATUS_UNAVAILABLE  the server does not answer (yet)
 *     STATUS_INVALID      it does, but this program must not use it; the message says why
 */
MUST_CHECK enum status event_store_postgres_check(struct event_store_postgres *store,
                                                  int64_t deadline_us, struct uuid *ret_log_id,
                                                  struct error *error);
