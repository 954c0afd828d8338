/*
 * projector_state.h - the inside of struct projector. All of it belongs to its thread, but for
 * `stats` and `is_stopping`.
 */
#pragma once

#include "parked_replay.h"
#include "partition_progress.h"
#include "projection_batch.h"
#include "projector.h"

#include <pthread.h>

/* When to retry after a failure: the wait doubles each time. */
struct backoff {
    int64_t retry_at_us;
    int wait_ms; /* 0: the last attempt worked */
};

/* A record that the store rejected: next time it is parked. */
struct refused_record {
    int64_t position; /* 0: none */
    struct uuid event_id;
    char reason[ERROR_MESSAGE_MAX];
};

struct projector_partition {
    bool is_ours;
    bool is_touched;           /* by the transaction, and the batch in hand */
    int64_t expected_position; /* of the next item that the batch takes */
    struct partition_progress progress;
    struct refused_record refused;
    struct backoff log;       /* asking for its events */
    int64_t look_again_at_us; /* stopped: when to look whether it was repaired */
    int64_t written_at_us;
    /* The last known place, for the lag. */
    bool is_place_known;
    int64_t known_offset;
    int64_t known_occurred_at_us; /* 0: nothing was applied */
    /* When the log's state was requested: does its answer count for this partition, and which
     * position had it reached? */
    bool is_state_awaited;
    int64_t position_then;
};

enum { PROJECTOR_DETAIL_MAX = 512 };

struct statement {
    bool is_said;
    bool ok;
    char detail[PROJECTOR_DETAIL_MAX];
};

/* The store's transaction that `write` belongs to, and what the writes before did in it. */
struct transaction {
    bool is_shared; /* by several writes */
    int64_t began_us;
    size_t events;
    int64_t applied;
    int64_t parked;
    struct parked_record first_parked; /* without texts: */
    char first_reason[ERROR_MESSAGE_MAX];
};

struct projector {
    struct projector_options options;
    struct projector_stats stats;
    struct view_cache *cache;
    struct text bodies;             /* of both batches: begin_write is done with them */
    struct projection_batch *batch; /* in hand */
    struct projection_batch *sent;  /* the one before, which the store may still be writing */
    struct projector_partition *partitions; /* partition_count */
    int16_t *numbers;                       /* scratch, the same length as the next ones */
    struct checkpoint *checkpoints;
    struct checkpoint_move *moves;
    bool *moved;
    struct cart_change *changes; /* BATCH_EVENTS_MAX */

    bool is_writing; /* `write`, which is of `sent` */
    struct view_write write;
    struct transaction transaction;

    int64_t now_us; /* when this turn began */
    bool has_news;  /* the report may have changed */

    struct backoff feed;
    char feed_problem[ERROR_MESSAGE_MAX];
    int foreign_partition; /* a partition of the topic that the log does not have; -1: none */
    struct backoff store;
    char store_problem[ERROR_MESSAGE_MAX];

    bool is_replay_due;
    struct replay replay;
    struct backoff replay_retry;

    /* Which log it is. `mismatch`: the views were made from another one. */
    struct known_log known;
    char mismatch[ERROR_MESSAGE_MAX];
    char count_mismatch[ERROR_MESSAGE_MAX];
    int64_t look_again_at_us;

    bool is_log_asked; /* `request` is under way */
    struct log_request request;
    bool is_state_wanted;
    struct backoff log_state;
    int16_t asked_last;
    char log_problem[ERROR_MESSAGE_MAX];

    size_t careful_left;    /* events still to be written one at a time */
    int64_t apart_until_us; /* until then each batch has a transaction for itself */
    size_t batch_events;    /* events in a batch: fewer after one that the store did not do */

    int64_t rest_at_us; /* when a turn does its other work, while more records wait */
    int64_t tend_at_us;
    int64_t recheck_at_us;
    bool is_parked_count_due;
    int64_t parked_carts;
    int64_t pending_dead_letters;
    struct backoff dead_letters;
    size_t sent_count; /* dead letters sent and not settled */
    /* How far this round through the dead letters has come. Records that the topic does not take
     * must not hold up those after them. */
    int64_t dead_letter_reached;
    size_t dead_letters_seen; /* in the last look */

    struct statement statements[2]; /* by enum projector_subject */

    pthread_t thread;
    bool is_running;
    _Atomic bool is_stopping;
};
