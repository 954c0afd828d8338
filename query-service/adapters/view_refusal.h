/*
 * view_refusal.h - what a request that got no view is answered.
 */
#pragma once

#include "http.h"
#include "view_request.h"

/* Any outcome but VIEW_FOUND. */
void view_refuse(struct http_request *request, enum view_outcome outcome);
