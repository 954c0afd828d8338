/*
 * event_store_types.h - what goes into the log, and what comes out of it.
 */
#pragma once

#include "command_request.h"
#include "event_types.h"
#include "uuid.h"

#include <stdint.h>

enum {
    EVENT_STORE_LOAD_CARTS_MAX = 128,     /* carts per load() */
    EVENT_STORE_LOAD_ROWS_MAX = 4000,     /* events that one load() brings */
    EVENT_STORE_CART_ROWS_MAX = 1000,     /* of these, for one cart */
    EVENT_STORE_LOAD_BYTES_MAX = 1 << 20, /* bytes of their data, approximately, plus one event */
    EVENT_STORE_CART_BYTES_MAX = 1 << 18, /* the same for one cart */
    EVENT_STORE_VERSIONS_MAX = 1024,      /* carts per versions() */
    EVENT_STORE_APPEND_EVENTS_MAX = 5000, /* events per append() and find() */
    EVENT_STORE_RECALL_COMMANDS_MAX = 64, /* commands per recall() */
};

struct cart_key {
    int16_t partition;
    struct uuid cart_id;
};

/* A cart whose events after `after_version` are wanted. */
struct cart_tail {
    struct cart_key cart;
    int32_t after_version;
};

struct stored_event {
    struct uuid event_id;
    int32_t version;
    struct str type; /* borrowed, as `data` is, until the sink returns */
    int16_t schema_version;
    int64_t occurred_at_us;
    struct str data;
    struct str command_key; /* the key that the event's command had, or none */
};

/* Takes one event of the `cart`-th cart that was asked for. */
typedef void stored_event_fn(void *context, size_t cart, const struct stored_event *event);

struct new_event {
    struct cart_key cart;
    int32_t version;
    struct uuid event_id;
    enum event_type type;
    int64_t occurred_at_us;
    struct str data;     /* JSON, borrowed */
    struct str metadata; /* JSON object, borrowed */
    int64_t position;    /* written by a successful append() */
};

/* The event that already stands in a new one's place. */
struct standing_event {
    bool exists;
    struct uuid event_id;
    int64_t position;
};

/* A command of the past: the first of its events, and the key that all of them carry. */
struct past_command {
    struct cart_key cart;
    int32_t first_version;
    struct str key; /* borrowed */
};

struct recalled_event {
    struct committed_event event;
    int64_t position;
    struct str request_hash; /* borrowed until the sink returns */
};

/* Takes one event of the `command`-th command that was asked for. */
typedef void recalled_event_fn(void *context, size_t command, const struct recalled_event *event);
