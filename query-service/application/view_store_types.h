/*
 * view_store_types.h - what goes into the view store, and what comes out of it.
 */
#pragma once

#include "cloud_event.h"
#include "recorded_event.h"

enum {
    VIEW_LOAD_BYTES_MAX = 4 * 1024 * 1024, /* bodies in one answer, plus one */
    REPLAY_RECORDS_MAX = 500,              /* parked records in one answer */
    DEAD_LETTERS_MAX = 100,                /* the same */
    PARKED_BYTES_MAX = 4 * 1024 * 1024,    /* of them, plus one record */
    REWIND_EVENTS_MAX = 32,                /* events in one answer: of 500 lines each, 15 MB */
};

#define KAFKA_OFFSET_UNKNOWN INT64_C(-1)

/* How far a partition has been applied. `epoch` counts the changes of its views that did not come
 * from following the log (rebuild, replay, rewind). */
struct checkpoint {
    int64_t position;       /* 0: nothing */
    struct uuid event_id;   /* of the event at that position */
    int64_t occurred_at_us; /* the same */
    /* A hint where to read on, not after the next event's record; or unknown */
    int64_t kafka_offset;
    int64_t epoch;
};

/* Which log the views were made from. */
struct known_log {
    bool is_known;
    struct uuid log_id;
    int partition_count;
};

/* A cart as stored. Texts are borrowed for the length of the visit. */
struct stored_cart {
    struct uuid cart_id;
    int32_t version; /* 0: there is no view */
    struct str body; /* or none */
    bool is_parked;
};
typedef enum status stored_cart_fn(void *context, const struct stored_cart *cart,
                                   struct error *error);

/* Moves a partition from one checkpoint to another, if it is still at the first one. */
struct checkpoint_move {
    int16_t partition;
    struct checkpoint from;
    struct checkpoint to;
};

struct view_row {
    struct uuid cart_id;
    int16_t partition;
    int32_t version;
    const char *status;
    struct str customer_id; /* or none */
    int64_t updated_at_us;
    struct str body;
};

struct parked_cart {
    struct uuid cart_id;
    int16_t partition;
    int32_t version; /* of the event that could not be applied */
    const char *reason;
};

/* A record as it came. A record without a place has `position` 0; `kafka_offset` tells which one it
 * is. */
struct parked_record {
    int64_t record_id; /* when read */
    int16_t partition;
    int64_t position;
    int64_t kafka_offset; /* or unknown */
    bool has_cart;
    struct uuid cart_id;
    struct str key;
    struct str value;
    const struct cloud_header *headers;
    size_t header_count;
    const char *reason;
};
typedef enum status parked_record_fn(void *context, const struct parked_record *record,
                                     struct error *error);

/* The state that a rewind begins with. */
struct rewound {
    int64_t position; /* of the last event that still counts as applied; 0: none does */
    int64_t carts;    /* whose views are not what they were */
};
typedef enum status stored_event_fn(void *context, const struct recorded_event *event,
                                    struct error *error);

/* What one batch writes. It has no rows of partitions that are not in `moves`. */
struct view_write {
    bool stays_open; /* the transaction, for the next write */
    const struct checkpoint_move *moves;
    size_t move_count;
    const struct view_row *views;
    size_t view_count;
    const struct recorded_event *const *timeline;
    size_t timeline_count;
    const struct parked_cart *parked_carts;
    size_t parked_cart_count;
    const struct parked_record *parked_records;
    size_t parked_record_count;
};
