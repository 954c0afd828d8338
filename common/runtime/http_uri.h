/*
 * http_uri.h - a request target (RFC 9112, 3.2) taken apart: path segments and query parameters.
 *
 * Pure. Rules: `+` is a plus in a segment and a space in a query, as forms write it. Each segment
 * is percent-decoded by itself. What does not decode to printable UTF-8 is malformed, so later code
 * need not fear NUL, CR or LF. `.` and `..` are segments like any other: nothing here is a file.
 */
#pragma once

#include "http.h"

enum http_uri_result {
    HTTP_URI_OK,
    HTTP_URI_MALFORMED, /* 400: a bad escape, not UTF-8, a fragment, a space, too many parameters */
    HTTP_URI_UNKNOWN,   /* 404: well formed, but no resource of ours can have this path: an empty
                           segment (`//` or a `/` at the end), too many segments */
    HTTP_URI_SERVER,    /* `*`: the server itself, which only OPTIONS asks about */
};

struct http_uri {
    size_t segment_count;
    struct str segments[HTTP_PATH_SEGMENTS_MAX];
    size_t parameter_count;
    struct http_parameter parameters[HTTP_QUERY_PARAMETERS_MAX];
};

/*
 * Takes the origin form (/path?query) and the absolute form (http://host/path?query), which a
 * server must accept (RFC 9112, 3.2.2). In a query `+` is a space, as browsers and HTTP clients
 * write it (the URL standard, application/x-www-form-urlencoded); in a path it is itself. Decodes
 * in place: `target` is changed, and *ret_uri borrows from it. A parameter without `=` has the
 * empty value; empty pieces of a query (`&&`) are skipped.
 */
MUST_CHECK enum http_uri_result http_uri_parse(char *target, size_t length,
                                               struct http_uri *ret_uri);
