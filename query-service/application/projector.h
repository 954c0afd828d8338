/*
 * projector.h - makes the cart views from the topic, exactly once, in order, in batches.
 *
 *     poll:     take what the topic has for the partitions that are ours
 *     judge:    by position - next, duplicate, gap, another course (partition_progress.h)
 *     apply:    events to carts, in memory (projection_batch.h)
 *     write:    views, timeline and positions in one transaction, if nobody else moved them
 *
 * Positions are the truth; offsets are hints. Events that the topic lacks are read from the log. A
 * partition that cannot go on waits and says why; the others go on. The exception: a batch is one
 * transaction, so while somebody else holds the row of one of its partitions all of it waits.
 *
 * One thread of its own. The functions here are safe from any thread unless they say otherwise.
 */
#pragma once

#include "dead_letter_topic.h"
#include "event_feed.h"
#include "log_client.h"
#include "view_store.h"

#include <stdatomic.h>

enum {
    PROJECTOR_POLL_MS = 100,      /* longest wait for records */
    PROJECTOR_BUSY_POLL_MS = 5,   /* the same while an answer of the log is awaited */
    PROJECTOR_REST_MS = 500,      /* while more records wait: how often other work is done */
    PROJECTOR_BUSY_REST_MS = 100, /* the same while there is such work */
    PROJECTOR_APART_MS = 10000,   /* after a transaction that failed: batches do not share one */
    PROJECTOR_RETRY_MIN_MS = 50,  /* after the first failure of the store */
    PROJECTOR_RETRY_MAX_MS = 500, /* the store's return is noticed within this */
    PROJECTOR_LOG_RETRY_MIN_MS = 200, /* after the first failure of the log */
    PROJECTOR_LOG_RETRY_MAX_MS = 2000,
    PROJECTOR_STOPPED_RETRY_MS = 5000, /* between looks at whether a person has repaired it */
    PROJECTOR_TEND_MS = 1000,          /* offsets for tools, parked counts, dead letters */
    PROJECTOR_RECHECK_MS = 200,        /* looks whether somebody else moved what is idle here */
    PROJECTOR_REPLAY_RETRY_MS = 1000,  /* after a replay step that the store did not do */
    PROJECTOR_REPLAY_RETRY_MAX_MS = 30000,
    PROJECTOR_DEAD_LETTER_RETRY_MS = 1000,
    PROJECTOR_DEAD_LETTER_RETRY_MAX_MS = 30000,
};

struct projector;

/* Counters and gauges for metrics; written by the projector's thread, read from anywhere. */
struct projector_stats {
    _Atomic int64_t applied_total;    /* events in views */
    _Atomic int64_t duplicates_total; /* records whose position was applied before */
    _Atomic int64_t refilled_total;   /* events from the log, because the topic lacked them */
    _Atomic int64_t gaps_total;       /* times that something was missing in the topic */
    _Atomic int64_t parked_total;     /* records set aside: of parked carts, or without a place */
    _Atomic int64_t stale_total;      /* times that a partition had been moved by somebody else */
    _Atomic int64_t store_failures_total;
    _Atomic int64_t log_failures_total;
    _Atomic int64_t dead_lettered_total; /* parked records delivered to the dead-letter topic */
    _Atomic int64_t parked_carts;        /* now, of our partitions */
    _Atomic int64_t partitions_assigned; /* now */
    _Atomic int64_t partitions_waiting;  /* of those: for the log or the store */
    _Atomic int64_t partitions_stopped;  /* of those: another course, a person has to look */
    _Atomic int64_t lag_events;          /* records in our partitions of the topic, not yet taken */
    _Atomic int64_t lag_us;              /* age of the newest applied event while there is a lag */
    /* When the last turn of the loop, or batch, began, by clock_monotonic_us(): PROJECTOR_POLL_MS
     * ago, or as long as a few calls to the store may take. */
    _Atomic int64_t turned_at_us;
};

/* What is reported in /readyz. None of it makes the service unready: existing views can be read. */
enum projector_subject {
    PROJECTOR_PROGRESS, /* every partition of ours advances */
    PROJECTOR_PARKED,   /* no cart is parked */
};

struct cart_change {
    struct uuid cart_id;
    int32_t version; /* now visible */
};

struct projector_observer {
    void *context;
    /* Called by the projector's thread; each may be NULL and must not block. */
    void (*said)(void *context, enum projector_subject subject, bool ok, const char *detail);
    /* held: from now on only this process writes the partition's views. lost: others may. */
    void (*held)(void *context, int16_t partition);
    void (*lost)(void *context, int16_t partition);
    /* Before carts are written; and after the end of the transaction, whatever the result. */
    void (*writing)(void *context, const struct view_row *views, size_t count);
    void (*wrote)(void *context);
    /* After the commit, with the carts whose views have changed; when so much was behind that it
     * took several writes, only with those of the last one. */
    void (*changed)(void *context, const struct cart_change *changes, size_t count);
    /* The events of one transaction, and how long it took (or until the next batch was made). */
    void (*committed)(void *context, size_t events, int64_t duration_us);
};

struct projector_options {
    const struct event_feed *feed; /* all borrowed until projector_free() */
    const struct view_store *store;
    const struct log_client *log;
    const struct dead_letter_topic *dead_letters;
    struct projector_observer observer;
    int partition_count;     /* of the log, as configured */
    size_t cache_bytes_max;  /* carts kept in memory between batches; 0: none. Half of it may be
                              * views not written yet. */
    int64_t (*now_us)(void); /* monotonic; NULL: clock_monotonic_us */
};

/* *New*: projector_free(). NULL: out of memory. */
MUST_CHECK struct projector *projector_new(const struct projector_options *options);

/* Starts the thread, which also replays what is parked, once. STATUS_UNAVAILABLE: no thread to be
 * had. */
MUST_CHECK enum status projector_start(struct projector *projector, struct error *error);

/* Finishes the batch in hand and ends the thread. Waits as long as the calls under way may take.
 * Does nothing unless started. */
void projector_stop(struct projector *projector);
void projector_free(struct projector *projector); /* stopped, or never started */

/* One turn of the loop, for callers without a thread. While more records wait, the store may still
 * be writing afterwards; a later turn ends that write. */
void projector_turn(struct projector *projector);

const struct projector_stats *projector_stats(const struct projector *projector);
