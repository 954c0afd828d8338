/*
 * http_test_server - the HTTP server with routes that exercise every way of answering; driven by
 * test_http.py.
 *
 *     http_test_server ADDRESS PORT [NAME=VALUE ...]
 *
 * NAME: threads connections per-address body head request write (time-outs in seconds). Prints
 * `port N` when it listens. SIGTERM quiesces and stops it; SIGUSR1 only quiesces.
 */
#include "http_server.h"
#include "metrics.h"
#include "problem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WAITING_MAX = 4096, LARGE_MAX = 64 * 1024 * 1024, TEXT_MAX = 1024 * 1024 };

/* Something that another thread does later. */
struct later {
    int64_t due_us;
    struct http_request *request; /* answered, or only woken, or else */
    bool wakes;
    struct http_stream *stream; /* given its next piece */
    struct pieces *pieces;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct later waiting[WAITING_MAX];
static size_t waiting_count;
static bool hurrying; /* deferred answers wait for their time no more */
static bool ending;   /* nor do the pieces of streams, and nothing new will come */
static struct metrics *metrics;
static atomic_int streams_open;
static atomic_int answers_due; /* of requests that are to be woken */

struct pieces {
    int left;
    size_t size;
    int delay_ms;
    bool abort;
    bool inline_write;
};

static void sleep_us(int64_t us)
{
    struct timespec pause = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

static void do_later(struct later later)
{
    pthread_mutex_lock(&lock);
    assert(waiting_count < WAITING_MAX);
    waiting[waiting_count++] = later;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int64_t number(struct http_request *request, const char *name, int64_t otherwise)
{
    for (size_t i = 0; i < http_request_parameter_count(request); i++) {
        struct http_parameter parameter = http_request_parameter(request, i);
        char digits[24];
        if (!str_equal_literal(parameter.name, name) || parameter.value.length >= sizeof(digits))
            continue;
        memcpy(digits, parameter.value.bytes, parameter.value.length);
        digits[parameter.value.length] = '\0';
        return strtoll(digits, NULL, 10);
    }
    return otherwise;
}

static void answer_text(struct http_request *request, int status, struct str body)
{
    http_respond(request, &(struct http_response){
                              .status = status, .content_type = "text/plain", .body = body});
}

static void write_piece(struct http_stream *stream, struct pieces *pieces)
{
    if (pieces->left == 0 && pieces->abort) {
        http_stream_abort(stream);
        return;
    }
    if (pieces->left == 0) {
        http_stream_write(stream, NULL, 0, true);
        return;
    }
    pieces->left--;
    size_t size = pieces->size;
    char *bytes = malloc(size);
    assert(bytes != NULL);
    memset(bytes, 'a' + pieces->left % 26, size);
    http_stream_write(stream, bytes, size, false);
}

static void perform(struct later later)
{
    if (later.wakes)
        http_wake(later.request);
    else if (later.request != NULL)
        answer_text(later.request, 200, STR_LITERAL("later\n"));
    else
        write_piece(later.stream, later.pieces);
}

static bool is_due(const struct later *later, int64_t now_us)
{
    return later->due_us <= now_us || ending || (hurrying && later->request != NULL);
}

static void *run_later(void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    while (!ending || waiting_count > 0) {
        int64_t now_us = clock_monotonic_us();
        size_t due = 0;
        while (due < waiting_count && !is_due(&waiting[due], now_us))
            due++;
        if (due < waiting_count) {
            struct later later = waiting[due];
            waiting[due] = waiting[--waiting_count];
            pthread_mutex_unlock(&lock);
            perform(later);
            pthread_mutex_lock(&lock);
            continue;
        }
        if (waiting_count == 0) {
            pthread_cond_wait(&changed, &lock);
        } else {
            pthread_mutex_unlock(&lock);
            sleep_us(1000);
            pthread_mutex_lock(&lock);
        }
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void stream_more(struct http_stream *stream, void *context)
{
    struct pieces *pieces = context;
    if (pieces->inline_write)
        write_piece(stream, pieces);
    else
        do_later((struct later){.due_us = clock_monotonic_us() + pieces->delay_ms * 1000,
                                .stream = stream,
                                .pieces = pieces});
}

static void stream_gone(void *context)
{
    atomic_fetch_sub(&streams_open, 1);
    free(context);
}

static void answer_stream(struct http_request *request)
{
    struct pieces *pieces = malloc(sizeof(*pieces));
    assert(pieces != NULL);
    *pieces = (struct pieces){.left = (int)number(request, "pieces", 3),
                              .size = (size_t)number(request, "size", 1000),
                              .delay_ms = (int)number(request, "delay", 0),
                              .abort = number(request, "abort", 0) != 0,
                              .inline_write = number(request, "inline", 0) != 0};
    atomic_fetch_add(&streams_open, 1);
    struct http_response head = {.status = 200, .content_type = "application/x-ndjson"};
    struct http_stream_source source = {stream_more, stream_gone, pieces};
    http_respond_stream(request, &head, &source);
}

/* What the server made of the request, one fact a line. */
static void answer_echo(struct http_request *request)
{
    struct text text = TEXT_INIT(TEXT_MAX);
    text_format(&text, "method %d\n", (int)http_request_method(request));
    for (size_t i = 0; i < http_request_segment_count(request); i++)
        text_format(&text, "segment " STR_FORMAT "\n", STR_ARGS(http_request_segment(request, i)));
    for (size_t i = 0; i < http_request_parameter_count(request); i++) {
        struct http_parameter parameter = http_request_parameter(request, i);
        text_format(&text, "parameter " STR_FORMAT "=" STR_FORMAT "\n", STR_ARGS(parameter.name),
                    STR_ARGS(parameter.value));
    }
    struct str tried = http_request_header(request, "x-tried");
    if (!str_is_none(tried))
        text_format(&text, "x-tried " STR_FORMAT "\n", STR_ARGS(tried));
    text_format(&text, "body " STR_FORMAT "\n", STR_ARGS(http_request_body(request)));
    char head[1024];
    size_t length = (size_t)number(request, "head", 0);
    assert(length <= sizeof(head));
    memset(head, 'h', length);
    http_respond(request, &(struct http_response){.status = 200,
                                                  .content_type = "text/plain",
                                                  .body = text_str(&text),
                                                  .headers = {{"X-Long", {head, length}}},
                                                  .header_count = length > 0 ? 1 : 0});
    text_done(&text);
}

static void answer_large(struct http_request *request)
{
    size_t size = (size_t)number(request, "size", 1000);
    char *bytes = malloc(size);
    assert(bytes != NULL && size <= LARGE_MAX);
    memset(bytes, 'x', size);
    http_respond(request, &(struct http_response){.status = 200,
                                                  .content_type = "text/plain",
                                                  .body = {bytes, size},
                                                  .free_body = true,
                                                  .headers = {{"ETag", STR_LITERAL("\"1\"")}},
                                                  .header_count = 1});
}

struct woken {
    struct http_request *request; /* a block of its own, so that a sanitizer sees each wrong call */
    int64_t work_us;
};

static void answer_when_woken(void *context)
{
    struct woken *woken = context;
    atomic_fetch_sub(&answers_due, 1);
    sleep_us(woken->work_us);
    answer_text(woken->request, 200, STR_LITERAL("later\n"));
    free(woken);
}

static void answer_later(struct http_request *request, bool wakes)
{
    int64_t delay_us = number(request, "delay", 0) * 1000;
    bool spins = number(request, "spin", 0) != 0;
    if (wakes) {
        struct woken *woken = malloc(sizeof(*woken));
        assert(woken != NULL);
        *woken = (struct woken){request, number(request, "work", 0) * 1000};
        atomic_fetch_add(&answers_due, 1);
        http_defer_until_woken(request, answer_when_woken, woken);
        if (number(request, "early", 0) != 0) { /* nobody takes it: answered at once after all */
            answer_when_woken(woken);
            return;
        }
    } else {
        http_defer(request);
    }
    do_later((struct later){
        .due_us = clock_monotonic_us() + delay_us, .request = request, .wakes = wakes});
    if (spins)
        sleep_us(2000); /* so that the answer comes before this handler returns */
}

static void answer_metrics(struct http_request *request)
{
    struct text text = TEXT_INIT(TEXT_MAX);
    metrics_write(metrics, &text);
    text_format(&text, "streams_open %d\n", atomic_load(&streams_open));
    text_format(&text, "answers_due %d\n", atomic_load(&answers_due));
    answer_text(request, 200, text_str(&text));
    text_done(&text);
}

static void handle(struct http_request *request, void *context)
{
    (void)context;
    struct str name = http_request_segment_count(request) > 0 ? http_request_segment(request, 0)
                                                              : STR_LITERAL("");
    if (str_equal_literal(name, "hello")) {
        http_request_set_route(request, "/hello");
        answer_text(request, 200, STR_LITERAL("hello\n"));
    } else if (str_equal_literal(name, "echo")) {
        http_request_set_route(request, "/echo");
        answer_echo(request);
    } else if (str_equal_literal(name, "later") || str_equal_literal(name, "woken")) {
        http_request_set_route(request, "/later");
        answer_later(request, str_equal_literal(name, "woken"));
    } else if (str_equal_literal(name, "stream")) {
        http_request_set_route(request, "/stream");
        answer_stream(request);
    } else if (str_equal_literal(name, "large")) {
        answer_large(request);
    } else if (str_equal_literal(name, "metrics")) {
        answer_metrics(request);
    } else if (str_equal_literal(name, "not-modified")) {
        http_respond(request, &(struct http_response){.status = 304,
                                                      .content_type = "text/plain",
                                                      .body = STR_LITERAL("hello\n")});
    } else if (str_equal_literal(name, "fail")) {
        http_refuse(request, &PROBLEM_INTERNAL, "it \"failed\"");
    } else if (str_equal_literal(name, "methods")) {
        http_respond_methods(request, "GET, OPTIONS, PUT", STR_LITERAL("try another one"));
    } else {
        http_refuse(request, &PROBLEM_NO_SUCH_RESOURCE, "nothing is here");
    }
}

static void set_option(struct http_server_options *options, const char *argument)
{
    const char *equals = strchr(argument, '=');
    assert(equals != NULL);
    struct str name = {argument, (size_t)(equals - argument)};
    if (str_equal_literal(name, "cors")) {
        options->cors_origins = equals + 1;
        return;
    }
    int value = (int)strtol(equals + 1, NULL, 10);
    if (str_equal_literal(name, "threads"))
        options->threads = (unsigned)value;
    else if (str_equal_literal(name, "connections"))
        options->connections_max = (unsigned)value;
    else if (str_equal_literal(name, "per-address"))
        options->connections_per_address_max = (unsigned)value;
    else if (str_equal_literal(name, "body"))
        options->body_max = (size_t)value;
    else if (str_equal_literal(name, "head"))
        options->head_timeout_s = value;
    else if (str_equal_literal(name, "request"))
        options->request_timeout_s = value;
    else if (str_equal_literal(name, "write"))
        options->write_timeout_s = value;
    else
        assert(false && "an option that is not known");
}

static void raise_flag(bool *flag)
{
    pthread_mutex_lock(&lock);
    *flag = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for_end(struct http_server *server, const sigset_t *signals)
{
    int signal_number = 0;
    while (signal_number != SIGTERM) {
        sigwait(signals, &signal_number);
        http_server_quiesce(server);
    }
    for (int i = 0; i < 1000 && http_server_pending(server) > 0; i++)
        sleep_us(1000);
    raise_flag(&hurrying);
}

int main(int argc, char **argv)
{
    assert(argc >= 3);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    metrics = metrics_new();
    assert(metrics != NULL);
    struct http_server_options options = {.bind_address = argv[1],
                                          .port = (uint16_t)strtol(argv[2], NULL, 10),
                                          .threads = 2,
                                          .connections_max = 2000,
                                          .body_max = 65536,
                                          .head_timeout_s = 10,
                                          .request_timeout_s = 30,
                                          .handle = handle,
                                          .metrics = metrics};
    for (int i = 3; i < argc; i++)
        set_option(&options, argv[i]);

    struct http_server *server;
    struct error error;
    if (http_server_start(&options, &server, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return EXIT_FAILURE;
    }
    printf("port %u\n", http_server_port(server));
    fflush(stdout);
    pthread_t later;
    pthread_create(&later, NULL, run_later, NULL);
    wait_for_end(server, &signals);
    http_server_stop(server);
    raise_flag(&ending);
    pthread_join(later, NULL);
    metrics_free(metrics);
    bool all_done = atomic_load(&streams_open) == 0 && atomic_load(&answers_due) == 0;
    return all_done ? EXIT_SUCCESS : EXIT_FAILURE;
}
