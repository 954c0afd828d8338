/*
 * log_source_postgres.h - the relay's log on PostgreSQL.
 *
 * One session reads the events and holds a session-level advisory lock. The lock is the right to
 * publish: a process that loses the session loses the right. The server ends the session of a
 * process that is frozen for RELAY_FROZEN_MS. The URL must lead to the server itself: through a
 * transaction-mode pooler the lock would mean nothing.
 */
#pragma once

#include "relay_log.h"

struct log_source_postgres;

/* *New*: log_source_postgres_free(). `url` is borrowed until then. NULL: out of memory. */
MUST_CHECK struct log_source_postgres *log_source_postgres_new(const char *url,
                                                               int partition_count);
void log_source_postgres_free(struct log_source_postgres *source);

/* The port; borrows the source. */
struct relay_log log_source_postgres_port(struct log_source_postgres *source);
