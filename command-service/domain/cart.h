/*
 * cart.h - the rules of a shopping cart.
 *
 *     decide:  what we know + what is asked   ->  what happens
 *     evolve:  what we know + what happened   ->  what we know now
 *
 * Pure: nothing here blocks, logs or reads a clock. The time of an event arrives inside the command
 * that caused it.
 */
#pragma once

#include "cart_command.h"
#include "cart_limits.h"
#include "event_data.h"
#include "status.h"

enum cart_status {
    CART_ABSENT = 0, /* no event yet */
    CART_OPEN,
    CART_CHECKED_OUT,
    CART_CANCELLED,
    CART_EXPIRED,
    CART_MERGED,
};

/* "open", "checked_out", ...: as in the API. */
const char *cart_status_name(enum cart_status status);

/* A zeroed struct is a cart that does not exist. Everything it points to is its own. */
struct cart {
    enum cart_status status;
    int32_t version; /* events so far */
    char currency[CURRENCY_LENGTH + 1];
    char *customer_id; /* or NULL: a guest */
    int64_t last_changed_at_us;
    struct cart_line *lines; /* in the order of adding; each owns its texts (cart_lines.c) */
    size_t line_count;
    size_t line_capacity;
    struct cart_coupon *coupons; /* in order of application */
    size_t coupon_count;
    size_t bytes; /* heap memory held, counts towards the cache's limit */
};

/* A refusal is an answer, not a failure: retrying will not change it. */
enum cart_refusal {
    CART_ACCEPTED = 0,
    CART_REFUSED_NOT_FOUND,
    CART_REFUSED_EXISTS,
    CART_REFUSED_CLOSED,
    CART_REFUSED_EMPTY,
    CART_REFUSED_CURRENCY_MISMATCH,
    CART_REFUSED_TOO_MANY_LINES,
    CART_REFUSED_QUANTITY_LIMIT,
    CART_REFUSED_ITEM_NOT_IN_CART,
    CART_REFUSED_TOO_MANY_COUPONS,
    CART_REFUSED_COUPON_NOT_IN_CART,
    CART_REFUSED_MERGE_WITH_ITSELF,
    CART_REFUSED_VERSION_MISMATCH, /* by cart_condition_holds(), never by cart_decide() */
    CART_REFUSED_KEY_REUSED,       /* by the writer lane: the key stands for another request */
    CART_REFUSAL_COUNT,
};

enum { CART_DECISION_EVENTS_MAX = CART_COMMAND_ITEMS_MAX };

/* The events that happen, in order. Their texts are borrowed from the command and the cart: write
 * them out before either changes. About 50 KiB: keep one per thread, and do not copy it. */
struct cart_decision {
    size_t event_count;
    struct event_data events[CART_DECISION_EVENTS_MAX];
    struct cart_line merged_lines[CART_LINES_MAX]; /* the items of a CartMerged */
};

/*
 * Answers `command` against `cart`, changing neither.
 *
 * Zero events is a valid outcome: the cart already is as asked. Writes *ret_decision only when the
 * answer is CART_ACCEPTED. A CART_MERGE is answered by cart_decide_merge().
 */
MUST_CHECK enum cart_refusal cart_decide(const struct cart *cart,
                                         const struct cart_command *command,
                                         const struct cart_limits *limits,
                                         struct cart_decision *ret_decision);

/*
 * The same for a merge, which happens to two carts. The first event, CartMerged, is the target's;
 * the second, CartMergedAway, the source's. The target is judged first: CART_REFUSED_NOT_FOUND and
 * CART_REFUSED_CLOSED refer to the source only when the target is open. Evolve the target before
 * the source: it borrows the source's lines.
 */
MUST_CHECK enum cart_refusal cart_decide_merge(const struct cart *target, const struct cart *source,
                                               const struct cart_command *command,
                                               const struct cart_limits *limits,
                                               struct cart_decision *ret_decision);

/* CART_ACCEPTED, CART_REFUSED_NOT_FOUND or, when it is not open any more, CART_REFUSED_CLOSED. */
MUST_CHECK enum cart_refusal cart_takes_commands(const struct cart *cart);

/*
 * Lets an event that happened at `occurred_at_us` change the cart; its version goes up by one.
 * Texts are copied.
 *
 * STATUS_INVALID: the event cannot have happened to this cart (a line that is not there, a second
 * creation), so the log is damaged or newer than this program. STATUS_NO_MEMORY. After either the
 * cart must be thrown away.
 */
MUST_CHECK enum status cart_evolve(struct cart *cart, const struct event_data *event,
                                   int64_t occurred_at_us, struct error *error);

/* Releases the contents and leaves a cart that does not exist. */
void cart_done(struct cart *cart);

/* The line with that sku, borrowed until the cart changes; NULL when there is none. */
const struct cart_line *cart_find_line(const struct cart *cart, struct str sku);

/* The coupon with that code, likewise. */
const struct cart_coupon *cart_find_coupon(const struct cart *cart, struct str code);
