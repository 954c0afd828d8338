/*
 * event_types.h - the list of event types, and nothing else.
 *
 * One line per type: enum name, struct member, name in the log and in Kafka, newest schema version.
 * The enum, the names, the JSON readers and writers and the tests are all made from this list.
 */
#pragma once

#include "macros.h"
#include "str.h"

#define EVENT_TYPES(X)                                                                             \
    X(CART_CREATED, cart_created, "CartCreated", 1)                                                \
    X(ITEM_ADDED, item_added, "ItemAdded", 1)                                                      \
    X(ITEM_QUANTITY_CHANGED, item_quantity_changed, "ItemQuantityChanged", 1)                      \
    X(ITEM_REMOVED, item_removed, "ItemRemoved", 1)                                                \
    X(CART_CLEARED, cart_cleared, "CartCleared", 1)                                                \
    X(CUSTOMER_ASSIGNED, customer_assigned, "CustomerAssigned", 1)                                 \
    X(COUPON_APPLIED, coupon_applied, "CouponApplied", 1)                                          \
    X(COUPON_REMOVED, coupon_removed, "CouponRemoved", 1)                                          \
    X(CART_MERGED, cart_merged, "CartMerged", 1)                                                   \
    X(CART_MERGED_AWAY, cart_merged_away, "CartMergedAway", 1)                                     \
    X(CART_CHECKED_OUT, cart_checked_out, "CartCheckedOut", 1)                                     \
    X(CART_CANCELLED, cart_cancelled, "CartCancelled", 1)                                          \
    X(CART_EXPIRED, cart_expired, "CartExpired", 2)

enum event_type {
#define X(upper, lower, name, schema_version) EVENT_##upper,
    EVENT_TYPES(X)
#undef X
        EVENT_TYPE_COUNT,
};

/* "ItemAdded"; a static string. */
const char *event_type_name(enum event_type type);
/* The newest schema version of the type: the one that is written. */
int event_type_schema_version(enum event_type type);
MUST_CHECK bool event_type_parse(struct str name, enum event_type *ret_type);
