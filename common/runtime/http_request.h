/*
 * http_request.h - the inside of struct http_request: what came, and the answer on its way out.
 *
 * A request lives on the server thread of its connection, from its first line until libmicrohttpd
 * says that it is completed. In between one other thread may have it: from http_defer() until
 * http_respond(), or from http_defer_until_woken() until http_wake(). `state` hands it over and
 * back.
 */
#pragma once

#include "http_guard.h"
#include "http_uri.h"
#include "uuid.h"

#include <microhttpd.h>

enum http_request_state {
    HTTP_REQUEST_ARRIVING,
    HTTP_REQUEST_HANDLED,   /* with the handler, or with another thread but not suspended yet */
    HTTP_REQUEST_SUSPENDED, /* with another thread, which resumes the connection when it is done */
    HTTP_REQUEST_WOKEN,     /* the server thread is to make the answer */
    HTTP_REQUEST_ANSWERED,  /* the answer is stored: the server thread is to send it */
};

struct http_joined_header; /* several fields of one name, put together */

struct http_request {
    struct http_server *server;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    _Atomic enum http_request_state state;
    bool deferred;
    bool head_seen;
    bool close;        /* the connection, after the answer */
    bool is_preflight; /* it asks what its `cors_origin` may do here */
    enum http_method method;
    bool answer_lost;        /* memory was out: close instead */
    bool answer_taken;       /* by libmicrohttpd */
    const char *cors_origin; /* the configured one that it comes from, or NULL */
    const char *route;
    int64_t started_us; /* monotonic */
    char id[UUID_TEXT_LENGTH + 1];
    struct str correlation_id; /* as it came, or none: libmicrohttpd's memory */

    enum http_uri_result uri_result;
    struct http_uri uri;
    struct http_joined_header *joined;
    char *body;
    size_t body_length;
    size_t body_capacity;

    void (*make_answer)(void *context); /* once it is woken */
    void *make_answer_context;
    struct http_response answer; /* its texts are the request's own */
    char *header_block;          /* the answer's header values, each terminated */
    struct http_stream *stream;
    void (*sent)(void *context); /* see http_request_on_sent() */
    void *sent_context;

    size_t target_length; /* as it came */
    char target[];        /* decoded in place; empty when it was too long */
};

MUST_CHECK struct http_request *http_request_new(const char *target, size_t length);
void http_request_free(struct http_request *request);

/* False when memory is out. The caller has checked the limit. */
MUST_CHECK bool http_request_append_body(struct http_request *request, const char *bytes,
                                         size_t length);
/* Whether the body may be read as JSON, by its Content-Type and Content-Encoding. */
MUST_CHECK bool http_request_body_is_json(struct http_request *request);
