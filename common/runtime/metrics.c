#include "metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 8192, BOUNDS_MAX = 24 };

const double METRIC_LATENCY_BOUNDS[] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                        0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                        0.5,     1,      2.5,     5,      10};
const size_t METRIC_LATENCY_BOUND_COUNT = ARRAY_SIZE(METRIC_LATENCY_BOUNDS);
const double METRIC_SIZE_BOUNDS[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
const size_t METRIC_SIZE_BOUND_COUNT = ARRAY_SIZE(METRIC_SIZE_BOUNDS);

enum series_kind { SERIES_COUNTER, SERIES_GAUGE, SERIES_HISTOGRAM };

struct metric {
    enum series_kind kind;
    char *name;
    char *help;
    char *labels;         /* or NULL */
    _Atomic double value; /* counters and gauges; a histogram's sum */
    size_t bound_count;
    double bounds[BOUNDS_MAX];
    _Atomic uint64_t buckets[BOUNDS_MAX + 1]; /* not cumulative; the last one is +Inf */
};

struct metrics {
    pthread_mutex_t lock; /* of the list; the series themselves are atomics */
    size_t count;
    struct metric *series[METRICS_MAX];
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics != NULL)
        pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

static void metric_free(struct metric *metric)
{
    free(metric->name);
    free(metric->help);
    free(metric->labels);
    free(metric);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < metrics->count; i++)
        metric_free(metrics->series[i]);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

static bool same_labels(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct metric *metric_new(enum series_kind kind, const char *name, const char *help,
                                 const char *labels)
{
    struct metric *metric = calloc(1, sizeof(*metric));
    if (metric == NULL)
        return NULL;
    metric->kind = kind;
    metric->name = strdup(name);
    metric->help = strdup(help);
    metric->labels = labels == NULL ? NULL : strdup(labels);
    if (metric->name != NULL && metric->help != NULL &&
        (labels == NULL) == (metric->labels == NULL))
        return metric;
    metric_free(metric);
    return NULL;
}

static struct metric *find_or_add(struct metrics *metrics, enum series_kind kind, const char *name,
                                  const char *help, const char *labels)
{
    for (size_t i = 0; i < metrics->count; i++) {
        struct metric *metric = metrics->series[i];
        if (strcmp(metric->name, name) == 0 && same_labels(metric->labels, labels))
            return metric;
    }
    assert(metrics->count < METRICS_MAX);
    struct metric *metric = metric_new(kind, name, help, labels);
    if (metric == NULL)
        return NULL;

    /* The text format wants all series of a name together: insert it after its namesakes. */
    size_t place = metrics->count;
    while (place > 0 && strcmp(metrics->series[place - 1]->name, name) != 0)
        place--;
    if (place == 0)
        place = metrics->count;
    memmove(&metrics->series[place + 1], &metrics->series[place],
            (metrics->count - place) * sizeof(metrics->series[0]));
    metrics->series[place] = metric;
    metrics->count++;
    return metric;
}

struct metric *metrics_register(struct metrics *metrics, enum metric_kind kind, const char *name,
                                const char *help, const char *labels)
{
    enum series_kind series = kind == METRIC_COUNTER ? SERIES_COUNTER : SERIES_GAUGE;
    pthread_mutex_lock(&metrics->lock);
    struct metric *metric = find_or_add(metrics, series, name, help, labels);
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

struct metric *metrics_register_histogram(struct metrics *metrics, const char *name,
                                          const char *help, const char *labels,
                                          const double *bounds, size_t bound_count)
{
    assert(bound_count <= BOUNDS_MAX);
    pthread_mutex_lock(&metrics->lock);
    struct metric *metric = find_or_add(metrics, SERIES_HISTOGRAM, name, help, labels);
    if (metric != NULL) {
        memcpy(metric->bounds, bounds, bound_count * sizeof(*bounds));
        metric->bound_count = bound_count;
    }
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

void metric_add(struct metric *metric, double amount)
{
    if (metric == NULL)
        return;
    double seen = atomic_load_explicit(&metric->value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&metric->value, &seen, seen + amount,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void metric_set(struct metric *metric, double value)
{
    if (metric != NULL)
        atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe(struct metric *metric, double value)
{
    if (metric == NULL)
        return;
    size_t bucket = 0;
    while (bucket < metric->bound_count && value > metric->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    metric_add(metric, value);
}

static void write_sample(struct text *text, const struct metric *metric, const char *suffix,
                         const char *bound, double value)
{
    text_append_terminated(text, metric->name);
    text_append_terminated(text, suffix);
    if (metric->labels != NULL || bound != NULL) {
        text_append_char(text, '{');
        if (metric->labels != NULL)
            text_append_terminated(text, metric->labels);
        if (metric->labels != NULL && bound != NULL)
            text_append_char(text, ',');
        if (bound != NULL)
            text_format(text, "le=\"%s\"", bound);
        text_append_char(text, '}');
    }
    text_format(text, " %.17g\n", value);
}

static void write_histogram(struct text *text, struct metric *metric)
{
    uint64_t below = 0;
    for (size_t i = 0; i < metric->bound_count; i++) {
        below += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        char bound[32];
        snprintf(bound, sizeof(bound), "%g", metric->bounds[i]);
        write_sample(text, metric, "_bucket", bound, (double)below);
    }
    below += atomic_load_explicit(&metric->buckets[metric->bound_count], memory_order_relaxed);
    write_sample(text, metric, "_bucket", "+Inf", (double)below);
    write_sample(text, metric, "_sum", NULL,
                 atomic_load_explicit(&metric->value, memory_order_relaxed));
    write_sample(text, metric, "_count", NULL, (double)below);
}

void metrics_write(struct metrics *metrics, struct text *text)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&metrics->lock);
    for (size_t i = 0; i < metrics->count; i++) {
        struct metric *metric = metrics->series[i];
        if (i == 0 || strcmp(metrics->series[i - 1]->name, metric->name) != 0)
            text_format(text, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                        metric->name, kinds[metric->kind]);
        if (metric->kind == SERIES_HISTOGRAM)
            write_histogram(text, metric);
        else
            write_sample(text, metric, "", NULL,
                         atomic_load_explicit(&metric->value, memory_order_relaxed));
    }
    pthread_mutex_unlock(&metrics->lock);
}
