/*
 * view_refusal.h - the answer to a request that got no view.
 */
#pragma once

#include "http.h"
#include "view_request.h"

/* Any outcome but VIEW_FOUND. */
void view_refuse(struct http_request *request, enum view_outcome outcome);
