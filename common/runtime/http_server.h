/*
 * http_server.h - an HTTP/1.1 server on libmicrohttpd, hardened, with answers that may come later
 * from another thread (http.h).
 *
 * A connection is served once its first request's head has come (http_door.h).
 *
 * What the server refuses by itself never reaches a handler:
 *
 *     400            ambiguous framing (and the connection closes), or a malformed target
 *     404            a target that cannot be ours
 *     413, 414, 431  too large
 *     415            a body of POST, PUT or PATCH that is not application/json
 *     cut            too slow
 *
 * Bodies of other methods are read and ignored. A client that closes its sending side before a
 * deferred answer gets as much of it as its socket takes at once. One that does so during a stream
 * counts as gone.
 *
 * Every answer carries X-Request-Id, X-Content-Type-Options: nosniff, Date, the CORS headers
 * (http_cors.h), and Cache-Control: no-store unless it has a Cache-Control of its own. A handler
 * answers OPTIONS with the path's methods in Allow (http_respond_methods()); a preflight gets them
 * from there.
 */
#pragma once

#include "http.h"

enum {
    HTTP_WRITE_TIMEOUT_S = 30,
    HTTP_WRITE_RATE_MIN = 16384, /* bytes a second that a client must take of an answer */
};

struct http_server;
struct metrics;

struct http_server_options {
    const char *bind_address; /* a number: "127.0.0.1", "::1", "0.0.0.0", "::" (both families) */
    uint16_t port;            /* 0: any free one, see http_server_port() */
    unsigned threads;
    unsigned connections_max;             /* more are closed at once */
    unsigned connections_per_address_max; /* 0: no limit */
    size_t body_max;                      /* bytes; more is 413 */
    int head_timeout_s;       /* for the whole head, from the earliest time at which it may come */
    int request_timeout_s;    /* head and body; on a used connection from the request line on */
    int write_timeout_s;      /* plus a second for each HTTP_WRITE_RATE_MIN bytes; 0:
                                 HTTP_WRITE_TIMEOUT_S */
    const char *cors_origins; /* see http_cors.h; NULL or empty: CORS is off */
    void (*handle)(struct http_request *request, void *context);
    void *context;
    struct metrics *metrics; /* request counts and latency histograms by route; may be NULL */
};

/* Checks a setting (config.h) that becomes `bind_address`. */
MUST_CHECK enum status http_address_check(const char *setting, struct error *error);

/* STATUS_UNAVAILABLE, with a one-line message: the port cannot be had. STATUS_INVALID: not an
 * address, or not origins. Raises the limit of open files as far as connections_max needs and the
 * system allows. */
MUST_CHECK enum status http_server_start(const struct http_server_options *options,
                                         struct http_server **ret_server, struct error *error);
uint16_t http_server_port(const struct http_server *server);
/* Stops accepting; requests under way are finished and answered with `Connection: close`. */
void http_server_quiesce(struct http_server *server);
/* Requests whose answer is not completely sent; those that are still arriving do not count. */
unsigned http_server_pending(const struct http_server *server);
/* Ends the server: cuts connections and aborts streams. Every deferred request must have been
 * answered. Takes NULL. */
void http_server_stop(struct http_server *server);
