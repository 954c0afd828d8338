#include "query_metrics.h"

#include "clock.h"

#include <stdlib.h>

/* The projector's own counts, in the order of PROJECTION_SERIES. */
enum { PROJECTION_SERIES_MAX = 15 };

struct query_metrics {
    struct metric *projection[PROJECTION_SERIES_MAX];
    struct metric *projection_batch;
    struct metric *projection_seconds;
    struct metric *group_size;
    struct metric *group_seconds;
    struct metric *queue_depth;
    struct metric *waiters;
    struct metric *connections;
    struct metric *hot_hits;
    struct metric *hot_misses;
    struct metric *hot_bytes;
};

static const struct {
    enum metric_kind kind;
    const char *name;
    const char *help;
    size_t offset; /* of the count in struct projector_stats */
    double scale;
} PROJECTION_SERIES[] = {
#define SERIES(kind_, name_, member_, scale_, help_)                                               \
    {                                                                                              \
        .kind = METRIC_##kind_, .name = "cartledger_projection_" name_, .help = (help_),           \
        .offset = offsetof(struct projector_stats, member_), .scale = (scale_)                     \
    }
    SERIES(COUNTER, "applied_events_total", applied_total, 1, "Events in views."),
    SERIES(COUNTER, "duplicates_total", duplicates_total, 1, "Records that were applied before."),
    SERIES(COUNTER, "refilled_events_total", refilled_total, 1,
           "Events read from the log because the topic lacked them."),
    SERIES(COUNTER, "gaps_total", gaps_total, 1, "Times that something was missing in the topic."),
    SERIES(COUNTER, "parked_records_total", parked_total, 1, "Records set aside."),
    SERIES(COUNTER, "stale_moves_total", stale_total, 1,
           "Times that another instance had moved a partition."),
    SERIES(COUNTER, "store_failures_total", store_failures_total, 1,
           "Failed calls to the read database."),
    SERIES(COUNTER, "log_failures_total", log_failures_total, 1,
           "Failed calls to the command service."),
    SERIES(COUNTER, "dead_lettered_total", dead_lettered_total, 1,
           "Records delivered to the dead-letter topic."),
    SERIES(GAUGE, "parked_carts", parked_carts, 1,
           "Carts that are parked, of this instance's partitions."),
    SERIES(GAUGE, "partitions_assigned", partitions_assigned, 1,
           "Partitions that this instance follows."),
    SERIES(GAUGE, "partitions_waiting", partitions_waiting, 1,
           "Of those: waiting for the log or the read database."),
    SERIES(GAUGE, "partitions_stopped", partitions_stopped, 1,
           "Of those: stopped until a person has looked."),
    SERIES(GAUGE, "lag_events", lag_events, 1, "Records in the topic that are not in views yet."),
    SERIES(GAUGE, "lag_seconds", lag_us, 1e-6,
           "Age of the newest event applied while there is a lag."),
#undef SERIES
};
_Static_assert(ARRAY_SIZE(PROJECTION_SERIES) == PROJECTION_SERIES_MAX, "one place for each");

static void register_projection(struct query_metrics *all, struct metrics *metrics)
{
    for (size_t i = 0; i < ARRAY_SIZE(PROJECTION_SERIES); i++)
        all->projection[i] =
            metrics_register(metrics, PROJECTION_SERIES[i].kind, PROJECTION_SERIES[i].name,
                             PROJECTION_SERIES[i].help, NULL);
    all->projection_batch = metrics_register_histogram(
        metrics, "cartledger_projection_batch_events", "Events of one transaction.", NULL,
        METRIC_SIZE_BOUNDS, METRIC_SIZE_BOUND_COUNT);
    all->projection_seconds = metrics_register_histogram(
        metrics, "cartledger_projection_commit_seconds",
        "How long such a transaction took, or until the next batch was made.", NULL,
        METRIC_LATENCY_BOUNDS, METRIC_LATENCY_BOUND_COUNT);
}

struct query_metrics *query_metrics_new(struct metrics *metrics)
{
    struct query_metrics *all = calloc(1, sizeof(*all));
    if (all == NULL)
        return NULL;
    struct metric *build = metrics_register(
        metrics, METRIC_GAUGE, "cartledger_build_info", "Which program this is; always 1.",
        "service=\"query-service\",version=\"" CARTLEDGER_VERSION "\"");
    metric_set(build, 1);
    all->group_size = metrics_register_histogram(metrics, "cartledger_reader_batch_size",
                                                 "Carts that one statement looked up.", NULL,
                                                 METRIC_SIZE_BOUNDS, METRIC_SIZE_BOUND_COUNT);
    all->group_seconds = metrics_register_histogram(
        metrics, "cartledger_reader_batch_seconds", "How long one such statement took.", NULL,
        METRIC_LATENCY_BOUNDS, METRIC_LATENCY_BOUND_COUNT);
    all->queue_depth = metrics_register(metrics, METRIC_GAUGE, "cartledger_reader_queue_depth",
                                        "Carts that waited when a reader came for them.", NULL);
    all->waiters = metrics_register(metrics, METRIC_GAUGE, "cartledger_waiters",
                                    "Requests that wait for a version.", NULL);
    all->connections = metrics_register(metrics, METRIC_GAUGE, "cartledger_reader_connections",
                                        "Database connections of readers that answer.", NULL);
    all->hot_hits = metrics_register(metrics, METRIC_COUNTER, "cartledger_hot_views_hits_total",
                                     "GETs of a cart that were answered from memory.", NULL);
    all->hot_misses = metrics_register(metrics, METRIC_COUNTER, "cartledger_hot_views_misses_total",
                                       "GETs of a cart that needed the database.", NULL);
    all->hot_bytes = metrics_register(metrics, METRIC_GAUGE, "cartledger_hot_views_bytes",
                                      "Memory of views that are ready to send.", NULL);
    register_projection(all, metrics);
    return all;
}

void query_metrics_free(struct query_metrics *metrics)
{
    free(metrics);
}

void query_metrics_looked_up(struct query_metrics *metrics, size_t carts, int64_t duration_us)
{
    metric_observe(metrics->group_size, (double)carts);
    metric_observe(metrics->group_seconds, (double)duration_us / MICROSECONDS_PER_SECOND);
}

void query_metrics_queued(struct query_metrics *metrics, size_t requests)
{
    metric_set(metrics->queue_depth, (double)requests);
}

void query_metrics_waiting(struct query_metrics *metrics, size_t requests)
{
    metric_set(metrics->waiters, (double)requests);
}

void query_metrics_connected(struct query_metrics *metrics, int change)
{
    metric_add(metrics->connections, change);
}

void query_metrics_projected(struct query_metrics *metrics, size_t events, int64_t duration_us)
{
    metric_observe(metrics->projection_batch, (double)events);
    metric_observe(metrics->projection_seconds, (double)duration_us / MICROSECONDS_PER_SECOND);
}

void query_metrics_update(struct query_metrics *metrics, const struct projector_stats *stats)
{
    for (size_t i = 0; i < ARRAY_SIZE(PROJECTION_SERIES); i++) {
        const char *count = (const char *)stats + PROJECTION_SERIES[i].offset;
        int64_t value = atomic_load((const _Atomic int64_t *)(const void *)count);
        metric_set(metrics->projection[i], (double)value * PROJECTION_SERIES[i].scale);
    }
}

void query_metrics_update_hot(struct query_metrics *metrics, const struct hot_views_stats *stats)
{
    metric_set(metrics->hot_hits, (double)atomic_load(&stats->hits_total));
    metric_set(metrics->hot_misses, (double)atomic_load(&stats->misses_total));
    metric_set(metrics->hot_bytes, (double)atomic_load(&stats->bytes));
}
