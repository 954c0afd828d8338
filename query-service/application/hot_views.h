/*
 * hot_views.h - the views that were asked for most recently, ready to send: a GET of one of them
 * needs neither the database nor another thread.
 *
 * A view found here is what the database holds. Views are kept only of partitions that this process
 * projects, and the projection closes a cart before it writes it. Two cases escape these rules:
 * another process makes views again, or another process took our partitions while we were frozen
 * and we do not know yet. Then a view is at most HOT_VIEW_US old.
 *
 * A caller that does not find a cart gets a ticket, reads the database and puts back what it read.
 * The ticket is void if the cart was closed, or its partition not held, at the time of issue or
 * later. So an old view cannot replace a newer one.
 *
 * Safe from any thread; the last four functions are for the projection alone.
 */
#pragma once

#include "macros.h"
#include "str.h"
#include "uuid.h"

enum {
    HOT_VIEW_US = 2000000,
    HOT_VIEW_BYTES_MAX = 32 * 1024, /* a larger body is not kept */
};

struct hot_views;

struct hot_view {
    int32_t version;
    struct str body;
};

struct hot_ticket {
    int64_t asked_us; /* 0: void */
    uint32_t gate;
    uint32_t epoch;
};

struct hot_views_stats {
    _Atomic int64_t hits_total;
    _Atomic int64_t misses_total;
    _Atomic int64_t bytes;
};

/* *New*: hot_views_free(). `bytes_max` is about what the views may take; 0: none are kept. `now_us`
 * is monotonic. NULL: out of memory. */
MUST_CHECK struct hot_views *hot_views_new(size_t bytes_max, int partition_count,
                                           int64_t (*now_us)(void));
void hot_views_free(struct hot_views *views); /* takes NULL */

/* A view of at least that version, unchanged until hot_view_done(). Otherwise NULL and a ticket. */
const struct hot_view *hot_views_find(struct hot_views *views, const struct uuid *cart_id,
                                      int32_t least_version, struct hot_ticket *ret_ticket);
void hot_view_done(const struct hot_view *view);

/* Keeps a copy of what was read with the ticket, if the ticket is valid and there is room. */
void hot_views_put(struct hot_views *views, const struct uuid *cart_id,
                   const struct hot_ticket *ticket, int32_t version, struct str body);

const struct hot_views_stats *hot_views_stats(const struct hot_views *views);

/* hold: from now on nobody else writes the partition's views. release: somebody else may. Both
 * forget the partition's views, and may be repeated. */
void hot_views_hold(struct hot_views *views, int16_t partition);
void hot_views_release(struct hot_views *views, int16_t partition);

/* The cart is about to be written: forgets it, and keeps nothing of it until hot_views_open(). */
void hot_views_close(struct hot_views *views, const struct uuid *cart_id);
/* The write is over, done or not: opens everything that is closed. */
void hot_views_open(struct hot_views *views);
