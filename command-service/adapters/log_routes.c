#include "log_routes.h"

#include "cart_partition.h"
#include "command_answer.h"
#include "event_types.h"
#include "http_accept.h"
#include "json_out.h"
#include "log.h"
#include "log_query.h"
#include "log_question.h"
#include "problem.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTITIONS_TEXT_MAX = 256 * 1024, PAGE_TEXT_MAX = 64 << 20 };

/* A question in progress: the reader's task, and what answering needs. */
struct log_call {
    struct log_task task; /* first: the reader hands this back */
    const struct log_routes *routes;
    struct http_request *http; /* NULL once the answer is a stream */
    struct http_stream *stream;
    struct log_filter filter;
    struct scan_place place;
    int64_t remaining; /* events that may still be given; INT64_MAX: no limit */
    size_t unsent;     /* bytes that the client has not taken yet */
    struct text text;
    struct json_out out;
};

/* False: too many bytes already wait for clients, which may be slow. */
static bool keep_unsent(struct log_call *call, size_t bytes)
{
    call->unsent = bytes;
    size_t before = atomic_fetch_add(call->routes->unsent_bytes, bytes);
    return bytes <= LOG_SMALL_BYTES || before + bytes <= LOG_UNSENT_BYTES_MAX;
}

static void forget_unsent(struct log_call *call)
{
    atomic_fetch_sub(call->routes->unsent_bytes, call->unsent);
    call->unsent = 0;
}

static void log_call_free(struct log_call *call)
{
    forget_unsent(call);
    text_done(&call->text);
    free(call);
}

/* The client has taken the answer, or has left. */
static void client_done(void *context)
{
    log_call_free(context);
}

static void answer_unavailable(struct http_request *http, const struct problem_type *type)
{
    http_respond_problem(http, &(struct problem){.type = type, .retry_after_s = 1});
}

static void answer_failure(struct log_call *call, enum status status, const char *why)
{
    if (status == STATUS_UNAVAILABLE) {
        answer_unavailable(call->http, &EVENT_STORE_UNAVAILABLE);
    } else {
        log_error("log-reader", "the log could not be read",
                  LOG_TEXT("requestId", http_request_id(call->http)), LOG_STR("error", why));
        http_refuse(call->http, &PROBLEM_INTERNAL, "the log could not be read");
    }
    log_call_free(call);
}

static void refuse_answer(struct log_task *task, enum status status, const char *why)
{
    answer_failure((struct log_call *)task, status, why);
}

static void answer_json(struct log_call *call)
{
    if (!keep_unsent(call, call->text.length)) {
        answer_unavailable(call->http, &PROBLEM_OVERLOADED);
        log_call_free(call);
        return;
    }
    http_request_on_sent(call->http, client_done, call);
    http_respond_text(call->http, 200, "application/json", &call->text);
}

/* ---- pages ---- */

static void add_to_page(const struct recorded_event *event, void *context)
{
    struct log_call *call = context;
    recorded_event_write(event, &call->out);
    call->remaining--;
}

static void run_page(struct log_task *task, struct postgres *postgres)
{
    struct log_call *call = (struct log_call *)task;
    int64_t deadline_us = clock_deadline_us(LOG_PAGE_WAIT_MS);
    int64_t look_until_us = clock_deadline_us(LOG_PAGE_LOOK_MS);
    json_out_object(&call->out);
    json_out_key(&call->out, "events");
    json_out_array(&call->out);
    bool more = true;
    while (more && call->remaining > 0 && call->text.length < LOG_PAGE_BYTES &&
           (call->place.stride == 0 || clock_monotonic_us() < look_until_us)) {
        struct error error;
        enum status status =
            log_query_chunk(postgres, &call->filter, (int)call->remaining, deadline_us,
                            &call->place, add_to_page, call, &more, &error);
        if (status != STATUS_OK) {
            answer_failure(call, status, error.message);
            return;
        }
    }
    json_out_end_array(&call->out);
    json_out_key(&call->out, "next");
    if (more) {
        char cursor[LOG_CURSOR_LENGTH + 1];
        log_cursor_write(&call->filter, &call->place, cursor);
        json_out_string(&call->out, str_from(cursor));
    } else {
        json_out_null(&call->out);
    }
    json_out_end_object(&call->out);
    answer_json(call);
}

/* ---- streams ---- */

static void add_line(const struct recorded_event *event, void *context)
{
    struct log_call *call = context;
    struct json_out out = json_out_to(&call->text);
    recorded_event_write(event, &out);
    text_append_char(&call->text, '\n');
    call->remaining--;
}

static void run_stream(struct log_task *task, struct postgres *postgres)
{
    struct log_call *call = (struct log_call *)task;
    int rows = call->remaining < LOG_CHUNK_ROWS ? (int)call->remaining : LOG_CHUNK_ROWS;
    int64_t deadline_us = clock_deadline_us(LOG_CHUNK_WAIT_MS);
    bool more;
    struct error error = {.message = "the chunk does not fit"};
    enum status status = log_query_chunk(postgres, &call->filter, rows, deadline_us, &call->place,
                                         add_line, call, &more, &error);
    if (status == STATUS_OK && !keep_unsent(call, call->text.length))
        status = error_set(&error, STATUS_UNAVAILABLE, "too much waits for clients to take it");
    if (status != STATUS_OK || !text_ok(&call->text)) {
        log_warning("log-reader", "stream broken off", LOG_STR("error", error.message));
        http_stream_abort(call->stream);
        return;
    }
    size_t length = 0;
    char *bytes = call->text.length > 0 ? text_steal(&call->text, &length) : NULL;
    http_stream_write(call->stream, bytes, length, !more || call->remaining == 0);
}

static void refuse_stream(struct log_task *task, enum status status, const char *why)
{
    (void)status;
    log_warning("log-reader", "stream broken off", LOG_STR("error", why));
    http_stream_abort(((struct log_call *)task)->stream);
}

static void stream_more(struct http_stream *stream, void *context)
{
    struct log_call *call = context;
    call->stream = stream;
    forget_unsent(call);
    if (!log_reader_submit(call->routes->reader, &call->task))
        http_stream_abort(stream);
}

static void begin_stream(struct log_call *call)
{
    struct http_request *http = call->http;
    call->http = NULL;
    call->task.run = run_stream;
    call->task.refuse = refuse_stream;
    http_respond_stream(
        http, &(struct http_response){.status = 200, .content_type = "application/x-ndjson"},
        &(struct http_stream_source){.more = stream_more, .gone = client_done, .context = call});
}

/* ---- partitions ---- */

static void run_partitions(struct log_task *task, struct postgres *postgres)
{
    struct log_call *call = (struct log_call *)task;
    int64_t deadline_us = clock_deadline_us(LOG_PAGE_WAIT_MS);
    struct error error;
    enum status status = log_query_partitions(postgres, deadline_us, call->routes->partition_count,
                                              call->routes->published_position,
                                              call->routes->context, &call->text, &error);
    if (status != STATUS_OK)
        answer_failure(call, status, error.message);
    else
        answer_json(call);
}

/* ---- requests ---- */

static void submit(struct log_call *call)
{
    struct http_request *http = call->http;
    http_defer(http);
    if (!log_reader_submit(call->routes->reader, &call->task)) {
        answer_unavailable(http, &PROBLEM_OVERLOADED);
        log_call_free(call);
    }
}

static struct log_call *call_new(const struct log_routes *routes, struct http_request *http,
                                 void (*run)(struct log_task *, struct postgres *), size_t text_max)
{
    struct log_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        http_refuse_no_memory(http);
        return NULL;
    }
    call->task = (struct log_task){.run = run, .refuse = refuse_answer};
    call->routes = routes;
    call->http = http;
    call->text = TEXT_INIT(text_max);
    call->out = json_out_to(&call->text);
    return call;
}

static void answer_events(const struct log_routes *routes, struct http_request *http)
{
    struct log_question question;
    char problem[LOG_PROBLEM_MAX];
    if (!log_question_read(http, routes->partition_count, &question, problem)) {
        http_refuse(http, &PROBLEM_MALFORMED_REQUEST, "%s", problem);
        return;
    }
    struct str accept = http_request_header(http, "Accept");
    bool as_stream = http_prefers(accept, "application/x-ndjson", "application/json");
    if (!as_stream && http_accepts(accept, "application/json") == HTTP_NOT_ACCEPTED) {
        http_refuse(http, &PROBLEM_NOT_ACCEPTABLE,
                    "application/json or application/x-ndjson can be had");
        return;
    }
    struct log_call *call = call_new(routes, http, run_page, PAGE_TEXT_MAX);
    if (call == NULL)
        return;
    call->filter = question.filter;
    call->place = question.place;
    call->remaining = question.limit > 0 ? question.limit
                      : as_stream        ? INT64_MAX
                                         : LOG_LIMIT_DEFAULT;
    if (as_stream)
        begin_stream(call);
    else
        submit(call);
}

static void answer_partitions(const struct log_routes *routes, struct http_request *http)
{
    if (http_request_parameter_count(http) > 0) {
        http_refuse(http, &PROBLEM_MALFORMED_REQUEST, "no parameter is known here");
        return;
    }
    if (http_accepts(http_request_header(http, "Accept"), "application/json") ==
        HTTP_NOT_ACCEPTED) {
        http_refuse(http, &PROBLEM_NOT_ACCEPTABLE, "application/json can be had");
        return;
    }
    struct log_call *call = call_new(routes, http, run_partitions, PARTITIONS_TEXT_MAX);
    if (call != NULL)
        submit(call);
}

bool log_routes_handle(const struct log_routes *routes, struct http_request *request)
{
    size_t count = http_request_segment_count(request);
    if (count < 2 || !str_equal_literal(http_request_segment(request, 0), "v1") ||
        !str_equal_literal(http_request_segment(request, 1), "events"))
        return false;
    bool is_partitions =
        count == 3 && str_equal_literal(http_request_segment(request, 2), "partitions");
    if (count > 2 && !is_partitions)
        return false;

    http_request_set_route(request, is_partitions ? "/v1/events/partitions" : "/v1/events");
    enum http_method method = http_request_method(request);
    if (method != HTTP_GET && method != HTTP_HEAD)
        http_respond_methods(request, "GET, HEAD, OPTIONS", STR_NONE);
    else if (is_partitions)
        answer_partitions(routes, request);
    else
        answer_events(routes, request);
    return true;
}
