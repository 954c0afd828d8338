/*
 * view_waiters.h - requests that wait until a cart's view has reached a version.
 *
 * One thread with a connection of its own looks for all of them. It looks at once for a new
 * request, and for one whose cart has just been projected here, in the last write of a transaction.
 * It looks for the others every VIEW_WAIT_POLL_MS, since an earlier write or another instance may
 * have projected their cart. There is never a thread, a timer or a statement per request.
 */
#pragma once

#include "view_request.h"

enum { VIEW_WAIT_POLL_MS = 15 };

struct view_waiters;

struct view_waiters_options {
    const struct view_source *source; /* borrowed */
    size_t most;                      /* requests that may wait; more are refused as overloaded */
    struct view_observer observer;
};

/* *New*: view_waiters_free(). Refuses everything until it is started. NULL: memory is out. */
MUST_CHECK struct view_waiters *view_waiters_new(const struct view_waiters_options *options);
/* STATUS_UNAVAILABLE: no thread to be had. */
MUST_CHECK enum status view_waiters_start(struct view_waiters *waiters, struct error *error);

/* From any thread; never blocks. The request is answered when its lookup.least_version is there; as
 * VIEW_NOT_YET after wait_us (it is looked for at least once); or as VIEW_STORE_UNAVAILABLE as soon
 * as the database does not answer. */
void view_waiters_submit(struct view_waiters *waiters, struct view_request *request);

/* The cart's view has changed, here and now. Cheap while nobody waits. */
void view_waiters_changed(struct view_waiters *waiters, const struct uuid *cart_id);

/* Answers all that wait (VIEW_NOT_YET) and ends the thread. */
void view_waiters_stop(struct view_waiters *waiters);
void view_waiters_free(struct view_waiters *waiters); /* stopped, or never started; takes NULL */
