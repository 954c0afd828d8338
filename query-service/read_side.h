/*
 * read_side.h - everything that answers GETs, put together: readers and those that wait, each with
 * connections of their own.
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
    struct health_check *check;                                 /* borrowed */
    struct query_metrics *metrics;                              /* borrowed */
    struct view_source_postgres *sources[VIEW_READERS_MAX + 1]; /* the last one: who waits */
    size_t source_count;
    struct view_reader *reader;
    struct view_waiters *waiters;
    struct past_folds *folds;
    struct hot_views *hot;
    struct query_routes routes;
};

/* Builds it; nothing runs yet. Looks at the database once: STATUS_INVALID when it refuses us for
 * good or has another schema; one that is away is waited for by read_side_start(). The caller owes
 * read_side_done() whatever comes back. */
MUST_CHECK enum status read_side_build(struct read_side *side, const struct query_config *config,
                                       struct health_check *check, struct query_metrics *metrics,
                                       struct error *error);
MUST_CHECK enum status read_side_start(struct read_side *side, struct error *error);

/* Answers those that wait for a version; from now on nobody can. */
void read_side_end_waiting(struct read_side *side);
/* Answers everything else and ends the threads. Works whatever has been built. */
void read_side_stop(struct read_side *side);
void read_side_done(struct read_side *side);
