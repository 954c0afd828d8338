/*
 * log_routes.h - GET /v1/events and GET /v1/events/partitions (docs/api.md).
 */
#pragma once

#include "http.h"
#include "log_reader.h"

#include <stdatomic.h>

enum {
    LOG_LIMIT_MAX = 1000,
    LOG_LIMIT_DEFAULT = 100,
    /* A JSON page ends early, with a cursor, after the event that reaches this. */
    LOG_PAGE_BYTES = 8 << 20,
    LOG_PAGE_WAIT_MS = 1800,         /* for all statements of a page */
    LOG_PAGE_LOOK_MS = 900,          /* then a search by time or type ends early, not looking on */
    LOG_CHUNK_WAIT_MS = 4000,        /* for one chunk of a stream */
    LOG_UNSENT_BYTES_MAX = 64 << 20, /* pages and chunks that clients have not taken yet */
    LOG_SMALL_BYTES = 16 << 10,      /* a page or chunk up to this size may exceed it */
};

struct log_routes {
    struct log_reader *reader;   /* borrowed */
    atomic_size_t *unsent_bytes; /* borrowed; 0 at first */
    int partition_count;
    /* How far the relay has published; any thread. */
    int64_t (*published_position)(void *context, int partition);
    void *context;
};

/* Handles every path under /v1/events. False: the path is not one of these. */
MUST_CHECK bool log_routes_handle(const struct log_routes *routes, struct http_request *request);
