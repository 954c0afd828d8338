/*
 * expiry_log_postgres.h - the expiry sweep's log on PostgreSQL.
 *
 * One session reads and holds a session-level advisory lock. The lock is the right to sweep: a
 * process that loses the session loses the right (log_source_postgres.h). The session only reads;
 * carts are expired through the lanes.
 */
#pragma once

#include "expiry_sweep.h"

struct expiry_log_postgres;

/* *New*: expiry_log_postgres_free(). `url` is borrowed until then. NULL: out of memory. */
MUST_CHECK struct expiry_log_postgres *expiry_log_postgres_new(const char *url);
void expiry_log_postgres_free(struct expiry_log_postgres *source);

/* The port; borrows the source. */
struct expiry_log expiry_log_postgres_port(struct expiry_log_postgres *source);
