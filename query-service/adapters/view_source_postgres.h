/*
 * view_source_postgres.h - cart views read from PostgreSQL, many with one statement, and carts'
 * events, piece by piece.
 */
#pragma once

#include "view_source.h"

enum { QUERY_SCHEMA_VERSION = 1 }; /* of migrations/query that this program knows */

struct view_source_postgres;

/* *New*: view_source_postgres_free(). One connection, made by connect(); `url` is borrowed until
 * the end. NULL: memory is out. */
MUST_CHECK struct view_source_postgres *view_source_postgres_new(const char *url);
void view_source_postgres_free(struct view_source_postgres *source); /* takes NULL */

/* The port; borrowed. */
const struct view_source *view_source_postgres_port(struct view_source_postgres *source);
