#include "http_internal.h"

#include "http_stream.h"
#include "log.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum {
    UNUSED_BLOCK = 1, /* the buffer of a response whose body is never read */
    HEAD_MAX = 32768, /* of an answer that we write ourselves */
    PROBLEM_MAX = 4096,
};

/* Header values go into one block, each terminated, since libmicrohttpd wants C strings. */
static bool keep_headers(struct http_request *request, const struct http_response *response)
{
    size_t size = 0;
    assert(response->header_count <= HTTP_RESPONSE_HEADERS_MAX);
    for (size_t i = 0; i < response->header_count; i++)
        size += response->headers[i].value.length + 1;
    if (size == 0)
        return true;
    char *end = request->header_block = malloc(size);
    if (end == NULL)
        return false;
    for (size_t i = 0; i < response->header_count; i++) {
        struct str value = response->headers[i].value;
        request->answer.headers[i].value.bytes = end;
        end = mempcpy(end, value.bytes, value.length);
        *end++ = '\0';
    }
    return true;
}

static bool keep_body(struct http_request *request, const struct http_response *response)
{
    if (response->free_body || response->body.length == 0)
        return true;
    char *copy = malloc(response->body.length);
    if (copy == NULL) {
        request->answer.body = STR_NONE;
        return false;
    }
    memcpy(copy, response->body.bytes, response->body.length);
    request->answer.body.bytes = copy;
    request->answer.free_body = true;
    return true;
}

static void store(struct http_request *request, const struct http_response *response)
{
    request->answer = *response;
    bool has_body = keep_body(request, response); /* always: the answer owns it from here on */
    if (!keep_headers(request, response) || !has_body)
        request->answer_lost = true;
}

/* Gives the request back to its server thread; it must not be touched afterwards. The server itself
 * stays until `owed` has been decremented. */
static void give_back(struct http_request *request, enum http_request_state state)
{
    struct http_server *server = request->server;
    struct MHD_Connection *mhd = request->mhd;
    enum http_request_state before = atomic_exchange(&request->state, state);
    assert(before == HTTP_REQUEST_HANDLED || before == HTTP_REQUEST_SUSPENDED);
    if (before == HTTP_REQUEST_SUSPENDED)
        MHD_resume_connection(mhd);
    atomic_fetch_sub(&server->owed, 1);
}

void http_respond(struct http_request *request, const struct http_response *response)
{
    store(request, response);
    give_back(request, HTTP_REQUEST_ANSWERED);
}

void http_drop(struct http_request *request)
{
    request->answer.status = 500; /* for the metrics */
    request->answer_lost = true;
    give_back(request, HTTP_REQUEST_ANSWERED);
}

void http_respond_stream(struct http_request *request, const struct http_response *response,
                         const struct http_stream_source *source)
{
    struct http_response head = *response;
    head.body = STR_NONE;
    head.free_body = false;
    store(request, &head);
    request->stream = http_stream_new(source);
    if (request->stream == NULL) {
        request->answer_lost = true;
        source->gone(source->context);
    }
    give_back(request, HTTP_REQUEST_ANSWERED);
}

void http_defer(struct http_request *request)
{
    assert(!request->deferred);
    request->deferred = true;
}

void http_defer_until_woken(struct http_request *request, void (*answer)(void *context),
                            void *context)
{
    http_defer(request);
    request->make_answer = answer;
    request->make_answer_context = context;
}

void http_wake(struct http_request *request)
{
    atomic_fetch_add(&request->server->owed, 1); /* by this thread; the answer is still owed too */
    give_back(request, HTTP_REQUEST_WOKEN);
}

static ssize_t never_read(void *context, uint64_t position, char *buffer, size_t max)
{
    (void)context;
    (void)position;
    (void)buffer;
    (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *make_stream_response(struct http_request *request)
{
    struct http_stream *stream = request->stream;
    if (request->method != HTTP_HEAD) {
        struct MHD_Response *response =
            http_stream_response(stream, request->mhd, request->connection);
        if (response == NULL)
            return NULL;
        request->stream = NULL;
        http_guard_set_stream(&request->server->guard, request->connection, stream);
        return response;
    }
    /* libmicrohttpd 0.9.75 ends even the chunked answer to a HEAD with an empty chunk, which the
     * client would take for the start of its next answer. The flag avoids chunks, and closes. */
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, UNUSED_BLOCK, never_read, NULL, NULL);
    if (response != NULL)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

/* Hands the body over to libmicrohttpd, which sends only its length when there must be no body. */
static struct MHD_Response *make_response(struct http_request *request)
{
    struct http_response *answer = &request->answer;
    if (request->stream != NULL)
        return make_stream_response(request);
    if (answer->body.length == 0)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.length, (void *)(uintptr_t)answer->body.bytes, MHD_RESPMEM_MUST_FREE);
    if (response != NULL)
        answer->free_body = false;
    return response;
}

typedef bool header_fn(void *to, const char *name, const char *value);

static bool add_to_response(void *to, const char *name, const char *value)
{
    return MHD_add_response_header(to, name, value) == MHD_YES;
}

static bool add_to_text(void *to, const char *name, const char *value)
{
    text_format(to, "%s: %s\r\n", name, value);
    return true;
}

static size_t cors_headers(const struct http_request *request, const char *allow,
                           struct http_cors_header ret_headers[static HTTP_CORS_HEADERS_MAX])
{
    return http_cors_headers(
        &request->server->cors,
        &(struct http_cors_answer){request->cors_origin, request->is_preflight, allow},
        ret_headers);
}

static bool closes(const struct http_request *request)
{
    return request->close || atomic_load(&request->server->draining);
}

/* The header values of `answer` are terminated. */
static bool add_headers(const struct http_request *request, const struct http_response *answer,
                        header_fn *add, void *to)
{
    bool has_cache_control = false;
    const char *allow = NULL;
    bool ok = add(to, "X-Request-Id", request->id) && add(to, "X-Content-Type-Options", "nosniff");
    if (answer->content_type != NULL)
        ok = ok && add(to, "Content-Type", answer->content_type);
    for (size_t i = 0; i < answer->header_count; i++) {
        const char *value = answer->headers[i].value.bytes;
        ok = ok && add(to, answer->headers[i].name, value);
        if (strcasecmp(answer->headers[i].name, "Cache-Control") == 0)
            has_cache_control = true;
        if (strcasecmp(answer->headers[i].name, "Allow") == 0)
            allow = value;
    }
    if (!has_cache_control)
        ok = ok && add(to, "Cache-Control", "no-store");
    struct http_cors_header cors[HTTP_CORS_HEADERS_MAX];
    size_t cors_count = cors_headers(request, allow, cors);
    for (size_t i = 0; i < cors_count; i++)
        ok = ok && add(to, cors[i].name, cors[i].value);
    if (closes(request))
        ok = ok && add(to, "Connection", "close");
    return ok;
}

static int64_t write_deadline_us(const struct http_server *server, size_t bytes)
{
    int64_t seconds =
        server->options.write_timeout_s + (int64_t)(bytes / (size_t)HTTP_WRITE_RATE_MIN);
    return clock_monotonic_us() + seconds * MICROSECONDS_PER_SECOND;
}

bool http_connection_expect_reading(struct http_connection *connection, size_t bytes)
{
    return http_connection_set_deadline(connection, write_deadline_us(connection->server, bytes));
}

/* Just closing would not do: libmicrohttpd first shuts down in an orderly way. */
void http_connection_reset(const struct http_connection *connection)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(connection->fd, &nowhere, sizeof(nowhere));
}

static void count(const struct http_request *request, int status)
{
    int64_t duration_us = clock_monotonic_us() - request->started_us;
    http_metrics_count(&request->server->metrics, request->route, status,
                       (double)duration_us / MICROSECONDS_PER_SECOND);
    log_debug("request", "answered", LOG_TEXT("requestId", http_request_id(request)),
              LOG_TEXT("correlationId", request->correlation_id), LOG_STR("route", request->route),
              LOG_INT("status", status), LOG_INT("microseconds", duration_us));
}

enum MHD_Result http_answer_send(struct http_request *request)
{
    struct http_response *answer = &request->answer;
    request->answer_taken = true;
    if (closes(request))
        request->connection->linger = true;
    count(request, answer->status);
    if (request->answer_lost ||
        !http_connection_expect_reading(request->connection, answer->body.length))
        return MHD_NO;
    struct MHD_Response *response = make_response(request);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_NO;
    if (add_headers(request, answer, add_to_response, response))
        result = MHD_queue_response(request->mhd, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* As libmicrohttpd adds it to its answers (RFC 9110, 6.6.1). */
static void add_date(struct text *head)
{
    char date[sizeof("Thu, 01 Jan 1970 00:00:00 GMT")];
    struct tm parts;
    time_t now = time(NULL);
    gmtime_r(&now, &parts);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    (void)add_to_text(head, "Date", date);
}

/* Bypasses libmicrohttpd. Nothing else was sent for this request, so the socket's buffer has room,
 * except for the end of a large body. */
static void write_answer(const struct http_request *request, const struct http_response *answer)
{
    bool has_body = request->method != HTTP_HEAD && answer->status != 304;
    AUTO(text_done) struct text head = TEXT_INIT(HEAD_MAX);
    text_format(&head, "HTTP/1.1 %d %s\r\n", answer->status,
                MHD_get_reason_phrase_for((unsigned)answer->status));
    add_date(&head);
    (void)add_headers(request, answer, add_to_text, &head);
    if (answer->status != 204)
        text_format(&head, "Content-Length: %zu\r\n", answer->body.length);
    text_append(&head, "\r\n", 2);
    struct iovec parts[] = {
        {head.bytes, head.length},
        {(void *)(uintptr_t)answer->body.bytes, has_body ? answer->body.length : 0},
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};
    if (text_ok(&head))
        (void)!sendmsg(request->connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    count(request, answer->status);
}

void http_answer_now(struct http_request *request, const struct problem *problem)
{
    struct http_connection *connection = request->connection;
    request->close = true;
    AUTO(text_done) struct text body = TEXT_INIT(PROBLEM_MAX);
    problem_write(problem, http_request_id(request), &body);
    if (text_ok(&body))
        write_answer(request, &(struct http_response){.status = problem->type->status,
                                                      .content_type = "application/problem+json",
                                                      .body = text_str(&body)});
    shutdown(connection->fd, SHUT_WR);
    connection->linger = true;
}

void http_answer_half_closed(struct http_request *request)
{
    request->close = true;
    if (!request->answer_taken && !request->answer_lost && request->stream == NULL)
        write_answer(request, &request->answer);
}
