/*
 * view_store_postgres.h - the cart views in PostgreSQL (migrations/query).
 */
#pragma once

#include "view_store.h"

struct view_store_postgres;

/* Limits of each call, milliseconds. The server gives up before we do. */
enum {
    VIEW_STORE_CONNECT_MS = 1000,
    VIEW_STORE_LOCK_MS = 2000,
    VIEW_STORE_STATEMENT_MS = 4000,
    VIEW_STORE_CALL_MS = 5000,
    VIEW_STORE_REBUILD_MS = 60000,  /* forget_everything, which waits for readers */
    VIEW_STORE_REWIND_MS = 3600000, /* a rewind's statement that reads a whole timeline */
};

/* *New*: view_store_postgres_free(). Connects when it is used. `url` is borrowed; NULL: out of
 * memory. */
MUST_CHECK struct view_store_postgres *view_store_postgres_new(const char *url);
void view_store_postgres_free(struct view_store_postgres *store);

/* The port; borrowed from the store. */
const struct view_store *view_store_postgres_port(struct view_store_postgres *store);
