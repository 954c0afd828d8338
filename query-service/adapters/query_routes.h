/*
 * query_routes.h - the URL space of queries (docs/api.md), as far as this service has to know it.
 */
#pragma once

#include "http.h"

struct hot_views;
struct past_folds;
struct view_reader;
struct view_waiters;

struct query_routes {
    struct view_reader *reader; /* borrowed */
    struct view_waiters *waiters;
    struct past_folds *folds;
    struct hot_views *hot;
};

/* Handles every path. Refuses the command service's paths with 405 and unknown paths with 404. */
void query_routes_handle(const struct query_routes *routes, struct http_request *request);
