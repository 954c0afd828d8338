/*
 * cart_list_resource.h - GET and HEAD of /v1/carts: whole carts, newest change first, page by page.
 */
#pragma once

#include "http.h"
#include "query_routes.h"

enum { LIST_LIMIT_DEFAULT = 50 };

void cart_list_resource_get(const struct query_routes *routes, struct http_request *request);
