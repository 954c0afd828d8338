/*
 * view_source.h - what the readers need from the database: cart views as they are stored, and the
 * events that they were made from.
 *
 * Each call waits until its deadline (monotonic microseconds) at most and belongs to one thread.
 * STATUS_UNAVAILABLE or STATUS_UNCERTAIN: nobody there, or not in time. STATUS_INVALID (of
 * connect): refused for a reason that waiting will not change - password, schema.
 * STATUS_INTERNAL: a bug. A call that fails has visited nothing.
 */
#pragma once

#include "recorded_event.h"

enum {
    VIEW_LIST_LIMIT_MAX = 200,
    VIEW_LIST_BYTES_MAX = 4 * 1024 * 1024, /* about, of bodies, plus one: a page ends early */
    VIEW_EVENTS_MAX = 500,                 /* events of a cart that are read at once */
    VIEW_EVENTS_BYTES_MAX = 1024 * 1024,   /* about, of JSON, plus one event */
};

/* One cart that is asked for. */
struct view_lookup {
    struct uuid cart_id;
    int32_t least_version; /* an older view counts as none; 1: any will do */
};

/* Where a page of the list ended. */
struct view_place {
    int64_t updated_at_us;
    struct uuid cart_id;
};

/* A page of carts, newest change first. */
struct view_list {
    struct str customer_id; /* none: of everybody */
    struct str status;      /* none: any */
    bool is_continued;
    struct view_place after; /* when it is continued */
    int limit;               /* 1 to VIEW_LIST_LIMIT_MAX */
};

/* Events of one cart, oldest first. */
struct view_events {
    struct uuid cart_id;
    int32_t after;          /* the version before the first of them; 0: from the beginning */
    int32_t until;          /* the version of the last one, if the cart has it already */
    int32_t metadata_after; /* events up to this version come without their metadata */
};

/* Texts are borrowed for the length of the visit. */
typedef void view_found_fn(void *context, size_t index, int32_t version, struct str body);
typedef void view_row_fn(void *context, const struct view_place *place, struct str body);
/* False: that was enough. */
typedef bool view_event_fn(void *context, const struct recorded_event *event);

struct view_source {
    void *self;

    /* Connects unless connected, and sees that the schema is the one we know. */
    enum status (*connect)(void *self, int64_t deadline_us, struct error *error);

    /* Visits those of the carts that are there, in any order, by one statement. No carts at all is
     * a way to ask whether the database answers. */
    enum status (*find)(void *self, const struct view_lookup *lookups, size_t count,
                        int64_t deadline_us, view_found_fn *found, void *context,
                        struct error *error);

    /* Visits the carts of a page in order. */
    enum status (*list)(void *self, const struct view_list *list, int64_t deadline_us,
                        view_row_fn *row, void *context, bool *ret_more, struct error *error);

    /* Visits the first of the events, by one statement: VIEW_EVENTS_MAX or VIEW_EVENTS_BYTES_MAX of
     * them, whichever is less. *ret_more: there are others behind those that were read. */
    enum status (*events)(void *self, const struct view_events *events, int64_t deadline_us,
                          view_event_fn *event, void *context, bool *ret_more, struct error *error);

    /* The version that a cart had at a time: that of the last event that had occurred by then, 0 if
     * none had. STATUS_NOT_FOUND: there is no such cart. */
    enum status (*version_at)(void *self, const struct uuid *cart_id, int64_t time_us,
                              int64_t deadline_us, int32_t *ret_version, struct error *error);
};
