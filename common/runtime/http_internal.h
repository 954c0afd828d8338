/*
 * http_internal.h - the inside of struct http_server, for the files that make it up:
 *
 *     http_server.c    start, quiesce, stop
 *     http_door.c      connections come in, and wait for their first head
 *     http_addresses.c how many each address has
 *     http_handler.c   libmicrohttpd's callbacks: connections and requests come and go
 *     http_lenient.c   what an old libmicrohttpd needs
 *     http_head.c      is the head unambiguous?
 *     http_uri.c       the target, taken apart
 *     http_request.c   what a route can read
 *     http_answer.c    what a route answers, from whatever thread, and how it gets sent
 *     http_stream.c    answers in pieces
 *     http_cors.c      which pages may use it
 *     http_guard.c     deadlines
 *     http_metrics.c   counts
 */
#pragma once

#include "http_cors.h"
#include "http_door.h"
#include "http_guard.h"
#include "http_metrics.h"
#include "http_request.h"
#include "http_server.h"
#include "problem.h"

#include <microhttpd.h>
#include <stdarg.h>

enum {
    /* libmicrohttpd's buffer, all of which it clears after each request. Beside target and fields:
     * the rest of the request line, what separates up to 150 fields, records of 12 parameters (64
     * bytes each), the answer's head, and room to read what comes next. */
    HTTP_CONNECTION_MEMORY = HTTP_URI_MAX + HTTP_HEADERS_MAX + 3072,
    HTTP_STOP_WAIT_MS = 5000, /* for answers that are owed */
    HTTP_STOP_SEND_MS = 500,  /* for clients to take the last answers */
};

struct http_server {
    struct http_server_options options; /* with defaults filled in */
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
    bool lenient_library;
    uint64_t id_key; /* random; with id_count it makes the random part of request ids */
    _Atomic uint64_t id_count;
    atomic_bool draining;   /* every answer closes its connection */
    atomic_bool stopping;   /* nothing may wait any more */
    atomic_uint owed;       /* requests handled and not answered yet, and threads that wake one */
    atomic_uint pending;    /* heads accepted, answers not sent */
    atomic_int connections; /* open ones */
    struct http_cors cors;
    struct http_guard guard;
    struct http_door door;
    struct http_metrics metrics;
};

/* http_server.c: a thread that no signal interrupts; 0, or why there is none. */
MUST_CHECK int http_start_thread(pthread_t *thread, void *(*run)(void *context), void *context);

/* http_handler.c */
void http_on_connection(void *server, struct MHD_Connection *mhd, void **socket_context,
                        enum MHD_ConnectionNotificationCode code);
void *http_on_target(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_on_request(void *server, struct MHD_Connection *mhd, const char *target,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **context);
void http_on_completed(void *server, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);

/* From now on the next request may come. */
void http_connection_await_request(struct http_connection *connection);

/* http_lenient.c: what libmicrohttpd logs. */
void http_on_message(void *server, const char *format, va_list arguments);

/* http_answer.c: sends what was stored, on the server thread. MHD_NO closes the connection. */
enum MHD_Result http_answer_send(struct http_request *request);
/* Refuses a request when libmicrohttpd takes no answer, or would spoil it: writes to the socket and
 * closes its sending side. On the server thread. */
void http_answer_now(struct http_request *request, const struct problem *problem);
/* Writes the answer, unless it is a stream, to the socket of a client that has closed its sending
 * side. libmicrohttpd closes such a connection as soon as it is resumed (0.9.75 to 1.0.1) and no
 * longer takes an answer. On the server thread, before it closes. */
void http_answer_half_closed(struct http_request *request);

/* For http_stream.c. The client now has to take `bytes`; false when the connection was cut. */
MUST_CHECK bool http_connection_expect_reading(struct http_connection *connection, size_t bytes);
/* Makes the coming close a TCP reset. Even a client that takes the end of the connection for the
 * end of the answer (HTTP/1.0) then sees that it is incomplete. */
void http_connection_reset(const struct http_connection *connection);
