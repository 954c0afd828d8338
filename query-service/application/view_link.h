/*
 * view_link.h - a reader thread's connection: reconnects by itself, and repeats a call when the
 * connection was broken.
 */
#pragma once

#include "view_request.h"

struct view_link {
    const struct view_source *source;     /* borrowed */
    const struct view_observer *observer; /* borrowed */
    bool is_up;                           /* the last call was answered */
};

/* Connects, unless it is up. */
MUST_CHECK enum status view_link_connect(struct view_link *link, struct error *error);

/* The calls of view_source.h, within VIEW_CALL_MS. If the connection turns out to be broken, it is
 * made again and the call repeated, once: reading twice is harmless. Any failure but
 * STATUS_INTERNAL and STATUS_NOT_FOUND leaves the link down. */
MUST_CHECK enum status view_link_find(struct view_link *link, const struct view_lookup *lookups,
                                      size_t count, view_found_fn *found, void *context,
                                      struct error *error);
MUST_CHECK enum status view_link_list(struct view_link *link, const struct view_list *list,
                                      view_row_fn *row, void *context, bool *ret_more,
                                      struct error *error);
MUST_CHECK enum status view_link_events(struct view_link *link, const struct view_events *events,
                                        view_event_fn *event, void *context, bool *ret_more,
                                        struct error *error);
MUST_CHECK enum status view_link_version_at(struct view_link *link, const struct uuid *cart_id,
                                            int64_t time_us, int32_t *ret_version,
                                            struct error *error);
/* Whether the database still answers. */
MUST_CHECK enum status view_link_ping(struct view_link *link, struct error *error);
