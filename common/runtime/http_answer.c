#include "http_internal.h"

#include "http_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    UNUSED_BLOCK = 1, /* the buffer of a response whose body is never read */
    NOW_MAX = 4096,
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
    bool has_body = keep_body(request, response); /* in any case: the answer owns it from here on */
    if (!keep_headers(request, response) || !has_body)
        request->answer_lost = true;
}

/* Gives the request back to its server thread. Nothing of it may be touched afterwards; the server
 * itself stays until `owed` says that this is over. */
static void give_back(struct http_request *request)
{
    struct http_server *server = request->server;
    struct MHD_Connection *mhd = request->mhd;
    enum http_request_state before = atomic_exchange(&request->state, HTTP_REQUEST_ANSWERED);
    assert(before == HTTP_REQUEST_HANDLED || before == HTTP_REQUEST_SUSPENDED);
    if (before == HTTP_REQUEST_SUSPENDED)
        MHD_resume_connection(mhd);
    atomic_fetch_sub(&server->owed, 1);
}

void http_respond(struct http_request *request, const struct http_response *response)
{
    store(request, response);
    give_back(request);
}

void http_drop(struct http_request *request)
{
    request->answer.status = 500; /* for the metrics */
    request->answer_lost = true;
    give_back(request);
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
    give_back(request);
}

void http_defer(struct http_request *request)
{
    assert(!request->deferred);
    request->deferred = true;
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
    /* libmicrohttpd 0.9.75 ends also a HEAD's chunked answer with an empty chunk, which the client
     * would take for the start of its next answer. The flag avoids chunks, and closes. */
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, UNUSED_BLOCK, never_read, NULL, NULL);
    if (response != NULL)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

/* Hands the body over to libmicrohttpd, which sends only its length where that is due. */
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

static bool add_header(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static size_t cors_headers(const struct http_request *request, const char *allow,
                           struct http_cors_header ret_headers[static HTTP_CORS_HEADERS_MAX])
{
    return http_cors_headers(
        &request->server->cors,
        &(struct http_cors_answer){request->cors_origin, request->is_preflight, allow},
        ret_headers);
}

static bool add_headers(struct MHD_Response *response, struct http_request *request)
{
    struct http_response *answer = &request->answer;
    bool has_cache_control = false;
    const char *allow = NULL;
    bool ok = add_header(response, "X-Request-Id", request->id) &&
              add_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->content_type != NULL)
        ok = ok && add_header(response, "Content-Type", answer->content_type);
    for (size_t i = 0; i < answer->header_count; i++) {
        const char *value = answer->headers[i].value.bytes;
        ok = ok && add_header(response, answer->headers[i].name, value);
        if (strcasecmp(answer->headers[i].name, "Cache-Control") == 0)
            has_cache_control = true;
        if (strcasecmp(answer->headers[i].name, "Allow") == 0)
            allow = value;
    }
    if (!has_cache_control)
        ok = ok && add_header(response, "Cache-Control", "no-store");
    struct http_cors_header cors[HTTP_CORS_HEADERS_MAX];
    size_t cors_count = cors_headers(request, allow, cors);
    for (size_t i = 0; i < cors_count; i++)
        ok = ok && add_header(response, cors[i].name, cors[i].value);
    if (answer->close || request->close || atomic_load(&request->server->draining))
        ok = ok && add_header(response, "Connection", "close");
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

/* Closing would not do: libmicrohttpd says an orderly goodbye first. */
void http_connection_reset(const struct http_connection *connection)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(connection->fd, &nowhere, sizeof(nowhere));
}

enum MHD_Result http_answer_send(struct http_request *request)
{
    struct http_server *server = request->server;
    struct http_response *answer = &request->answer;
    double seconds = (double)(clock_monotonic_us() - request->started_us) / 1e6;
    http_metrics_count(&server->metrics, request->route, answer->status, seconds);
    if (request->answer_lost ||
        !http_connection_expect_reading(request->connection, answer->body.length))
        return MHD_NO;
    struct MHD_Response *response = make_response(request);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_NO;
    if (add_headers(response, request))
        result = MHD_queue_response(request->mhd, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

void http_answer_now(struct http_request *request, const struct problem *problem)
{
    struct http_connection *connection = request->connection;
    AUTO(text_done) struct text body = TEXT_INIT(NOW_MAX);
    AUTO(text_done) struct text answer = TEXT_INIT(NOW_MAX);
    problem_write(problem, http_request_id(request), &body);
    text_format(&answer,
                "HTTP/1.1 %d %s\r\nConnection: close\r\nX-Request-Id: %s\r\n"
                "X-Content-Type-Options: nosniff\r\nContent-Type: application/problem+json\r\n"
                "Cache-Control: no-store\r\n",
                problem->status, problem->title, request->id);
    struct http_cors_header cors[HTTP_CORS_HEADERS_MAX];
    size_t cors_count = cors_headers(request, NULL, cors);
    for (size_t i = 0; i < cors_count; i++)
        text_format(&answer, "%s: %s\r\n", cors[i].name, cors[i].value);
    text_format(&answer, "Content-Length: %zu\r\n\r\n", body.length);
    text_append_str(&answer, text_str(&body));
    /* Nothing else was sent for this request, so the socket's buffer has room for these few bytes.
     */
    if (text_ok(&answer))
        (void)!send(connection->fd, answer.bytes, answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(connection->fd, SHUT_WR);
    connection->linger = true;
    http_metrics_count(&request->server->metrics, request->route, problem->status,
                       (double)(clock_monotonic_us() - request->started_us) / 1e6);
}
