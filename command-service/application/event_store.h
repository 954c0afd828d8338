/*
 * event_store.h - what the writer lane needs from the log: a port, which belongs to one lane's
 * thread.
 *
 * Every call takes a deadline (monotonic microseconds) and returns by then. Unless a function says
 * otherwise:
 *
 *     STATUS_UNAVAILABLE  certainly not done; may work later
 *     STATUS_UNCERTAIN    sent, but no answer: the connection is gone
 *     STATUS_INTERNAL     not done, and trying again will not change it
 */
#pragma once

#include "event_store_types.h"
#include "status.h"

struct event_store {
    void *context;

    /* Makes sure of a connection. *ret_is_new: this call made it, so earlier knowledge may be out
     * of date. STATUS_INVALID: the server is there, but holds another log than the one we know. */
    enum status (*connect)(void *context, int64_t deadline_us, bool *ret_is_new,
                           struct error *error);

    /* One round trip, to see whether the log answers. */
    enum status (*ping)(void *context, int64_t deadline_us, struct error *error);

    /* Hands the events of `count` carts to `sink`, those of one cart in version order. The limits
     * of event_store_types.h may end it early, but not before the first cart has got an event.
     * ret_complete[i]: the last event of the i-th cart was among them. */
    enum status (*load)(void *context, const struct cart_tail *carts, size_t count,
                        int64_t deadline_us, stored_event_fn *sink, void *sink_context,
                        bool *ret_complete, struct error *error);

    /* The last version of each cart; 0: it has no event. */
    enum status (*versions)(void *context, const struct cart_key *carts, size_t count,
                            int64_t deadline_us, int32_t *ret_versions, struct error *error);

    /* Hands the events of `count` commands to `sink`, those of one command in version order. A
     * command that is not in the log has none. */
    enum status (*recall)(void *context, const struct past_command *commands, size_t count,
                          int64_t deadline_us, recalled_event_fn *sink, void *sink_context,
                          struct error *error);

    /* Until the next append() or release(), or until a call fails, nobody else appends to these
     * partitions, so what is read meanwhile stays true. On failure nothing is held. */
    enum status (*hold)(void *context, const int16_t *partitions, size_t count, int64_t deadline_us,
                        struct error *error);
    /* Does nothing when nothing is held. */
    void (*release)(void *context, int64_t deadline_us);

    /* All events or none, in one transaction, durable on STATUS_OK. Positions ascend in the order
     * of `events`. STATUS_CONFLICT: a cart already has one of the versions. */
    enum status (*append)(void *context, struct new_event *events, size_t count,
                          int64_t deadline_us, struct error *error);

    /* What the log holds at the cart and version of each event. */
    enum status (*find)(void *context, const struct new_event *events, size_t count,
                        int64_t deadline_us, struct standing_event *ret_standing,
                        struct error *error);
};
