#include "command_metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { LABEL_MAX = 32 };

struct lane_series {
    struct metric *series[LANE_METRIC_COUNT];
};

struct command_metrics {
    struct metric *leading;
    struct metric *delivered;
    struct metric *takeovers;
    struct metric *restarts;
    struct metric *errors;
    struct metric *in_flight;
    struct metric *lag;
    struct metric *sweeping;
    struct metric *expired;
    struct metric *sweep_errors;
    struct metric *log_queue_depth;
    struct metric *log_readers_busy;
    int partitions;
    struct metric **published; /* one a partition */
    struct lane_series *lanes;
};

enum kind { COUNTER, GAUGE, SIZES, SECONDS };

static const struct {
    enum kind kind;
    const char *name;
    const char *help;
} LANE_SERIES[LANE_METRIC_COUNT] = {
    [LANE_BATCH_COMMANDS] = {SIZES, "cartledger_lane_batch_commands",
                             "Commands answered by one batch."},
    [LANE_BATCH_EVENTS] = {SIZES, "cartledger_lane_batch_events", "Events of one append."},
    [LANE_COMMIT_SECONDS] = {SECONDS, "cartledger_lane_commit_seconds",
                             "One append, as the lane waits for it."},
    [LANE_QUEUE_DEPTH] = {GAUGE, "cartledger_lane_queue_depth", "Commands that wait for the lane."},
    [LANE_CACHE_BYTES] = {GAUGE, "cartledger_lane_cache_bytes", "Memory of cached carts."},
    [LANE_CACHE_CARTS] = {GAUGE, "cartledger_lane_cache_carts", "Cached carts."},
    [LANE_CACHE_HITS] = {COUNTER, "cartledger_lane_cache_hits_total", "Carts found in the cache."},
    [LANE_CACHE_MISSES] = {COUNTER, "cartledger_lane_cache_misses_total",
                           "Carts not found in the cache."},
    [LANE_CART_CLASHES] = {COUNTER, "cartledger_lane_cart_clashes_total",
                           "Carts that the log knew better than the lane."},
    [LANE_APPEND_RETRIES] = {COUNTER, "cartledger_lane_append_retries_total",
                             "Appends repeated after a deadlock, a lock time-out or the like."},
    [LANE_COMMITS_UNCERTAIN] = {COUNTER, "cartledger_lane_commits_uncertain_total",
                                "Appends that got no answer."},
    [LANE_COMMITS_RESOLVED] = {COUNTER, "cartledger_lane_commits_resolved_total",
                               "Uncertain appends whose outcome was found out."},
    [LANE_COMMITS_UNKNOWN] = {COUNTER, "cartledger_lane_commits_unknown_total",
                              "Uncertain appends answered as outcome-unknown."},
    [LANE_COMMANDS_REFUSED_BUSY] = {COUNTER, "cartledger_lane_commands_refused_total",
                                    "Commands refused as overloaded."},
    [LANE_COMMANDS_REPLAYED] = {COUNTER, "cartledger_lane_commands_replayed_total",
                                "Commands whose Idempotency-Key had its answer already."},
};

static struct metric *register_kind(struct metrics *metrics, enum kind kind, const char *name,
                                    const char *help, const char *labels)
{
    switch (kind) {
    case SIZES:
        return metrics_register_histogram(metrics, name, help, labels, METRIC_SIZE_BOUNDS,
                                          METRIC_SIZE_BOUND_COUNT);
    case SECONDS:
        return metrics_register_histogram(metrics, name, help, labels, METRIC_LATENCY_BOUNDS,
                                          METRIC_LATENCY_BOUND_COUNT);
    case GAUGE:
        return metrics_register(metrics, METRIC_GAUGE, name, help, labels);
    default:
        return metrics_register(metrics, METRIC_COUNTER, name, help, labels);
    }
}

static void register_lane(struct metrics *metrics, int lane, struct lane_series *series)
{
    char label[LABEL_MAX];
    snprintf(label, sizeof(label), "lane=\"%d\"", lane);
    for (int i = 0; i < LANE_METRIC_COUNT; i++)
        series->series[i] = register_kind(metrics, LANE_SERIES[i].kind, LANE_SERIES[i].name,
                                          LANE_SERIES[i].help, label);
}

static void register_relay(struct metrics *metrics, struct command_metrics *ours)
{
    ours->leading = metrics_register(metrics, METRIC_GAUGE, "cartledger_relay_leading",
                                     "1 while this instance publishes.", NULL);
    ours->delivered =
        metrics_register(metrics, METRIC_COUNTER, "cartledger_relay_delivered_events_total",
                         "Events delivered by this process so far.", NULL);
    ours->takeovers = metrics_register(metrics, METRIC_COUNTER, "cartledger_relay_takeovers_total",
                                       "Times this process became the leader.", NULL);
    ours->restarts = metrics_register(metrics, METRIC_COUNTER, "cartledger_relay_restarts_total",
                                      "Times the relay found its place in the topic again.", NULL);
    ours->errors = metrics_register(metrics, METRIC_COUNTER, "cartledger_relay_errors_total",
                                    "Failed calls to the log or the topic so far.", NULL);
    ours->in_flight = metrics_register(metrics, METRIC_GAUGE, "cartledger_relay_in_flight_events",
                                       "Events sent and not delivered yet.", NULL);
    ours->lag = metrics_register(metrics, METRIC_GAUGE, "cartledger_relay_lag_events",
                                 "Events in the log and not in the topic.", NULL);
    for (int partition = 0; partition < ours->partitions; partition++) {
        char label[LABEL_MAX];
        snprintf(label, sizeof(label), "partition=\"%d\"", partition);
        ours->published[partition] =
            metrics_register(metrics, METRIC_GAUGE, "cartledger_relay_published_position",
                             "Last position known to be in the topic.", label);
    }
}

static void register_sweep(struct metrics *metrics, struct command_metrics *ours)
{
    ours->sweeping = metrics_register(metrics, METRIC_GAUGE, "cartledger_expiry_leading",
                                      "1 while this instance sweeps.", NULL);
    ours->expired = metrics_register(metrics, METRIC_COUNTER, "cartledger_expired_carts_total",
                                     "Carts that this process has let expire.", NULL);
    ours->sweep_errors = metrics_register(metrics, METRIC_COUNTER, "cartledger_expiry_errors_total",
                                          "Failed calls and commands of the sweep so far.", NULL);
}

static void register_log_reader(struct metrics *metrics, struct command_metrics *ours)
{
    ours->log_queue_depth = metrics_register(metrics, METRIC_GAUGE, "cartledger_log_queue_depth",
                                             "Requests for the log that wait for a reader.", NULL);
    ours->log_readers_busy =
        metrics_register(metrics, METRIC_GAUGE, "cartledger_log_readers_busy",
                         "Readers of the log, of LOG_READERS, that are at work.", NULL);
}

struct command_metrics *command_metrics_new(struct metrics *metrics, int lanes, int partitions)
{
    struct command_metrics *ours = calloc(1, sizeof(*ours));
    if (ours == NULL)
        return NULL;
    ours->partitions = partitions;
    ours->published = calloc((size_t)partitions, sizeof(struct metric *));
    ours->lanes = calloc((size_t)lanes, sizeof(*ours->lanes));
    if (ours->published == NULL || ours->lanes == NULL) {
        command_metrics_free(ours);
        return NULL;
    }
    for (int lane = 0; lane < lanes; lane++)
        register_lane(metrics, lane, &ours->lanes[lane]);
    register_relay(metrics, ours);
    register_sweep(metrics, ours);
    register_log_reader(metrics, ours);
    metric_set(metrics_register(metrics, METRIC_GAUGE, "cartledger_build_info",
                                "Always 1; the version is in the label.",
                                "service=\"command-service\",version=\"" CARTLEDGER_VERSION "\""),
               1);
    return ours;
}

void command_metrics_free(struct command_metrics *metrics)
{
    if (metrics == NULL)
        return;
    free(metrics->published);
    free(metrics->lanes);
    free(metrics);
}

const struct lane_series *command_metrics_of_lane(const struct command_metrics *metrics, int lane)
{
    return &metrics->lanes[lane];
}

void command_metrics_observe(const struct lane_series *lane, enum lane_metric metric, double value)
{
    switch (LANE_SERIES[metric].kind) {
    case COUNTER:
        metric_add(lane->series[metric], value);
        break;
    case GAUGE:
        metric_set(lane->series[metric], value);
        break;
    default:
        metric_observe(lane->series[metric], value);
        break;
    }
}

void command_metrics_update(struct command_metrics *metrics, const struct relay *relay,
                            const struct expiry_sweep *sweep, struct log_reader *log_reader)
{
    const struct relay_stats *stats = relay_stats(relay);
    const struct expiry_stats *expiry = expiry_sweep_stats(sweep);
    const struct log_reader_use use = log_reader_use(log_reader);
    metric_set(metrics->leading, (double)stats->leading);
    metric_set(metrics->delivered, (double)stats->delivered_total);
    metric_set(metrics->takeovers, (double)stats->takeovers_total);
    metric_set(metrics->restarts, (double)stats->restarts_total);
    metric_set(metrics->errors, (double)stats->errors_total);
    metric_set(metrics->in_flight, (double)stats->in_flight);
    metric_set(metrics->lag, (double)stats->lag_events);
    metric_set(metrics->sweeping, (double)expiry->leading);
    metric_set(metrics->expired, (double)expiry->expired_total);
    metric_set(metrics->sweep_errors, (double)expiry->errors_total);
    metric_set(metrics->log_queue_depth, use.waiting);
    metric_set(metrics->log_readers_busy, use.busy);
    for (int partition = 0; partition < metrics->partitions; partition++)
        metric_set(metrics->published[partition],
                   (double)relay_published_position(relay, partition));
}
