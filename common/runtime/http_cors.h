/*
 * http_cors.h - which web pages' scripts may use the service (the Fetch standard's CORS protocol).
 *
 * A browser sends the page's origin with a request. It shows the answer to the page's script only
 * when the answer names that origin. Anything the answer does not name is as hidden as without
 * CORS. The request itself is not refused: other clients can send any Origin they like. Cookies and
 * other credentials are never allowed: nothing here uses them.
 */
#pragma once

#include "status.h"
#include "str.h"

enum {
    HTTP_CORS_ORIGINS_MAX = 64,
    HTTP_CORS_HEADERS_MAX = 5,
};

/* The origins of a configuration, in the form that browsers send. */
struct http_cors {
    char *text;
    const char *origins[HTTP_CORS_ORIGINS_MAX];
    size_t count; /* 0: CORS is off */
};

/* Checks a setting (config.h) like "https://shop.example, http://localhost:3000". Empty is off. */
MUST_CHECK enum status http_cors_check(const char *setting, struct error *error);

/* STATUS_INVALID as in http_cors_check(). The caller owes http_cors_done(). */
MUST_CHECK enum status http_cors_init(const char *setting, struct http_cors *ret_cors,
                                      struct error *error);
void http_cors_done(struct http_cors *cors);

/* The configured origin that equals this one byte by byte; NULL for any other, and for none. */
MUST_CHECK const char *http_cors_find(const struct http_cors *cors, struct str origin);

/* What the answer's CORS headers depend on. */
struct http_cors_answer {
    const char *origin;  /* http_cors_find() */
    bool is_preflight;   /* OPTIONS with Access-Control-Request-Method */
    const char *methods; /* for a preflight: those of the path, as Allow has them, or NULL */
};
struct http_cors_header {
    const char *name;
    const char *value;
};
/* The answer's CORS headers. Returns how many; 0 with CORS off. Borrowed. */
size_t http_cors_headers(const struct http_cors *cors, const struct http_cors_answer *answer,
                         struct http_cors_header ret_headers[static HTTP_CORS_HEADERS_MAX]);
