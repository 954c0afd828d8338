/*
 * cart_history_resource.h - GET and HEAD of /v1/carts/{id}/history: a cart's events, oldest first,
 * page by page, each with what it changed, who caused it, and where to see the cart as it was then.
 *
 *     {"events":[{"version","eventId","type","occurredAt","correlationId","causationId","actor",
 *                 "changes":[{"path","before","after"}],"href"}],"next"}
 *
 * correlationId, causationId and actor are null when unknown. changes are those of cart_changes.h.
 * href is the cart's state after this event, by version.
 *
 * A page is the fold of all events up to its end, read piece by piece. It starts from the newest
 * fold that past_folds.h keeps, so paging through a history reads each event about once. The memory
 * that a page needs does not grow with its place in the history.
 */
#pragma once

#include "http.h"
#include "query_routes.h"

enum {
    HISTORY_LIMIT_DEFAULT = 50,
    HISTORY_LIMIT_MAX = 200,
    HISTORY_BYTES_MAX = 1024 * 1024, /* a page ends with the event that reaches this */
};

void cart_history_resource_get(const struct query_routes *routes, struct http_request *request);
