/*
 * http_head.h - decides whether the head of a request can be trusted, before its body is looked at.
 *
 * Two readers of one connection (a gateway and this server) may disagree on where a request ends.
 * Then one of them can be made to see a request in what the other took for a body: request
 * smuggling. So anything ambiguous is refused and the connection closed (RFC 9112, 6.1, 6.3, 11.2),
 * even where the standard would let a server guess.
 */
#pragma once

#include "http.h"

#include <microhttpd.h>

struct http_head {
    int refused_status;    /* 0: fine; 400 or 431 */
    const char *complaint; /* static; says what is wrong */
    bool has_length;
    uint64_t length; /* Content-Length */
    bool chunked;
    struct str correlation_id; /* X-Correlation-Id as it came, or none: libmicrohttpd's memory */
};

/* As libmicrohttpd hands them to its handler. */
struct http_head_source {
    struct MHD_Connection *mhd;
    const char *method;
    const char *target;
    size_t target_length; /* before libmicrohttpd cut it at `?` and decoded it */
    const char *version;
    bool check_layout; /* http_head_needs_layout_check() */
};

/* Only within the handler's first call for a request. */
struct http_head http_head_check(const struct http_head_source *source);

/* libmicrohttpd before 1.0 silently accepts folded lines, lone line feeds and NULs. */
bool http_head_needs_layout_check(void);
