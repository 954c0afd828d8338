/*
 * parked_replay.h - applies parked events again: after a fix of the program, or of the data.
 */
#pragma once

#include "view_store.h"

enum { REPLAY_BYTES_MAX = 4 * 1024 * 1024 }; /* data applied in one transaction, plus one record */

struct replay_result {
    int64_t carts_freed; /* not parked any more */
    int64_t carts_left;  /* still parked */
    int64_t events_applied;
};

/* Where a replay is; zeroed: at its beginning. */
struct replay {
    bool has_begun;
    struct uuid cart_id; /* the one tried last */
    struct replay_result result;
};

/*
 * Tries the next parked cart: its events are applied in order as far as they can be; a cart whose
 * events have all been applied is not parked any more. Safe while projectors run, in this process
 * or another. STATUS_NOT_FOUND: that was the last one. Another status: the store failed; what was
 * done until then stays done, and calling again tries the same cart.
 */
MUST_CHECK enum status parked_replay_next(const struct view_store *store, struct replay *replay,
                                          struct error *error);

/* Tries each parked cart once. */
MUST_CHECK enum status parked_replay(const struct view_store *store,
                                     struct replay_result *ret_result, struct error *error);
