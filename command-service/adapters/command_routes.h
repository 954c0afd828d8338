/*
 * command_routes.h - the URL space of commands (docs/api.md): from an HTTP request to a command on
 * its way to a lane, and back.
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

/* Answers, now or later, every request for a path under /v1/carts; false when the path is
 * elsewhere. */
MUST_CHECK bool command_routes_handle(const struct command_routes *routes,
                                      struct http_request *request);
