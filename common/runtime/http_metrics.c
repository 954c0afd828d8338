#include "http_metrics.h"

#include <stdio.h>

enum { LABELS_MAX = 160 };

void http_metrics_init(struct http_metrics *metrics, struct metrics *registry)
{
    *metrics = (struct http_metrics){.registry = registry};
    pthread_mutex_init(&metrics->lock, NULL);
    if (registry == NULL)
        return;
    metrics->connections = metrics_register(registry, METRIC_GAUGE, "http_connections",
                                            "Open connections of clients.", NULL);
    metrics->waiting_connections = metrics_register(
        registry, METRIC_GAUGE, "http_connections_waiting",
        "Open connections whose first request's head has not completely come.", NULL);
    metrics->refused_connections =
        metrics_register(registry, METRIC_COUNTER, "http_connections_refused_total",
                         "Connections closed at once because there were too many.", NULL);
    metrics->timeouts =
        metrics_register(registry, METRIC_COUNTER, "http_connections_timed_out_total",
                         "Connections cut because a request did not arrive, or an answer was not "
                         "taken, in time.",
                         NULL);
}

void http_metrics_done(struct http_metrics *metrics)
{
    pthread_mutex_destroy(&metrics->lock);
}

static void register_route(struct http_metrics *metrics, struct http_route_metrics *slot,
                           const char *route)
{
    char labels[LABELS_MAX];
    snprintf(labels, sizeof(labels), "route=\"%s\"", route);
    slot->seconds =
        metrics_register_histogram(metrics->registry, "http_request_seconds",
                                   "From the first line of a request to the start of its answer.",
                                   labels, METRIC_LATENCY_BOUNDS, METRIC_LATENCY_BOUND_COUNT);
    if (slot->seconds != NULL)
        atomic_store_explicit(&slot->route, route, memory_order_release);
}

/* NULL when there are more routes than the table holds, which is a mistake in its size. */
static struct http_route_metrics *find_route(struct http_metrics *metrics, const char *route)
{
    for (size_t i = 0; i < HTTP_METRIC_ROUTES_MAX; i++) {
        struct http_route_metrics *slot = &metrics->routes[i];
        const char *known = atomic_load_explicit(&slot->route, memory_order_acquire);
        if (known == NULL) {
            pthread_mutex_lock(&metrics->lock);
            known = atomic_load_explicit(&slot->route, memory_order_relaxed);
            if (known == NULL) {
                register_route(metrics, slot, route);
                known = route;
            }
            pthread_mutex_unlock(&metrics->lock);
        }
        if (known == route)
            return slot;
    }
    return NULL;
}

static void register_status(struct http_metrics *metrics, struct http_status_metric *slot,
                            const char *route, int status)
{
    char labels[LABELS_MAX];
    snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"", route, status);
    slot->requests = metrics_register(metrics->registry, METRIC_COUNTER, "http_requests_total",
                                      "Requests answered.", labels);
    if (slot->requests != NULL)
        atomic_store_explicit(&slot->status, status, memory_order_release);
}

static struct metric *find_status(struct http_metrics *metrics, struct http_route_metrics *route,
                                  const char *name, int status)
{
    for (size_t i = 0; i < HTTP_METRIC_STATUSES_MAX; i++) {
        struct http_status_metric *slot = &route->statuses[i];
        int known = atomic_load_explicit(&slot->status, memory_order_acquire);
        if (known == 0) {
            pthread_mutex_lock(&metrics->lock);
            known = atomic_load_explicit(&slot->status, memory_order_relaxed);
            if (known == 0) {
                register_status(metrics, slot, name, status);
                known = status;
            }
            pthread_mutex_unlock(&metrics->lock);
        }
        if (known == status)
            return slot->requests;
    }
    return NULL;
}

void http_metrics_count(struct http_metrics *metrics, const char *route, int status, double seconds)
{
    if (metrics->registry == NULL)
        return;
    const char *name = route == NULL ? "other" : route;
    struct http_route_metrics *slot = find_route(metrics, name);
    if (slot == NULL)
        return;
    metric_observe(slot->seconds, seconds);
    metric_add(find_status(metrics, slot, name, status), 1);
}
