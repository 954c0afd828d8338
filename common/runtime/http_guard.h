/*
 * http_guard.h - what libmicrohttpd does not do for its connections: absolute deadlines, closing
 * without losing the answer, and noticing that the client of a waiting stream has left.
 *
 * One thread looks at all connections four times a second. Each connection has an atomic that says
 * by when its client must have done something. When that time has passed, the guard shuts the
 * socket down. Whether a request was in time is decided exactly once, by the thread that changes
 * the atomic first. So a request that the server has taken is never cut.
 */
#pragma once

#include "http_addresses.h"
#include "http_server.h"
#include "metrics.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    HTTP_GUARD_TICK_MS = 250,
    HTTP_LINGERING_MAX = 256, /* sockets that are drained after an early refusal */
    HTTP_LINGER_MS = 2000,
};

struct http_request;
struct http_stream;

/* One TCP connection, from accept to close. */
struct http_connection {
    struct http_server *server;
    int fd; /* the door's, then libmicrohttpd's; valid while it is in the guard's list */
    union http_address address;
    _Atomic int64_t deadline_us; /* monotonic, or one of the two below */
    int64_t request_from_us;     /* the earliest time at which the current request could come */
    bool fresh;                  /* no request was answered on it yet */
    bool linger;      /* it closes although more may come: drain, or the last answer may be lost */
    pthread_t thread; /* libmicrohttpd's thread that serves it */
    struct http_request *request; /* the current one; only for that thread */
    struct http_stream *stream;   /* its answer is a stream; under the guard's lock */
    struct http_connection *previous, *next;
};

#define HTTP_NO_DEADLINE INT64_MAX
#define HTTP_DEADLINE_PASSED INT64_MIN /* the guard has cut it */

struct http_lingering {
    int fd;
    int64_t until_us;
};

struct http_guard {
    pthread_mutex_t lock;
    struct http_connection *connections;
    struct http_lingering lingering[HTTP_LINGERING_MAX];
    size_t lingering_count;
    int wake_fd;
    atomic_bool stopping;
    pthread_t thread;
    struct metric *timeouts; /* may be NULL */
};

MUST_CHECK enum status http_guard_start(struct http_guard *guard, struct metric *timeouts,
                                        struct error *error);
/* After the last connection was removed. */
void http_guard_stop(struct http_guard *guard);

void http_guard_add(struct http_guard *guard, struct http_connection *connection);
/* Before its socket is closed. */
void http_guard_remove(struct http_guard *guard, struct http_connection *connection);
/* The stream that the connection is sending now, or NULL. */
void http_guard_set_stream(struct http_guard *guard, struct http_connection *connection,
                           struct http_stream *stream);
/* Calls `visit` for each connection that this thread serves. */
void http_guard_visit_mine(struct http_guard *guard,
                           void (*visit)(struct http_connection *connection));
/* Aborts every stream that waits for its next piece. */
void http_guard_break_streams(struct http_guard *guard);

/* False when the old deadline has passed and the connection was cut: do nothing for it any more. */
MUST_CHECK bool http_connection_set_deadline(struct http_connection *connection,
                                             int64_t deadline_us);
