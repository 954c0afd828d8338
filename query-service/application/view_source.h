/*
 * view_source.h - what the readers need from the database: cart views as they are stored, and the
 * events that they were made from.
 *
 * Each call belongs to one thread and waits until its deadline (monotonic microseconds) at most.
 * STATUS_UNAVAILABLE or STATUS_UNCERTAIN: nobody there, or not in time. STATUS_INVALID (from
 * connect only): refused for a reason that waiting will not change: password, schema.
 * STATUS_INTERNAL: a bug. A call that fails has visited nothing.
 */
#pragma once

#include "recorded_event.h"

enum {
    VIEW_LIST_LIMIT_MAX = 200,
    VIEW_LIST_BYTES_MAX = 4 * 1024 * 1024, /* bodies, plus one: a page ends early */
    VIEW_EVENTS_MAX = 500,                 /* events of a cart read at once */
    VIEW_EVENTS_BYTES_MAX = 1024 * 1024,   /* JSON, plus one event */
};

/* One cart that is asked for. */
struct view_lookup {
    struct uuid cart_id;
    int32_t least_version; /* an older view counts as absent; 1: any version will do */
};

/* Where a page of the list ended. */
struct view_place {
    int64_t updated_at_us;
    struct uuid cart_id;
};

/* A page of carts, newest change first. */
struct view_list {
    struct str customer_id; /* none: of any customer */
    struct str status;      /* none: any */
    bool is_continued;
    struct view_place after; /* when it is continued */
    int limit;               /* 1 to VIEW_LIST_LIMIT_MAX */
};

/* Events of one cart, oldest first. */
struct view_events {
    struct uuid cart_id;
    int32_t after;          /* the version before the first event; 0: from the beginning */
    int32_t until;          /* the version of the last event, if the cart has it already */
    int32_t metadata_after; /* events up to this version come without their metadata */
};

/* Texts are borrowed for the length of the visit. */
typedef void view_found_fn(void *context, size_t index, int32_t version, struct str body);
typedef void view_row_fn(void *context, const struct view_place *place, struct str body);
/* False: stop here. */
typedef bool view_event_fn(void *context, const struct recorded_event *event);

struct view_source {
    void *self;

    /* Connects unless connected, and checks that the schema is the one we know. */
    enum status (*connect)(void *self, int64_t deadline_us, struct error *error);

    /* Visits the carts that exist, in any order, with one statement. A call without carts asks
     * whether the database answers. */
    enum status (*find)(void *self, const struct view_lookup *lookups, size_t count,
                        int64_t deadline_us, view_found_fn *found, void *context,
                        struct error *error);

    /* Visits the carts of a page in order. */
    enum status (*list)(void *self, const struct view_list *list, int64_t deadline_us,
                        view_row_fn *row, void *context, bool *ret_more, struct error *error);

    /* Visits the first of the events, with one statement: up to VIEW_EVENTS_MAX of them or
     * VIEW_EVENTS_BYTES_MAX, whichever comes first. *ret_more: there are others after those that
     * were read. */
    enum status (*events)(void *self, const struct view_events *events, int64_t deadline_us,
                          view_event_fn *event, void *context, bool *ret_more, struct error *error);

    /* The version that a cart had at a time: that of the last event that had occurred by then, or
     * 0. STATUS_NOT_FOUND: there is no such cart. */
    enum status (*version_at)(void *self, const struct uuid *cart_id, int64_t time_us,
                              int64_t deadline_us, int32_t *ret_version, struct error *error);
};
