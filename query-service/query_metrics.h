/*
 * query_metrics.h - what the query service counts, as /metrics shows it.
 */
#pragma once

#include "hot_views.h"
#include "metrics.h"
#include "projector.h"
#include "view_request.h"

struct query_metrics;

/* *New*; everything is registered here. NULL: memory is out. */
MUST_CHECK struct query_metrics *query_metrics_new(struct metrics *metrics);
void query_metrics_free(struct query_metrics *metrics); /* takes NULL */

/* What struct view_observer is told. */
void query_metrics_looked_up(struct query_metrics *metrics, size_t carts, int64_t duration_us);
void query_metrics_queued(struct query_metrics *metrics, size_t requests);
void query_metrics_waiting(struct query_metrics *metrics, size_t requests);
void query_metrics_connected(struct query_metrics *metrics, int change);

/* One transaction of the projector. */
void query_metrics_projected(struct query_metrics *metrics, size_t events, int64_t duration_us);
/* Copies what others count. Called now and then, by one thread. */
void query_metrics_update(struct query_metrics *metrics, const struct projector_stats *stats);
void query_metrics_update_hot(struct query_metrics *metrics, const struct hot_views_stats *stats);
