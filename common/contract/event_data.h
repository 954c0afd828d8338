/*
 * event_data.h - what happened to a cart: the `data` of an event, as a struct and as JSON
 * (docs/events.md).
 *
 * All texts and arrays in it are borrowed. Where they come from event_data_read(), they live until
 * event_data_done().
 */
#pragma once

#include "cart_line.h"
#include "event_types.h"
#include "expiry_policy.h"
#include "status.h"
#include "text.h"
#include "uuid.h"

/* Bytes of JSON; a checkout of 500 lines with the longest names fits. */
enum { EVENT_DATA_MAX = 512 * 1024 };

struct cart_created {
    char currency[CURRENCY_LENGTH + 1];
    struct str customer_id; /* or none */
};

struct item_added {
    struct cart_line line; /* quantity: how many were added */
    int32_t line_quantity; /* afterwards */
};

struct item_quantity_changed {
    struct str sku;
    int32_t quantity;
    int32_t previous_quantity;
};

struct item_removed {
    struct str sku;
    int32_t quantity;      /* how many went */
    int32_t line_quantity; /* how many stay; 0: the line is gone */
};

struct cart_cleared {
    int32_t line_count; /* lines that went */
};

struct customer_assigned {
    struct str customer_id;
    struct str previous_customer_id; /* or none */
};

struct coupon_applied {
    struct cart_coupon coupon;
};

struct coupon_removed {
    struct str code;
};

struct cart_merged {
    struct uuid source_cart_id;
    int32_t source_version;
    struct str strategy;
    const struct cart_line *items; /* the resulting lines */
    size_t item_count;
};

struct cart_merged_away {
    struct uuid target_cart_id;
};

struct cart_checked_out {
    struct str order_id;    /* or none */
    struct str customer_id; /* or none */
    char currency[CURRENCY_LENGTH + 1];
    const struct cart_line *items;
    size_t item_count;
    const struct cart_coupon *coupons;
    size_t coupon_count;
    struct cart_totals totals;
};

struct cart_cancelled {
    char nothing;
};

struct cart_expired {
    int64_t last_changed_at_us;
    enum expiry_policy policy; /* since schema version 2 */
};

struct event_data {
    enum event_type type;
    union {
#define X(upper, lower, name, schema_version) struct lower lower;
        EVENT_TYPES(X)
#undef X
    };
    void *source; /* what event_data_read() made: its memory, or NULL */
};

/* Appends the data as JSON in the newest schema version of its type. */
void event_data_write(const struct event_data *data, struct text *text);

/*
 * Reads `json`, written as `type` in `schema_version`, after bringing it up to the newest version
 * (upcaster.h). Unknown members are ignored. STATUS_INVALID: the event cannot be applied: unknown
 * type, newer schema version than we know, not JSON, a member missing or of the wrong shape. On
 * STATUS_OK the caller owes event_data_done().
 */
MUST_CHECK enum status event_data_read(struct str type, int schema_version, struct str json,
                                       struct event_data *ret_data, struct error *error);

/* Releases what event_data_read() made. Works on a zeroed struct. */
void event_data_done(struct event_data *data);
