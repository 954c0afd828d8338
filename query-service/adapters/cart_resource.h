/*
 * cart_resource.h - GET and HEAD of /v1/carts/{id}: one cart, as it is now, or as soon as it has
 * reached a version.
 */
#pragma once

#include "http.h"
#include "query_routes.h"

enum { WAIT_DEFAULT_S = 2, WAIT_MAX_S = 10 };

void cart_resource_get(const struct query_routes *routes, struct http_request *request);
