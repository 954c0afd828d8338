/*
 * query_parameters.h - the parameters of a query: those that the resource knows, each once.
 */
#pragma once

#include "http.h"

struct query_parameter {
    const char *name;
    struct str *ret_value; /* written when it was given; borrowed until the answer */
};

/* False: the request has been refused (400), because a parameter is unknown here or given twice. */
MUST_CHECK bool query_parameters_read(struct http_request *request,
                                      const struct query_parameter *known, size_t count);

/* Refuses the request: the value of `name` is not what it must be ("a UUID"). */
void query_parameter_refuse(struct http_request *request, const char *name, const char *must_be);

/* How many rows a page has: `limit` as it was given, 1 to `most`, or the default. False after the
 * refusal. */
MUST_CHECK bool query_parameter_limit(struct http_request *request, struct str limit,
                                      int default_limit, int most, int *ret_limit);
