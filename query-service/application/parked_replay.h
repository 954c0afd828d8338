/*
 * parked_replay.h - applies parked events again: after a fix of the program, or of the data.
 */
#pragma once

#include "view_store.h"

struct replay_result {
    int64_t carts_freed; /* not parked any more */
    int64_t carts_left;  /* still parked */
    int64_t events_applied;
};

/* Where a replay is; zeroed: at its beginning. */
struct replay {
    bool has_begun;
    bool is_within; /* the cart may have more that can be applied */
    struct uuid cart_id;
    int16_t partition; /* the cart's */
    struct replay_result result;
};

/* What a step has written. */
struct replay_step {
    int64_t epoch;   /* now, of the cart's partition; 0: nothing was written */
    int32_t version; /* now, of the cart's view; 0: it is as it was */
};

/* Goes to the next parked cart, unless it is within one. STATUS_NOT_FOUND: there is none. */
MUST_CHECK enum status parked_replay_find(const struct view_store *store, struct replay *replay,
                                          struct error *error);

/*
 * One transaction: the cart's events are applied in order as far as they can be; a cart whose
 * events have all been applied is not parked any more; one of which the store does not take
 * something stays as it is. Safe while projectors run, in this process or another. Another status
 * than STATUS_OK: the store failed; what was done until then stays done, and find and step try the
 * same cart again.
 */
MUST_CHECK enum status parked_replay_step(const struct view_store *store, struct replay *replay,
                                          struct replay_step *ret_step, struct error *error);

/* Tries each parked cart once. */
MUST_CHECK enum status parked_replay(const struct view_store *store,
                                     struct replay_result *ret_result, struct error *error);
