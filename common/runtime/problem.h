/*
 * problem.h - errors as RFC 9457 application/problem+json.
 */
#pragma once

#include "http.h"

#define PROBLEM_TYPE_PREFIX "urn:cartledger:problem:"

struct problem_type {
    int status;
    const char *name;  /* "version-mismatch": the stable last part of the type's URN */
    const char *title; /* static */
};

/* Those that more than one file uses. */
extern const struct problem_type PROBLEM_MALFORMED_REQUEST;
extern const struct problem_type PROBLEM_INVALID_HEADER;
extern const struct problem_type PROBLEM_NO_SUCH_RESOURCE;
extern const struct problem_type PROBLEM_NOT_ACCEPTABLE;
extern const struct problem_type PROBLEM_BODY_TOO_LARGE;
extern const struct problem_type PROBLEM_INTERNAL;
extern const struct problem_type PROBLEM_OVERLOADED;

/* One wrong value of a body: a JSON pointer (RFC 6901) and what is wrong there. */
struct problem_error {
    char pointer[64];
    char detail[64];
};

struct problem {
    const struct problem_type *type;
    struct str detail;                  /* or none */
    const char *cart_status;            /* extension cartStatus, or NULL */
    int64_t current_version;            /* extension currentVersion, or 0 */
    int retry_after_s;                  /* header Retry-After, or 0 */
    const char *allow;                  /* header Allow, or NULL */
    const struct problem_error *errors; /* extension errors */
    size_t error_count;
};

/* Appends its JSON. `request_id` is only written for a 500. */
void problem_write(const struct problem *problem, struct str request_id, struct text *text);

/* Answers the request with it; a 500 also carries the request's id as `requestId`. */
void http_respond_problem(struct http_request *request, const struct problem *problem);
/* The usual case. `detail` is formatted (UTF-8, cut at 511 bytes). A 503 gets Retry-After: 1. */
void http_refuse(struct http_request *request, const struct problem_type *type,
                 const char *detail_format, ...) PRINTF_LIKE(3, 4);

/* Memory is out, which may be temporary: 503 `overloaded`. */
void http_refuse_no_memory(struct http_request *request);

/* Answers with the text and empties it. If the text has failed, answers as
 * http_refuse_no_memory(). */
void http_respond_text(struct http_request *request, int status, const char *content_type,
                       struct text *text);

/* Answers a method that the path does not support: OPTIONS with 204, any other with 405 and
 * `detail` (may be none). Both name the supported methods in Allow: "GET, HEAD, OPTIONS". */
void http_respond_methods(struct http_request *request, const char *allow, struct str detail);
