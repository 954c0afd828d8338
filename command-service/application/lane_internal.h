/*
 * lane_internal.h - shared by the files of the writer lane: command_lane.c (queue and thread),
 * lane_round.c (one batch), lane_recall.c (what it need not decide), lane_commit.c (its append).
 */
#pragma once

#include "clock.h"
#include "command_lane.h"
#include "lane_batch.h"
#include "request_queue.h"

#include <pthread.h>
#include <stdatomic.h>

struct command_lane {
    struct command_lane_options options;

    pthread_mutex_t lock; /* of the following */
    pthread_cond_t work;
    struct request_queue queue;
    bool is_asleep;
    bool is_stopping;
    int64_t stop_deadline_us;

    bool has_thread;
    _Atomic int64_t turned_at_us;
    pthread_t thread;

    /* The thread's own. */
    struct cart_cache *cache;
    struct lane_batch *batch;
    struct request_queue again; /* to be decided again, before the queue */
    bool is_up;                 /* the store answered when it was last tried */
    bool is_state_known;        /* is_up has been told to the observer */
    bool has_news;              /* this batch's events are in the log */
    bool is_cache_suspect;      /* the cache is older than the connection */
    int64_t next_probe_us;      /* when to try a store that is down */
    size_t batches_in_doubt;    /* for so many more, carts are read before they are created */
    int64_t last_contact_us;
    int64_t last_failure_log_us;
    struct cart_tail tails[EVENT_STORE_LOAD_CARTS_MAX];
    uint32_t tail_carts[EVENT_STORE_LOAD_CARTS_MAX];
    bool tail_complete[EVENT_STORE_LOAD_CARTS_MAX];
    struct cart_key keys[EVENT_STORE_VERSIONS_MAX];
    uint32_t key_carts[EVENT_STORE_VERSIONS_MAX];
    int32_t versions[EVENT_STORE_VERSIONS_MAX];
    struct new_event bases[EVENT_STORE_VERSIONS_MAX]; /* places that find() looks up */
    struct standing_event standing[EVENT_STORE_APPEND_EVENTS_MAX];
    struct past_command past[EVENT_STORE_RECALL_COMMANDS_MAX];
    uint32_t past_commands[EVENT_STORE_RECALL_COMMANDS_MAX]; /* indexes in the batch */
};

static inline void lane_observe(const struct command_lane *lane, enum lane_metric metric,
                                double value)
{
    const struct command_lane_observer *observer = &lane->options.observer;
    if (observer->observe != NULL)
        observer->observe(observer->context, metric, value);
}

static inline int64_t lane_deadline(int64_t from_us, int64_t milliseconds, int64_t limit_us)
{
    int64_t deadline_us = from_us + milliseconds * MICROSECONDS_PER_MILLISECOND;
    return deadline_us < limit_us ? deadline_us : limit_us;
}

/* After a cart was thought to have `version`, and the log has more. */
static inline void lane_doubt_absence(struct command_lane *lane, int32_t version)
{
    if (version == 0)
        lane->batches_in_doubt = LANE_DOUBT_BATCHES;
}

/* For a call that reads. */
static inline int64_t lane_read_deadline(int64_t limit_us)
{
    return lane_deadline(clock_monotonic_us(), LANE_READ_MS, limit_us);
}

/* Makes sure of a connection. Tells the observer when the store begins or stops answering. */
MUST_CHECK bool lane_reach_store(struct command_lane *lane, int64_t limit_us);

/* After a failed call: whether to repeat it. Reconnects where needed. `failures` counts
 * attempts. */
MUST_CHECK bool lane_may_retry(struct command_lane *lane, enum status status, int *failures,
                               int64_t limit_us);

/* At most one line a second. */
void lane_log_failure(struct command_lane *lane, const char *message, const struct error *error);

/* Answers everything that waits in the queue with STATUS_UNAVAILABLE. */
void lane_refuse_queue(struct command_lane *lane);

/* Decides and answers one batch. */
void lane_round(struct command_lane *lane);

/* Answers commands whose keys their carts already know: from the log, with the first answer. */
MUST_CHECK enum status lane_recall(struct command_lane *lane, int64_t limit_us,
                                   struct error *error);

/* Appends the batch's events. Afterwards each command has its answer or is to be decided again. */
void lane_commit(struct command_lane *lane, int64_t limit_us);

/* Asks the log for the versions of the carts listed in lane->key_carts. */
MUST_CHECK enum status lane_ask_versions(struct command_lane *lane, size_t count, int64_t limit_us,
                                         struct error *error);
