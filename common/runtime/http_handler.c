#include "http_internal.h"

#include "http_head.h"

#include <assert.h>
#include <stdlib.h>

static const struct problem_type URI_TOO_LONG = {414, "uri-too-long", "URI too long"};
static const struct problem_type HEADER_TOO_LARGE = {431, "header-too-large", "Header too large"};
static const struct problem_type UNSUPPORTED_MEDIA_TYPE = {415, "unsupported-media-type",
                                                           "Unsupported media type"};

static int64_t seconds_us(int seconds)
{
    return (int64_t)seconds * MICROSECONDS_PER_SECOND;
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

void http_connection_await_request(struct http_connection *connection)
{
    int64_t now_us = clock_monotonic_us();
    connection->request_from_us = now_us;
    int64_t deadline_us = now_us + seconds_us(connection->server->options.head_timeout_s);
    (void)!http_connection_set_deadline(connection, deadline_us);
}

static void open_connection(struct http_server *server, struct MHD_Connection *mhd,
                            void **socket_context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = http_door_take(&server->door, info->connect_fd);
    connection->thread = pthread_self();
    http_guard_add(&server->guard, connection);
    *socket_context = connection;
}

static void close_connection(struct http_server *server, void **socket_context)
{
    struct http_connection *connection = *socket_context;
    *socket_context = NULL;
    http_guard_remove(&server->guard, connection);
    http_door_release(&server->door, connection);
}

void http_on_connection(void *server, struct MHD_Connection *mhd, void **socket_context,
                        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        open_connection(server, mhd, socket_context);
    else
        close_connection(server, socket_context);
}

/* splitmix64's finisher. The ids only need to be unique and not guessable at a glance. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static void make_id(struct http_server *server, struct http_request *request)
{
    uint64_t number = atomic_fetch_add_explicit(&server->id_count, 1, memory_order_relaxed);
    uint64_t mixed = mix(server->id_key + number * 0x9e3779b97f4a7c15ULL);
    uint8_t random[sizeof(mixed)];
    memcpy(random, &mixed, sizeof(mixed));
    struct uuid id = uuid_v7(clock_wall_us(), random);
    uuid_format(&id, request->id);
}

/* The request line is complete. From here on libmicrohttpd will call http_on_completed() in the
 * end, even if the head never becomes complete. */
void *http_on_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct http_server *server = context;
    struct http_connection *connection = connection_of(mhd);
    if (target == NULL)
        return NULL;
    struct http_request *request = http_request_new(target, strlen(target));
    if (request == NULL)
        return NULL;
    request->server = server;
    request->connection = connection;
    connection->request = request;
    request->mhd = mhd;
    request->started_us = clock_monotonic_us();
    if (!connection->fresh)
        connection->request_from_us = request->started_us;
    make_id(server, request);
    return request;
}

static enum http_method parse_method(const char *name)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum http_method)i;
    return HTTP_METHOD_OTHER;
}

static void begin_handling(struct http_request *request)
{
    atomic_fetch_add(&request->server->owed, 1);
    atomic_store(&request->state, HTTP_REQUEST_HANDLED);
}

/* Whether there is an answer. The one for which the request was woken is made now. */
static bool obtain_answer(struct http_request *request)
{
    if (atomic_load(&request->state) == HTTP_REQUEST_WOKEN) {
        atomic_store(&request->state, HTTP_REQUEST_HANDLED);
        request->make_answer(request->make_answer_context);
    }
    return atomic_load(&request->state) == HTTP_REQUEST_ANSWERED;
}

static enum MHD_Result refuse(struct http_request *request, const struct problem *problem)
{
    begin_handling(request);
    http_respond_problem(request, problem);
    return http_answer_send(request);
}

/* Refused before the request's end has come, so it is unknown where the next one would begin. */
static enum MHD_Result refuse_and_close(struct http_request *request,
                                        const struct problem_type *type, const char *detail)
{
    request->close = true;
    return refuse(request, &(struct problem){.type = type, .detail = str_from(detail)});
}

static void take_origin(struct http_request *request)
{
    if (request->server->cors.count == 0)
        return;
    request->cors_origin =
        http_cors_find(&request->server->cors, http_request_header(request, "Origin"));
    request->is_preflight =
        request->method == HTTP_OPTIONS &&
        !str_is_none(http_request_header(request, "Access-Control-Request-Method"));
}

static enum MHD_Result take_head(struct http_request *request, const char *method,
                                 const char *target, const char *version)
{
    struct http_server *server = request->server;
    struct http_connection *connection = request->connection;
    request->head_seen = true;
    request->method = parse_method(method);
    atomic_fetch_add(&server->pending, 1);
    take_origin(request);

    struct http_head head = http_head_check(&(struct http_head_source){
        request->mhd, method, target, request->target_length, version, server->lenient_library});
    request->correlation_id = head.correlation_id;
    int64_t deadline_us =
        connection->request_from_us + seconds_us(server->options.request_timeout_s);
    if (!http_connection_set_deadline(connection, deadline_us))
        return MHD_NO;
    if (head.refused_status == 431)
        return refuse_and_close(request, &HEADER_TOO_LARGE, head.complaint);
    if (head.refused_status != 0)
        return refuse_and_close(request, &PROBLEM_MALFORMED_REQUEST, head.complaint);
    if (request->uri_result == HTTP_URI_MALFORMED ||
        (request->uri_result == HTTP_URI_SERVER && request->method != HTTP_OPTIONS))
        return refuse_and_close(request, &PROBLEM_MALFORMED_REQUEST,
                                "the request target is malformed");
    if (request->target_length > HTTP_URI_MAX)
        return refuse_and_close(request, &URI_TOO_LONG, "the request target may have 8192 bytes");
    if (head.has_length && head.length > server->options.body_max)
        return refuse_and_close(request, &PROBLEM_BODY_TOO_LARGE,
                                "Content-Length is above the limit of this service");
    /* The lenient library also accepts a lone LF as the end of a chunk's line. Nothing that follows
     * such a body may be read as a request. */
    request->close = head.chunked && server->lenient_library;
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_request *request, const char *bytes, size_t *size)
{
    size_t length = *size;
    if (length > request->server->options.body_max - request->body_length) {
        if (http_connection_set_deadline(request->connection, HTTP_NO_DEADLINE))
            http_answer_now(request,
                            &(struct problem){.type = &PROBLEM_BODY_TOO_LARGE,
                                              .detail = STR_LITERAL("the body is above the limit "
                                                                    "of this service")});
        return MHD_NO;
    }
    if (!http_request_append_body(request, bytes, length))
        return MHD_NO;
    *size = 0;
    return MHD_YES;
}

static bool needs_json(const struct http_request *request)
{
    return request->body_length > 0 &&
           (request->method == HTTP_POST || request->method == HTTP_PUT ||
            request->method == HTTP_PATCH);
}

/* Sends the answer if it is there already. Otherwise the connection sleeps until another thread has
 * it; that thread may be done with the request as soon as it sleeps. */
static enum MHD_Result send_or_sleep(struct http_request *request)
{
    struct MHD_Connection *mhd = request->mhd;
    if (obtain_answer(request))
        return http_answer_send(request);
    assert(request->deferred && "a handler answers or defers");
    MHD_suspend_connection(mhd);
    enum http_request_state expected = HTTP_REQUEST_HANDLED;
    if (!atomic_compare_exchange_strong(&request->state, &expected, HTTP_REQUEST_SUSPENDED))
        MHD_resume_connection(mhd);
    return MHD_YES;
}

/* RFC 9110, 9.3.7: OPTIONS * is a ping. */
static enum MHD_Result answer_ping(struct http_request *request)
{
    begin_handling(request);
    http_respond(request, &(struct http_response){.status = 204});
    return http_answer_send(request);
}

static enum MHD_Result handle(struct http_request *request)
{
    struct http_server *server = request->server;
    if (!http_connection_set_deadline(request->connection, HTTP_NO_DEADLINE))
        return MHD_NO;
    if (request->uri_result == HTTP_URI_SERVER)
        return answer_ping(request);
    if (request->uri_result == HTTP_URI_UNKNOWN)
        return refuse(request, &(struct problem){.type = &PROBLEM_NO_SUCH_RESOURCE});
    if (needs_json(request) && !http_request_body_is_json(request))
        return refuse(request, &(struct problem){.type = &UNSUPPORTED_MEDIA_TYPE,
                                                 .detail = STR_LITERAL("a body must be "
                                                                       "application/json")});
    begin_handling(request);
    /* This comes after the request is counted as owed: http_server_stop() waits for requests that
     * did not see it stopping. */
    if (atomic_load(&server->stopping))
        http_refuse(request, &PROBLEM_OVERLOADED,
                    "the service is stopping and has done nothing; try again");
    else
        server->options.handle(request, server->options.context);
    return send_or_sleep(request);
}

enum MHD_Result http_on_request(void *server, struct MHD_Connection *mhd, const char *target,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **context)
{
    (void)server;
    (void)mhd;
    struct http_request *request = *context;
    if (request == NULL)
        return MHD_NO;
    if (!request->head_seen)
        return take_head(request, method, target, version);
    if (*upload_size > 0)
        return take_body(request, upload, upload_size);
    if (obtain_answer(request))
        return http_answer_send(request);
    return handle(request);
}

void http_on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                       enum MHD_RequestTerminationCode code)
{
    (void)mhd;
    struct http_server *server = context;
    struct http_request *request = *request_context;
    *request_context = NULL;
    if (request == NULL)
        return;
    struct http_connection *connection = request->connection;
    bool answered = obtain_answer(request);
    assert(answered || atomic_load(&request->state) == HTTP_REQUEST_ARRIVING);
    if (!answered)
        connection->linger = true;
    else if (code == MHD_REQUEST_TERMINATED_WITH_ERROR)
        http_answer_half_closed(request);
    if (request->head_seen)
        atomic_fetch_sub(&server->pending, 1);
    http_request_free(request);
    connection->request = NULL;
    connection->fresh = false;
    http_connection_await_request(connection);
}
