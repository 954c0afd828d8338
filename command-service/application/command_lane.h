/*
 * command_lane.h - one thread that decides commands and appends their events, many at a time.
 *
 *     queue -> take -> load -> recall -> decide -> append (one transaction, one fsync) -> answer
 *
 * Recall: if a cart has had a command's Idempotency-Key before, the command is answered from the
 * log.
 *
 * While one batch is being committed, the next one gathers. Commands that lose a race against
 * another instance are decided again in the next batch, before newer commands; the rest of the
 * batch goes on without them. Commands that lose again are decided in a batch of their own, while
 * nobody else can append to their partitions, so that nobody starves. docs/adr/0002 says what
 * happens when a commit's outcome is unknown.
 */
#pragma once

#include "command_request.h"
#include "event_store.h"

enum {
    /* One batch. Commands are taken until one of these is reached. */
    LANE_BATCH_COMMANDS_MAX = 512,
    LANE_BATCH_EVENTS_MAX = 4096,
    LANE_BATCH_BYTES_MAX = 4 * 1024 * 1024, /* of JSON in `data` */

    /* Milliseconds. In addition, no call of a batch outlasts the earliest deadline of its commands.
     * Commands are taken in the order of their deadlines, so none is answered late. */
    LANE_CONNECT_MS = 400,
    LANE_READ_MS = 500,
    LANE_APPEND_MS = 1000,
    LANE_PROBE_MS = 300,      /* between attempts to reach a store that is down */
    LANE_HEARTBEAT_MS = 1000, /* an idle lane looks whether the store is still there */
    /* A command or an append is not begun with less time left. A store that waits for a lock must
     * give up before the lane does: only then is the outcome certain. */
    LANE_MINIMUM_MS = 500,
    LANE_APPEND_MINIMUM_MS = 400,

    LANE_FAILURES_MAX = 3, /* failed attempts in a row at one call, after which its commands fail */

    /* A command that has lost this many races is decided while its partition is held. */
    LANE_CLASHES_MAX = 2,
    /* After a cart was thought absent that was not, this many batches read carts before they create
     * them: a wrong guess costs all of its batch an append. */
    LANE_DOUBT_BATCHES = 100,

    LANE_DEADLINE_MS = 1800, /* what adapters give a command */
};

/* What a lane counts. */
enum lane_metric {
    LANE_BATCH_COMMANDS, /* histogram: commands answered by one batch */
    LANE_BATCH_EVENTS,   /* histogram: events of one append */
    LANE_COMMIT_SECONDS, /* histogram: one append, as the lane waits for it */
    LANE_QUEUE_DEPTH,    /* gauge: commands waiting when a batch is taken; 0 when none is */
    LANE_CACHE_BYTES,    /* gauge */
    LANE_CACHE_CARTS,    /* gauge */
    LANE_CACHE_HITS,     /* counter, as the following are */
    LANE_CACHE_MISSES,
    LANE_CART_CLASHES,          /* carts that the log knew better than the lane */
    LANE_APPEND_RETRIES,        /* deadlocks, lock time-outs and the like */
    LANE_COMMITS_UNCERTAIN,     /* appends without an answer */
    LANE_COMMITS_RESOLVED,      /* uncertain appends whose outcome was found in time */
    LANE_COMMITS_UNKNOWN,       /* uncertain appends whose commands got STATUS_UNCERTAIN */
    LANE_COMMANDS_REFUSED_BUSY, /* queue full, or no time left */
    LANE_COMMANDS_REPLAYED,     /* answered as the first time, by their keys */
    LANE_METRIC_COUNT,
};

/* Called by the lane's thread, at once and often: must not block. Any of them may be NULL. */
struct command_lane_observer {
    void *context;
    /* The value to observe, set or add. LANE_COMMANDS_REFUSED_BUSY may come from any thread. */
    void (*observe)(void *context, enum lane_metric metric, double value);
    /* The log has new events, and the commands of their batch have been answered. */
    void (*committed)(void *context, size_t commands);
    /* Called when the store begins or stops answering. `detail` is one line. */
    void (*store_changed)(void *context, bool is_up, const char *detail);
};

struct command_lane_options {
    int index;                /* names the thread and the log lines */
    struct event_store store; /* used by the lane's thread alone */
    struct cart_limits limits;
    size_t queue_max;       /* commands waiting for the lane */
    size_t cache_bytes_max; /* of carts */
    struct command_lane_observer observer;
};

struct command_lane;

MUST_CHECK struct command_lane *command_lane_new(const struct command_lane_options *options);
/* Starts the thread. */
MUST_CHECK enum status command_lane_start(struct command_lane *lane, struct error *error);

/* From any thread. False: the queue is full or the lane is stopping, and nothing is kept. True:
 * request->done is called, exactly once, by request->deadline_us. */
MUST_CHECK bool command_lane_submit(struct command_lane *lane, struct command_request *request);

/* When the thread last began a turn of its loop, by clock_monotonic_us(). From any thread. A turn
 * takes up to LANE_HEARTBEAT_MS without work and LANE_DEADLINE_MS with it. */
int64_t command_lane_turned_at_us(const struct command_lane *lane);

/* Takes no more commands; does not wait. */
void command_lane_close(struct command_lane *lane, int64_t deadline_us);
/* Takes no more commands, answers every accepted one and ends the thread. Commands not begun by
 * `deadline_us` get STATUS_UNAVAILABLE. */
void command_lane_stop(struct command_lane *lane, int64_t deadline_us);
/* After command_lane_stop(), or without a start. */
void command_lane_free(struct command_lane *lane);
