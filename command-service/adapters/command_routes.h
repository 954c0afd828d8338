/*
 * command_routes.h - the URL space of commands (docs/api.md): turns an HTTP request into a command
 * for a lane, and the outcome into an answer.
 */
#pragma once

#include "cart.h"
#include "command_lanes.h"
#include "http.h"

struct command_routes {
    struct command_lanes *lanes; /* borrowed */
    int partition_count;
    struct cart_limits limits;
};

/* Answers every request for a path under /v1/carts, now or later. False: the path is not one of
 * these. */
MUST_CHECK bool command_routes_handle(const struct command_routes *routes,
                                      struct http_request *request);
