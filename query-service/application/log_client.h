/*
 * log_client.h - what the projector needs from the log itself (`GET /v1/events`): events that the
 * topic does not have, and which log it is.
 *
 * One request at a time is under way; nothing here waits.
 */
#pragma once

#include "recorded_event.h"

enum { LOG_PAGE_EVENTS = 1000 };

enum log_request_kind {
    LOG_READ_EVENTS, /* up to `limit` events of a partition, after a position */
    LOG_READ_STATE,  /* the log's id and each partition's last position */
};

struct log_request {
    enum log_request_kind kind;
    int16_t partition;
    int64_t after;
    int limit; /* 1 to LOG_PAGE_EVENTS */
};

/* Borrowed until the next request. */
struct log_reply {
    const struct recorded_event *events; /* LOG_READ_EVENTS: in order of position */
    size_t event_count;
    struct uuid log_id; /* LOG_READ_STATE */
    const int64_t *last_positions;
    int partition_count;
};

struct log_client {
    void *self;
    /* Begins a request. No other one may be under way. */
    void (*ask)(void *self, const struct log_request *request);
    /* STATUS_OK: here is the answer. STATUS_CONFLICT: still under way. Otherwise it has failed:
     * STATUS_UNAVAILABLE, or STATUS_INVALID for an answer that makes no sense. */
    enum status (*reply)(void *self, struct log_reply *ret_reply, struct error *error);
};
