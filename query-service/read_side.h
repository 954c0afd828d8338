/*
 * read_side.h - everything that answers GETs, put together: the readers and the requests that wait
 * for a version, each with connections of their own.
 */
#pragma once

#include "health.h"
#include "hot_views.h"
#include "past_folds.h"
#include "query_config.h"
#include "query_metrics.h"
#include "query_routes.h"
#include "view_reader.h"
#include "view_source_postgres.h"
#include "view_waiters.h"

struct read_side {
    struct health_check *check;    /* borrowed */
    struct query_metrics *metrics; /* borrowed */
    /* The last one serves the requests that wait. */
    struct view_source_postgres *sources[VIEW_READERS_MAX + 1];
    size_t source_count;
    struct view_reader *reader;
    struct view_waiters *waiters;
    struct past_folds *folds;
    struct hot_views *hot;
    struct query_routes routes;
};

/* Builds it; nothing runs yet. Looks at the database once. STATUS_INVALID: it refuses us for good,
 * or has another schema. A database that is away is waited for by read_side_start(). The caller
 * owes read_side_done() in any case. */
MUST_CHECK enum status read_side_build(struct read_side *side, const struct query_config *config,
                                       struct health_check *check, struct query_metrics *metrics,
                                       struct error *error);
MUST_CHECK enum status read_side_start(struct read_side *side, struct error *error);

/* Answers the requests that wait for a version; from now on none can wait. */
void read_side_end_waiting(struct read_side *side);
/* Answers everything else and ends the threads. Works however much was built. */
void read_side_stop(struct read_side *side);
void read_side_done(struct read_side *side);
