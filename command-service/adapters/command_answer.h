/*
 * command_answer.h - a command's outcome as an HTTP answer (docs/api.md).
 */
#pragma once

#include "command_request.h"
#include "problem.h"

/* 503: the database of the log does not answer. */
extern const struct problem_type EVENT_STORE_UNAVAILABLE;

/* Answers `http` from request->outcome. Sends `correlation_id` back unless it is none. */
void command_answer(struct http_request *http, const struct command_request *request,
                    struct str correlation_id);

/* 503 overloaded: refused early, nothing was done. */
void command_answer_overloaded(struct http_request *http);
