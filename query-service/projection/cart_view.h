/*
 * cart_view.h - a cart as a GET shows it, made from the cart's events.
 *
 *     apply:   the view and what happened  ->  the view now
 *     render:  the view                    ->  the JSON of docs/api.md, ready to send
 *     read:    that JSON                   ->  the view, to go on from
 *
 * Pure: nothing here blocks, logs or reads a clock. The cart's rules belong to the command service.
 * This follows the events and only refuses what contradicts earlier ones.
 */
#pragma once

#include "cart_line.h"
#include "event_data.h"
#include "recorded_event.h"
#include "status.h"
#include "text.h"
#include "uuid.h"

enum { CART_VIEW_BODY_MAX = 1024 * 1024 }; /* bytes; 500 lines of the longest names fit twice */

/* A list without a filter asks for each of these but the first. So a program does not list carts of
 * a status that only newer ones know. */
enum cart_view_status {
    CART_VIEW_ABSENT = 0, /* no event yet */
    CART_VIEW_OPEN,
    CART_VIEW_CHECKED_OUT,
    CART_VIEW_CANCELLED,
    CART_VIEW_EXPIRED,
    CART_VIEW_MERGED,
    CART_VIEW_STATUS_COUNT,
};

/* "open", "checked_out", ...: as in the API and in cart_views.status. "absent" never leaves the
 * program. */
const char *cart_view_status_name(enum cart_view_status status);
/* Any but "absent". */
MUST_CHECK bool cart_view_status_parse(struct str name, enum cart_view_status *ret_status);

/* A zeroed struct is a cart of which nothing is known yet. Every text and array is its own. */
struct cart_view {
    struct uuid cart_id;
    enum cart_view_status status;
    int32_t version; /* of the last event applied; 0: none */
    char currency[CURRENCY_LENGTH + 1];
    struct str customer_id;  /* none: a guest */
    struct cart_line *lines; /* in the order in which they were added */
    size_t line_count;
    size_t line_capacity;
    struct cart_coupon *coupons; /* in order of application */
    size_t coupon_count;
    size_t coupon_capacity;
    int64_t created_at_us;   /* microseconds since 1970 */
    int64_t updated_at_us;   /* when the last event occurred */
    int64_t closed_at_us;    /* only of a closed cart */
    struct str order_id;     /* only of one that was checked out; or none */
    struct uuid merged_into; /* only of one that was merged */
};

/* Releases the contents and leaves a cart of which nothing is known. */
void cart_view_done(struct cart_view *view);

/*
 * Lets `event`, whose data has been read into `data`, change the view. Uses the event's cart_id,
 * version and occurred_at_us; texts are copied.
 *
 * STATUS_INVALID: this cannot have happened to the cart as we know it - another cart's event, a
 * version that is not the next one, a line that is not there, quantities or totals that do not
 * agree, anything on an absent or a closed cart, an amount that 64 bits cannot hold. The view is as
 * it was. STATUS_NO_MEMORY: the view must be thrown away.
 */
MUST_CHECK enum status cart_view_apply(struct cart_view *view, const struct event_data *data,
                                       const struct recorded_event *event, struct error *error);

/* The same for an event as it is stored: reads its data first, whatever the schema version (then
 * STATUS_INVALID: it cannot be read, either). */
MUST_CHECK enum status cart_view_apply_event(struct cart_view *view,
                                             const struct recorded_event *event,
                                             struct error *error);

/* Appends the JSON of docs/api.md. The view must not be absent. text_ok() tells whether everything
 * fitted. */
void cart_view_render(const struct cart_view *view, struct text *text);

/* Reads what cart_view_render() wrote. STATUS_INVALID: `json` is not that. On STATUS_OK the caller
 * owes cart_view_done(). */
MUST_CHECK enum status cart_view_read(struct str json, struct cart_view *ret_view,
                                      struct error *error);
