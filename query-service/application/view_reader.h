/*
 * view_reader.h - answers GETs from the cart views, many with one statement.
 *
 * HTTP threads never touch the database: they put requests on a bounded queue. Each reader thread
 * has a connection of its own and takes all carts that are queued; while it reads, the next group
 * gathers. All other requests are pages: a page of the list, or a piece of a cart's events. Pages
 * are read one by one, by one reader at a time, so that they do not hold up the carts. A request
 * for many events queues again after each piece, so that a long past does not hold up the other
 * pages.
 */
#pragma once

#include "view_request.h"

enum { VIEW_READERS_MAX = 64 };

struct view_reader;

struct view_reader_options {
    const struct view_source *const *sources; /* one per thread, each borrowed */
    size_t thread_count;                      /* 1 to VIEW_READERS_MAX */
    size_t queue_max;                         /* carts that may wait; more are refused */
    size_t list_queue_max;                    /* the same for pages */
    struct view_observer observer;
};

/* *New*: view_reader_free(). Refuses everything until it is started. NULL: memory is out. */
MUST_CHECK struct view_reader *view_reader_new(const struct view_reader_options *options);

/* Starts the threads. STATUS_UNAVAILABLE: no thread to be had. */
MUST_CHECK enum status view_reader_start(struct view_reader *reader, struct error *error);

/* From any thread; never blocks. If the database is known to be away or the queue is full, the
 * request is answered before this returns. */
void view_reader_submit(struct view_reader *reader, struct view_request *request);

/* Answers what is queued and ends the threads; what is submitted afterwards is refused. */
void view_reader_stop(struct view_reader *reader);
void view_reader_free(struct view_reader *reader); /* stopped, or never started; takes NULL */
