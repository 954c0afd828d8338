/*
 * view_request.h - one question about carts on its way from an HTTP request to a reader and back.
 *
 * The adapter owns a request before it is submitted and again from the moment `answer` is called.
 * In between it belongs to the readers.
 */
#pragma once

#include "view_source.h"

enum {
    VIEW_CALL_MS = 1000,   /* one call to the database */
    VIEW_CONNECT_MS = 500, /* one attempt to connect */
    VIEW_RETRY_MS = 200,   /* to the next attempt; a call that fails sooner is repeated at once */
    VIEW_PING_MS = 500,    /* an idle connection is asked whether it still answers */
    VIEW_ANSWER_MS = 1900, /* a request that waited this long for the database is refused, */
    VIEW_EVENTS_MS = 5000, /* and so is one that has been reading events for this long */
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
    VIEW_CART,       /* one cart. Set: `lookup`, `wait_us` */
    VIEW_PAGE,       /* a page of the list. Set: `list`, `row` (called for each cart) */
    VIEW_EVENTS,     /* a cart's events. Set: `events`, `event` (called for each event) */
    VIEW_VERSION_AT, /* a cart's version at a time. Set: lookup.cart_id, `time_us` */
};

struct view_request {
    enum view_question question;
    struct view_lookup lookup;
    struct view_list list;
    struct view_events events; /* the readers advance `after` */
    int64_t time_us;           /* microseconds since 1970 */
    int64_t wait_us;           /* how long to wait for lookup.least_version */

    /* Called by a reader's thread, with the request as context, before `answer`. */
    view_row_fn *row;
    view_event_fn *event;

    /*
     * Called exactly once: by a reader's thread, or by the submitting thread when the request is
     * refused. Must not block; may submit the request again with another question. When found:
     *
     *     VIEW_CART        `version`, `body` (borrowed)
     *     VIEW_PAGE        `more`: there is a next page
     *     VIEW_EVENTS      `version` of the last event visited; `more`: there are events after it
     *     VIEW_VERSION_AT  `version` at that time
     */
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

/* Events in the readers, for metrics and health. Called by the readers' threads. Must not block;
 * each may be NULL. */
struct view_observer {
    void *context;
    void (*store)(void *context, bool answers, const char *detail); /* one line */
    void (*looked_up)(void *context, size_t carts, int64_t duration_us);
    void (*queued)(void *context, size_t requests);  /* carts that wait for a reader */
    void (*waiting)(void *context, size_t requests); /* for a version */
    void (*connected)(void *context, int change);    /* connections that answer: 1 or -1 */
};
