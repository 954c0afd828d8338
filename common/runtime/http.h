/*
 * http.h - requests and answers of an HTTP/1.1 server (http_server.h), as its routes see them.
 *
 * A handler gets a complete request (head checked, body collected within its limit) on one of the
 * server's threads. It either answers at once with http_respond(), or calls http_defer() and lets
 * another thread answer, or calls http_defer_until_woken() and answers when another thread says so.
 * Every request is answered exactly once.
 */
#pragma once

#include "clock.h"
#include "status.h"
#include "text.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER
};

enum {
    HTTP_PATH_SEGMENTS_MAX = 8,
    HTTP_QUERY_PARAMETERS_MAX = 12,
    HTTP_RESPONSE_HEADERS_MAX = 8,
    HTTP_URI_MAX = 8192,      /* bytes; more is 414 */
    HTTP_HEADERS_MAX = 10240, /* bytes of all header fields; more is 431 */
    /* Counted for each field beside its name and value, as HTTP/2 does with 32 (RFC 9113, 6.5.2).
     * A Cookie is counted twice, with as much for each pair in it: libmicrohttpd copies it. */
    HTTP_FIELD_OVERHEAD = 64,
};

struct http_parameter {
    struct str name; /* percent-decoded */
    struct str value;
};

struct http_request; /* opaque: owned by the server, valid until it has been answered */

/* What came. All texts are borrowed until the answer. */
enum http_method http_request_method(const struct http_request *request);
/* Path segments: printable UTF-8, never empty, each percent-decoded by itself (so %2F is part of a
 * segment): /v1/carts/x -> "v1","carts","x". */
size_t http_request_segment_count(const struct http_request *request);
struct str http_request_segment(const struct http_request *request, size_t index);
size_t http_request_parameter_count(const struct http_request *request);
struct http_parameter http_request_parameter(const struct http_request *request, size_t index);
/* A parameter's value as a time (clock.h). Where the sign of an offset must be, a space counts as a
 * `+` that was not escaped, as in `at=2026-11-23T10:00:00+01:00`. */
MUST_CHECK bool http_time_parse(struct str value, int64_t *ret_time_us);
/* The field's value, or none. Several fields of one name (in any case) are joined by ", " (RFC
 * 9110, 5.3). If memory for that is out, the value is one that no field can hold, and the request
 * will get no answer. Only before http_defer(). */
struct str http_request_header(struct http_request *request, const char *name);
struct str http_request_body(const struct http_request *request);
/* For the log: a UUID's text, made for each request and sent back as X-Request-Id; and the client's
 * X-Correlation-Id as it came, or none. */
struct str http_request_id(const struct http_request *request);
struct str http_request_correlation_id(const struct http_request *request);

struct http_header {
    const char *name; /* static */
    struct str value; /* copied; no control characters */
};

struct http_response {
    int status;
    const char *content_type; /* static; NULL for no body */
    struct str body;          /* copied, unless free_body */
    bool free_body;           /* steals body.bytes, which malloc() made: no copy */
    struct http_header headers[HTTP_RESPONSE_HEADERS_MAX];
    size_t header_count;
};

/* Answers; the request is gone afterwards. From any thread, if deferred. For HEAD and 304 give the
 * body too: only its Content-Length is sent. */
void http_respond(struct http_request *request, const struct http_response *response);

/* Instead of http_respond(), when memory for the answer is out: closes the connection. */
void http_drop(struct http_request *request);

/* Promises an answer from another thread; called in the handler, before that thread has it. */
void http_defer(struct http_request *request);

/* Promises an answer for the time when another thread has called http_wake(). `answer` is then
 * called on the request's server thread, exactly once, also when the client has left, and answers;
 * it can no longer ask for header fields. So the thread for which others wait does not pay for the
 * answer. Answering instead of http_wake() is possible too; `answer` is not called then. */
void http_defer_until_woken(struct http_request *request, void (*answer)(void *context),
                            void *context);
/* From any thread, for which the request is gone afterwards: it may be over before this returns. */
void http_wake(struct http_request *request);

/*
 * A long answer in pieces (NDJSON, event streams).
 *
 * `more` is called on a server thread each time the client has taken the last piece. It must not
 * block: it starts fetching. The code that gets the next piece answers with exactly one
 * http_stream_write() or http_stream_abort(), from any thread, also from within `more`. The stream
 * is valid from `more` until that call returns, whether or not the client is still there.
 * Afterwards it must not be touched until the next `more`.
 *
 * `gone` is called exactly once, after the last `more` was answered, when the stream has ended, was
 * aborted, or its client has left. It is called on a server thread, or within the
 * http_stream_write() that finds the client gone. Free `context` there. A source that can wait for
 * long should write something now and then: only so does it learn that a client has left.
 */
struct http_stream;
struct http_stream_source {
    void (*more)(struct http_stream *stream, void *context);
    void (*gone)(void *context);
    void *context;
};
/* Instead of http_respond(); headers and status as given there, body ignored. For HEAD, and when
 * memory is out, `gone` is called without a `more`. */
void http_respond_stream(struct http_request *request, const struct http_response *response,
                         const struct http_stream_source *source);
/* The next piece, *steals* `bytes` (malloc'ed). last: nothing comes after it (bytes may be NULL
 * then). An empty piece that is not the last one only asks to be asked again. */
void http_stream_write(struct http_stream *stream, char *bytes, size_t length, bool last);
/* Aborts the stream: the client sees an incomplete answer, never a complete-looking one. */
void http_stream_abort(struct http_stream *stream);

/* To be called before the answer. `sent` is then called once, on a server thread, when the client
 * has taken all of the answer or has left. */
void http_request_on_sent(struct http_request *request, void (*sent)(void *context), void *context);

/* The label under which a request is counted in metrics ("POST /v1/carts/{id}/items"); static. */
void http_request_set_route(struct http_request *request, const char *route);
