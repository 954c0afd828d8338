/*
 * cart_resource.h - GET and HEAD of /v1/carts/{id}: one cart, as it is now, as soon as it has
 * reached a version, or as it was at a version or a time.
 *
 * The newest version is always the stored view, however it was asked for. An older one is the fold
 * of the cart's first events, read piece by piece.
 */
#pragma once

#include "http.h"
#include "query_routes.h"

enum { WAIT_DEFAULT_S = 2, WAIT_MAX_S = 10 };

void cart_resource_get(const struct query_routes *routes, struct http_request *request);
