/*
 * lane_side.h - everything that decides commands, put together: the event store, the lanes before
 * it, and the sweep that sends them the carts whose lifetime is over.
 */
#pragma once

#include "command_config.h"
#include "command_lanes.h"
#include "command_metrics.h"
#include "event_store_postgres.h"
#include "expiry_log_postgres.h"
#include "expiry_sweep.h"
#include "health.h"
#include "relay.h"

#include <pthread.h>

struct lane_side;

/* What a lane's observer needs, and its last report about the store. */
struct lane_link {
    struct lane_side *side;
    const struct lane_series *counts;
    bool is_up;
    char detail[HEALTH_DETAIL_MAX];
};

struct lane_side {
    struct health_check *store_check; /* borrowed; ok while every lane reaches the store */
    struct command_metrics *metrics;  /* borrowed */
    struct relay *relay;              /* borrowed; woken by every commit */
    struct event_store_postgres *stores[COMMAND_LANES_MAX];
    pthread_mutex_t lock; /* guards the links' last reports */
    struct lane_link links[COMMAND_LANES_MAX];
    size_t lane_count;
    struct command_lanes *lanes;
    struct expiry_log_postgres *expiry_source;
    struct expiry_log expiry_log;
    struct expiry_sweep *sweep;
};

/*
 * Builds it; nothing runs yet. `side` holds what is borrowed, and is zero otherwise. Looks at the
 * store once. STATUS_INVALID: it is not ours, or has another number of partitions. A store that is
 * away is waited for. The caller owes lane_side_done() in any case.
 */
MUST_CHECK enum status lane_side_build(struct lane_side *side, const struct command_config *config,
                                       const struct cart_limits *limits, struct error *error);
MUST_CHECK enum status lane_side_start(struct lane_side *side, struct error *error);
/* From now on the sweep sends no cart to a lane. The stop functions work however much was built. */
void lane_side_end_sweep(struct lane_side *side);
/* Answers every queued command: with its outcome until `deadline_us`, as unavailable after it. */
void lane_side_stop(struct lane_side *side, int64_t deadline_us);
void lane_side_done(struct lane_side *side);
