/*
 * expiry_sweep.h - ends open carts that nobody has touched for long, as CartExpired events.
 *
 *     lead:    ask for the right to sweep; of any number of processes one has it
 *     walk:    along each partition, as far as its events are old enough; where such an event is
 *              the last one of its cart, that cart may have expired
 *     decide:  an ordinary command per cart, through the lane: "expire, if it is still that old"
 *
 * What is found is only a hint: the lane decides, and the append's check of the version makes sure
 * that a cart which is touched meanwhile stays open, even with two leaders for a moment. Guests'
 * and customers' carts have different lifetimes, so each partition is walked twice; each walk
 * passes an event once. How far it came is in memory only: a new leader walks from the beginning,
 * which costs it reading and nothing else.
 *
 * A clock that is wrong delays an expiry when it was ahead as the cart was touched or is behind
 * now, and hastens it the other way round. When it was ahead by more than EXPIRY_AHEAD_MS, no other
 * cart waits for that one: it is passed over, until there is a new leader.
 *
 * One thread of its own. The functions here are safe from any thread.
 */
#pragma once

#include "command_request.h"

#include <stdatomic.h>

enum {
    EXPIRY_ROUND_MS = 1000,     /* between two looks; a cart is late by about that much */
    EXPIRY_MORE_MS = 200,       /* the same, when there is more to do */
    EXPIRY_LOOK_MS = 60 * 1000, /* a walk that waits for time to pass looks that often all the same:
                                   wall clocks are set */
    EXPIRY_CALL_MS = 2000,      /* one call to the log */
    EXPIRY_EVENTS_MAX = 4096,   /* read in one round */
    EXPIRY_CARTS_MAX = 64,      /* expired in one round: shoppers' commands come first */
    EXPIRY_AHEAD_MS = 24 * 60 * 60 * 1000, /* what is from further ahead holds nothing up */
    EXPIRY_FROZEN_MS = 5000, /* a leader that asks nothing for that long has lost its right */
};

/* One way along one partition. */
struct expiry_walk {
    int16_t partition;
    int64_t after;     /* the last position passed */
    int64_t before_us; /* events of that time or earlier are old enough */
    int64_t beyond_us; /* events of a later time do not end the walk */
};

struct expiry_event {
    int64_t position;
    int64_t occurred_at_us;
    struct uuid cart_id;
    bool is_last; /* of a cart that it did not close */
};

/* Takes one event of the `walk`-th walk; false: no more of any. */
typedef bool expiry_event_fn(void *context, size_t walk, const struct expiry_event *event);

/* The log, and the right to sweep it. Belongs to the sweep's thread; each call waits until its
 * deadline (monotonic microseconds) at most. */
struct expiry_log {
    void *self;

    /* Connects unless connected, and makes sure of the right, which is kept until resign(), the end
     * of the connection, or EXPIRY_FROZEN_MS without a call. *ret_is_new: it was got by this call.
     * STATUS_CONFLICT: somebody else has it. */
    enum status (*lead)(void *self, int64_t deadline_us, bool *ret_is_new, struct error *error);
    void (*resign)(void *self);

    /* Visits up to `events_max` events of each walk, in order of position, but none after the first
     * one that ends it: after `before_us`, and not beyond. */
    enum status (*read)(void *self, const struct expiry_walk *walks, size_t count,
                        int32_t events_max, int64_t deadline_us, expiry_event_fn *visit,
                        void *context, struct error *error);
};

struct expiry_sweep_options {
    const struct expiry_log *log; /* borrowed until expiry_sweep_free() */
    int partition_count;
    int64_t guest_lifetime_s; /* 0: guests' carts live for ever */
    int64_t customer_lifetime_s;
    /* As command_lanes_submit(). */
    bool (*submit)(void *context, struct command_request *request);
    void *context;
};

/* Written by the sweep's thread, read from anywhere. */
struct expiry_stats {
    _Atomic int64_t leading;       /* 1 or 0 */
    _Atomic int64_t expired_total; /* carts, by this process */
    _Atomic int64_t errors_total;  /* failed calls to the log, commands to be repeated */
};

struct expiry_sweep;

/* *New*: expiry_sweep_free(). NULL: memory is out. */
MUST_CHECK struct expiry_sweep *expiry_sweep_new(const struct expiry_sweep_options *options);
/* Starts the thread, unless all carts live for ever. STATUS_UNAVAILABLE: no thread to be had. */
MUST_CHECK enum status expiry_sweep_start(struct expiry_sweep *sweep, struct error *error);
/* Submits no more; does not wait. */
void expiry_sweep_close(struct expiry_sweep *sweep);
/* Closes, and ends the thread: after the call under way and the answers of what was submitted. */
void expiry_sweep_stop(struct expiry_sweep *sweep);
void expiry_sweep_free(struct expiry_sweep *sweep); /* stopped, or never started */

const struct expiry_stats *expiry_sweep_stats(const struct expiry_sweep *sweep);
