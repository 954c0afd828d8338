/*
 * relay_log_postgres.h - the relay's log on PostgreSQL.
 *
 * One session reads the events and holds the right to publish (leader_session.h).
 */
#pragma once

#include "relay_log.h"

struct relay_log_postgres;

/* *New*: relay_log_postgres_free(). `url` is borrowed until then. NULL: out of memory. */
MUST_CHECK struct relay_log_postgres *relay_log_postgres_new(const char *url, int partition_count);
void relay_log_postgres_free(struct relay_log_postgres *log);

/* The port; borrows the log. */
struct relay_log relay_log_postgres_port(struct relay_log_postgres *log);
