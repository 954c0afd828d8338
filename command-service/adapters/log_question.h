/*
 * log_question.h - the parameters of GET /v1/events: partition, after, limit, cursor, cartId, type,
 * from, to.
 */
#pragma once

#include "http.h"
#include "log_query.h"

enum { LOG_PROBLEM_MAX = 256 };

struct log_question {
    struct log_filter filter;
    struct scan_place place; /* where to begin */
    int limit;               /* 0: not given */
};

/* False with one line in `ret_problem` that says which parameter is wrong and how. */
MUST_CHECK bool log_question_read(const struct http_request *request, int partition_count,
                                  struct log_question *ret_question,
                                  char ret_problem[LOG_PROBLEM_MAX]);
