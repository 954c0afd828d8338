/*
 * parked_replay.h - applies parked events again, after a fix of the program or of the data.
 */
#pragma once

#include "view_store.h"

struct replay_result {
    int64_t carts_freed; /* no longer parked */
    int64_t carts_left;  /* still parked */
    int64_t events_applied;
};

/* How far a replay has come; zeroed: at its beginning. */
struct replay {
    bool has_begun;
    bool is_within; /* the cart may have more that can be applied */
    struct uuid cart_id;
    int16_t partition; /* the cart's */
    struct replay_result result;
};

/* What a step has written. */
struct replay_step {
    int64_t epoch;   /* the new one, of the cart's partition; 0: nothing was written */
    int32_t version; /* the new one, of the cart's view; 0: unchanged */
};

/* Goes to the next parked cart, unless it is within one. STATUS_NOT_FOUND: there is none. */
MUST_CHECK enum status parked_replay_find(const struct view_store *store, struct replay *replay,
                                          struct error *error);

/*
 * One transaction: applies the cart's events in order, as far as possible. If all of them could be
 * applied, the cart is no longer parked. If the store rejects a write, the cart stays parked
 * unchanged. Safe while projectors run, in this process or another. Any status but STATUS_OK: the
 * store failed. Earlier steps stay done, and find and step try the same cart again.
 */
MUST_CHECK enum status parked_replay_step(const struct view_store *store, struct replay *replay,
                                          struct replay_step *ret_step, struct error *error);

/* Tries each parked cart once. */
MUST_CHECK enum status parked_replay(const struct view_store *store,
                                     struct replay_result *ret_result, struct error *error);
