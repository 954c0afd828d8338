/*
 * relay.h - carries the events of the log to the topic: all of them, in order, at least once.
 *
 * Of any number of processes one leads. It stores no position of its own: the contents of the topic
 * say where to go on (ADR 3). If the topic is away, slow or wiped, that delays publishing and
 * nothing else.
 *
 *     follow:   ask for the right to publish
 *     find:     where does each partition of the topic end, and does the log have the same event
 *               there?
 *     publish:  read on from there, send, remember what was delivered; when anything is strange,
 *               throw the producer away and find again
 *
 * One thread of its own. The functions here are safe from any thread.
 */
#pragma once

#include "relay_log.h"
#include "relay_publisher.h"

#include <stdatomic.h>

struct relay;

enum relay_state {
    RELAY_STARTING,
    RELAY_FOLLOWING,         /* another process leads */
    RELAY_PUBLISHING,        /* we lead, and it works */
    RELAY_STALLED,           /* we lead, and a partition has taken nothing for RELAY_STALL_MS */
    RELAY_LOG_UNREACHABLE,   /* no connection to the log */
    RELAY_TOPIC_UNREACHABLE, /* no answer from the topic */
    RELAY_TOPIC_MISSING,
    RELAY_TOPIC_UNFIT, /* another number of partitions than the log */
    RELAY_DIVERGED,    /* the topic holds events that the log does not have: the log took another
                          course */
    RELAY_REFUSED,     /* an event that cannot be published, or a hole in the log: never skipped */
    RELAY_STOPPED,
};

/* "publishing", "topic-missing", ... */
const char *relay_state_name(enum relay_state state);

enum {
    RELAY_POLL_MS = 50, /* events of other processes are noticed within this, plus a pause */
    /* Pause between pages once it has caught up: RELAY_GATHER_US x (recent commands per append of
     * this process)^2, at least RELAY_GATHER_MS, at most RELAY_GATHER_MAX_MS. */
    RELAY_GATHER_US = 25,
    RELAY_GATHER_MS = 5,
    RELAY_GATHER_MAX_MS = 400,
    RELAY_CHECK_MS = 1000,    /* between two looks at whether the topic is still the same */
    RELAY_FOLLOW_MS = 500,    /* between two attempts to lead */
    RELAY_WATCH_MS = 2000,    /* between two looks of a follower at what is published */
    RELAY_RETRY_MS = 500,     /* between two attempts to find the place */
    RELAY_RECHECK_MS = 5000,  /* the same, when a person has to do something */
    RELAY_STALL_MS = 5000,    /* without any delivery to a partition */
    RELAY_LOG_CALL_MS = 2000, /* one call to the log */
    RELAY_FIND_MS = 3000,     /* finding the place; with the other calls below RELAY_FROZEN_MS */
    RELAY_GLANCE_MS = 200,    /* one look at whether the topic is still the same */
    RELAY_TRIM_MS = 500,      /* deleting late events */
    RELAY_TRIMS_MAX = 5,      /* attempts to delete them, RELAY_CHECK_MS apart */
    RELAY_CLOSE_MS = 1000,
    RELAY_PAGE_EVENTS = 1000, /* read at once from one partition */
    RELAY_KNOWN_MS = 3600000, /* how long a broker certainly remembers a silent producer
                                 (producer.id.expiration.ms, a day by default) */
};

/* Counters and gauges for metrics; written by the relay's thread, read from anywhere. */
struct relay_stats {
    _Atomic int64_t leading;         /* 1 or 0 */
    _Atomic int64_t state;           /* enum relay_state */
    _Atomic int64_t delivered_total; /* events, by this process */
    _Atomic int64_t takeovers_total; /* became leader */
    _Atomic int64_t restarts_total;  /* threw a producer away and found its place again */
    _Atomic int64_t errors_total;    /* failed calls to the log or the topic */
    _Atomic int64_t in_flight;       /* events sent and not delivered yet */
    _Atomic int64_t lag_events;      /* in the log and not in the topic, as of the last look */
    /* When the thread last began a turn of a loop, by clock_monotonic_us(): RELAY_POLL_MS ago, or
     * as long as a few calls may take. */
    _Atomic int64_t turned_at_us;
};

struct relay_options {
    const struct relay_log *log; /* all borrowed until relay_free() */
    const struct relay_publisher *publisher;
    int partition_count;

    /* Called by the relay's thread whenever state, ok or detail changes; may be NULL. The detail is
     * one line. */
    void (*on_state)(void *context, enum relay_state state, bool ok, const char *detail);
    void *context;
};

/* *New*: relay_free(). NULL: out of memory or descriptors. */
MUST_CHECK struct relay *relay_new(const struct relay_options *options);

/* Starts the thread. STATUS_UNAVAILABLE: no thread to be had. */
MUST_CHECK enum status relay_start(struct relay *relay, struct error *error);

/*
 * Reads nothing more, delivers what was already sent as far as the deadline allows, and ends the
 * thread. The next leader publishes the rest. May return up to RELAY_FIND_MS late, when a call is
 * under way. Does nothing unless started.
 */
void relay_stop(struct relay *relay, int64_t deadline_us);
void relay_free(struct relay *relay); /* stopped, or never started */

/* An append has added events and answered `commands` commands (see RELAY_GATHER_US). Cheap. */
void relay_wake(struct relay *relay, size_t commands);

/* The last position known to be in the topic; 0: none. It goes back when the topic is wiped. */
int64_t relay_published_position(const struct relay *relay, int partition);

const struct relay_stats *relay_stats(const struct relay *relay);
