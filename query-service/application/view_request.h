/*
 * view_request.h - one question about carts on its way from an HTTP request to a reader and back.
 *
 * The adapter that made it owns it before it is submitted and again from the moment `answer` is
 * called; in between it belongs to the readers.
 */
#pragma once

#include "view_source.h"

enum {
    VIEW_CALL_MS = 1000,   /* one call to the database */
    VIEW_CONNECT_MS = 500, /* one attempt to connect */
    VIEW_RETRY_MS = 200,   /* to the next attempt; a call that fails sooner is made again at once */
    VIEW_PING_MS = 500,    /* an idle connection is asked whether it still answers */
    VIEW_ANSWER_MS = 1900, /* a request that waited that long for the database is refused, */
    VIEW_EVENTS_MS = 5000, /* and one that has been reading events for that long */
    VIEW_GROUP_MAX = 256,  /* carts in one statement */
};

enum view_outcome {
    VIEW_FOUND,
    VIEW_ABSENT,
    VIEW_NOT_YET, /* least_version did not come in time */
    VIEW_STORE_UNAVAILABLE,
    VIEW_OVERLOADED,
    VIEW_FAILED, /* a bug; it has been logged */
};

enum view_question {
    VIEW_CART,       /* `lookup` */
    VIEW_PAGE,       /* `list`, cart by cart to `row` */
    VIEW_EVENTS,     /* `events`, one by one to `event` */
    VIEW_VERSION_AT, /* of lookup.cart_id at `time_us` */
};

struct view_request {
    enum view_question question;
    struct view_lookup lookup;
    struct view_list list;
    struct view_events events; /* the readers move `after` along */
    int64_t time_us;           /* microseconds since 1970 */
    int64_t wait_us;           /* how long lookup.least_version is waited for */

    /* Called by a reader's thread, with the request as context, before `answer`. */
    view_row_fn *row;
    view_event_fn *event;

    /* Called exactly once, by a reader's thread, or by the submitting one when it is refused. Must
     * not block; may submit the request again with another question. `version` and `body`
     * (borrowed) of a cart that was found; `version` of the last event, or at the time; `more` of a
     * page, or behind the last event that was visited. */
    void (*answer)(struct view_request *request, enum view_outcome outcome, int32_t version,
                   struct str body, bool more);

    /* The readers' own. */
    struct view_request *next;
    int64_t submitted_us;
    int64_t queued_us; /* events: the last time; they come back for each piece */
    int64_t due_us;    /* waiting: when to look again */
    bool is_checked;   /* waiting: looked for at least once */
    uint64_t round;    /* waiting: the last one in which it was looked for */
};

/* Refuses, or answers without a view. */
static inline void view_request_end(struct view_request *request, enum view_outcome outcome)
{
    request->answer(request, outcome, 0, STR_NONE, false);
}

/* What happens in the readers, for metrics and health. Each is called by their threads, must not
 * block, and may be NULL. */
struct view_observer {
    void *context;
    void (*store)(void *context, bool answers, const char *detail); /* one line */
    void (*looked_up)(void *context, size_t carts, int64_t duration_us);
    void (*queued)(void *context, size_t requests);  /* carts that wait for a reader */
    void (*waiting)(void *context, size_t requests); /* for a version */
    void (*connected)(void *context, int change);    /* connections that answer: 1 or -1 */
};
