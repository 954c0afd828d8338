/*
 * relay_internal.h - shared by the files of the relay.
 */
#pragma once

#include "clock.h"
#include "relay.h"

#include <pthread.h>

enum { RELAY_DETAIL_MAX = 256 };

struct relay_partition {
    int64_t queued;            /* the last position sent */
    _Atomic int64_t published; /* the last position delivered */
    size_t bytes;              /* of data sent and not delivered yet */
    int64_t next_offset;  /* a delivery at a smaller offset went into another topic of that name */
    int64_t delivered_us; /* when this producer last delivered something; 0: nothing yet */
    int64_t progress_us;  /* when any producer last delivered, or nothing waited in the log */
    int64_t late_until;   /* see relay_topic_end */
};

/* The result of one read. */
struct relay_page {
    int64_t count; /* sent */
    struct error failure;
    bool full; /* the producer takes no more */
};

struct relay {
    struct relay_options options;
    struct relay_stats stats;
    struct relay_partition *partitions;
    int64_t *positions;           /* room for a call's argument or answer: one per partition */
    int32_t *limits;              /* likewise */
    struct relay_topic_end *ends; /* likewise */

    pthread_t thread;
    bool started;
    int notify_fd;
    _Atomic int64_t appends;  /* appends of this process not read yet, */
    _Atomic int64_t commands; /* and the commands that they answered, or more */
    atomic_bool stopping;
    _Atomic int64_t stop_deadline_us;

    /* Of the thread alone from here. */
    enum relay_state state;
    char detail[RELAY_DETAIL_MAX];
    bool leading;
    int64_t in_flight;
    int64_t resume_at;      /* read on when in_flight is at most this, */
    int64_t retry_below;    /* or every RELAY_POLL_MS while it is below this */
    int trims_left;         /* attempts to delete late events */
    struct relay_page page; /* of the last read */
    struct error failure;   /* why the producer must be replaced; STATUS_OK: it is fine */
};

/* Reports the relay's state: to the observer, and to the log when the state has changed. */
void relay_report(struct relay *relay, enum relay_state state, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Every loop of the thread calls this at each turn. */
void relay_turn(struct relay *relay);

/* Counts a failed call. */
void relay_count_error(struct relay *relay);

/* Sleeps until woken or until the given time. */
void relay_wait(struct relay *relay, int64_t until_us);

static inline bool relay_is_stopping(const struct relay *relay)
{
    return atomic_load(&relay->stopping);
}

/* A failed call to the log: we no longer lead. Always returns false, for the caller to pass on. */
bool relay_lose_leadership(struct relay *relay, const struct error *error);

/* Leads until leadership is lost or the relay stops. */
void relay_lead(struct relay *relay);

/* relay_send.c: sends the event, which must be the next one after *position, and advances
 * *position. False: `page` says why not. */
MUST_CHECK bool relay_send_next(const struct relay_publisher *publisher,
                                const struct recorded_event *event, int64_t *position,
                                struct relay_page *page);

/* Reads and sends one page. False: leadership is lost, or relay->failure says what is wrong.
 * *ret_more: there may be more to read at once. */
MUST_CHECK bool relay_send_page(struct relay *relay, bool *ret_more);

/* False, with relay->failure set: a broker that was away for long may have forgotten the producer,
 * and more events are on their way than such a producer may send. */
MUST_CHECK bool relay_check_producer(struct relay *relay);

/* Does the log have the events that the topic ends with? STATUS_CONFLICT: no, `error` says where.
 * Other failures are the log's. Also fills log_ends[] with the log's ends. */
MUST_CHECK enum status relay_compare(const struct relay_options *options,
                                     const struct relay_topic_end *ends, int64_t *log_ends,
                                     struct error *error);
