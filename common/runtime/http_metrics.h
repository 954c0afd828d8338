/*
 * http_metrics.h - requests counted by route and status, and their latency by route.
 *
 * Routes and statuses register themselves, under a lock, when they first occur. After that counting
 * is a short scan and a few relaxed atomics.
 */
#pragma once

#include "metrics.h"

#include <pthread.h>
#include <stdatomic.h>

enum { HTTP_METRIC_ROUTES_MAX = 64, HTTP_METRIC_STATUSES_MAX = 24 };

struct http_status_metric {
    _Atomic int status; /* 0: free */
    struct metric *requests;
};

struct http_route_metrics {
    const char *_Atomic route; /* NULL: free */
    struct metric *seconds;
    struct http_status_metric statuses[HTTP_METRIC_STATUSES_MAX];
};

struct http_metrics {
    struct metrics *registry; /* NULL: nothing is counted */
    struct metric *connections;
    struct metric *waiting_connections;
    struct metric *refused_connections;
    struct metric *timeouts;
    pthread_mutex_t lock;
    struct http_route_metrics routes[HTTP_METRIC_ROUTES_MAX];
};

void http_metrics_init(struct http_metrics *metrics, struct metrics *registry);
void http_metrics_done(struct http_metrics *metrics);

/* `route` is static; NULL counts as "other". */
void http_metrics_count(struct http_metrics *metrics, const char *route, int status,
                        double seconds);
