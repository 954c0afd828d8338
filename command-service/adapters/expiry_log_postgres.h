/*
 * expiry_log_postgres.h - the expiry sweep's log on PostgreSQL.
 *
 * One session reads, and holds the right to sweep (leader_session.h). The carts that it finds are
 * expired through the lanes.
 */
#pragma once

#include "expiry_sweep.h"

struct expiry_log_postgres;

/* *New*: expiry_log_postgres_free(). `url` is borrowed until then. NULL: out of memory. */
MUST_CHECK struct expiry_log_postgres *expiry_log_postgres_new(const char *url);
void expiry_log_postgres_free(struct expiry_log_postgres *log);

/* The port; borrows the log. */
struct expiry_log expiry_log_postgres_port(struct expiry_log_postgres *log);
