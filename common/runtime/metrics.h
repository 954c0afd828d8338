/*
 * metrics.h - counters, gauges and histograms in the Prometheus text format 0.0.4.
 *
 * Registration and updates are thread-safe. Registration takes a lock (do it at start); updates are
 * relaxed atomics. Names follow Prometheus' rules: base units (seconds, bytes), `_total` for
 * counters.
 */
#pragma once

#include "macros.h"
#include "text.h"

#include <stdint.h>

struct metrics; /* the registry */
struct metric;  /* one time series; borrowed from the registry */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

MUST_CHECK struct metrics *metrics_new(void); /* NULL: memory is out */
void metrics_free(struct metrics *metrics);

/* `labels` is "route=\"GET /livez\",status=\"200\"" or NULL; copied. Registering the same name and
 * labels again gives the same series. NULL: memory is out. An exhausted registry is a bug. */
struct metric *metrics_register(struct metrics *metrics, enum metric_kind kind, const char *name,
                                const char *help, const char *labels);
/* Upper bounds in ascending order, in seconds (or what the name says). */
struct metric *metrics_register_histogram(struct metrics *metrics, const char *name,
                                          const char *help, const char *labels,
                                          const double *bounds, size_t bound_count);

/* The latency bounds that all histograms of requests and commits share: 50 us to 10 s. */
extern const double METRIC_LATENCY_BOUNDS[];
extern const size_t METRIC_LATENCY_BOUND_COUNT;
/* Powers of two, 1 to 1024. */
extern const double METRIC_SIZE_BOUNDS[];
extern const size_t METRIC_SIZE_BOUND_COUNT;

/* All of these take NULL and then do nothing. */
void metric_add(struct metric *metric, double amount);
void metric_set(struct metric *metric, double value);
void metric_observe(struct metric *metric, double value);

void metrics_write(struct metrics *metrics, struct text *text);
