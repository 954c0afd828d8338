/* Given a log that answers something, then the client has events, or a reason. */
#include "log_client_http.h"

#include "cart_partition.h"
#include "text.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID "0198f3a2-7c4d-7e00-8123-456789abcdef"
#define EVENT_OF(partition, padding)                                                               \
    "{\"partition\":" partition ",\"position\":1,\"cartId\":\"" ID                                 \
    "\",\"version\":1,\"eventId\":\"" ID "\",\"type\":\"X\",\"schemaVersion\":1,\"occurredAt\":"   \
    "\"2026-11-23T09:00:00Z\",\"data\":{" padding "},\"metadata\":{}}\n"

enum { PATIENCE_MS = 10000, MANY = 200 };

/* Answers one connection with one answer and closes it. */
static struct {
    int listener;
    char url[64];
    const char *status_line;
    struct str body;
    char request[1024];
} server;

static void set_up(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(server.listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(server.listener, 1), 0);
    cr_assert_eq(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d//", ntohs(address.sin_port));
}

static void tear_down(void)
{
    close(server.listener);
}

TestSuite(log_client_http, .init = set_up, .fini = tear_down);

static void *serve(void *nothing)
{
    (void)nothing;
    int fd = accept(server.listener, NULL, NULL);
    ssize_t got = read(fd, server.request, sizeof(server.request) - 1); /* curl sends it at once */
    server.request[got > 0 ? got : 0] = '\0';
    char head[256];
    int length = snprintf(head, sizeof(head),
                          "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                          server.status_line, server.body.length);
    ssize_t sent = send(fd, head, (size_t)length, MSG_NOSIGNAL);
    for (size_t at = 0; sent > 0 && at < server.body.length; at += (size_t)sent)
        sent = send(fd, server.body.bytes + at, server.body.length - at, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static struct error error; /* of the last reply */

static enum status reply_to(const struct log_client *log, const struct log_request *request,
                            struct log_reply *ret_reply)
{
    log->ask(log->self, request);
    for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms++) {
        enum status status = log->reply(log->self, ret_reply, &error);
        if (status != STATUS_CONFLICT)
            return status;
        usleep(1000);
    }
    cr_assert_fail("no answer: %s", error.message);
    return STATUS_CONFLICT;
}

/* The reply lives as long as the client, which the caller frees. */
static enum status asked(const struct log_request *request, const char *status_line,
                         struct str body, struct log_client_http **ret_client,
                         struct log_reply *ret_reply)
{
    pthread_t thread;
    server.status_line = status_line;
    server.body = body;
    cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    cr_assert_eq(log_client_http_new(server.url, ret_client, NULL), STATUS_OK);
    enum status status = reply_to(log_client_http_port(*ret_client), request, ret_reply);
    if (status != STATUS_OK) {
        log_client_http_free(*ret_client);
        *ret_client = NULL;
    }
    pthread_join(thread, NULL);
    return status;
}

static enum status answered(const struct log_request *request, const char *body, size_t *ret_events)
{
    struct log_client_http *client;
    struct log_reply reply = {0};
    enum status status = asked(request, "200 OK", str_from(body), &client, &reply);
    *ret_events = reply.event_count;
    log_client_http_free(client);
    return status;
}

static const struct log_request state = {.kind = LOG_READ_STATE};
static const struct log_request events = {
    .kind = LOG_READ_EVENTS, .partition = 3, .after = 7, .limit = 2};

Test(log_client_http, given_where_the_partitions_stand_then_they_are_known)
{
    struct log_client_http *client;
    struct log_reply reply;
    cr_assert_eq(asked(&state, "200 OK",
                       STR_LITERAL("{\"logId\":\"" ID
                                   "\",\"partitions\":[{\"partition\":1,\"lastPosition\":7},"
                                   "{\"partition\":0,\"lastPosition\":0}]}"),
                       &client, &reply),
                 STATUS_OK);
    cr_assert_eq(strncmp(server.request, "GET /v1/events/partitions HTTP/1.1\r\n", 36), 0, "%s",
                 server.request);
    cr_assert_eq(reply.partition_count, 2);
    cr_assert_eq(reply.last_positions[0], 0);
    cr_assert_eq(reply.last_positions[1], 7);
    log_client_http_free(client);
}

Test(log_client_http, given_a_state_that_makes_no_sense_then_invalid)
{
#define STATE(partitions) "{\"logId\":\"" ID "\",\"partitions\":" partitions "}"
#define AT_0 "{\"partition\":0,\"lastPosition\":1}"
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"logId\":7,\"partitions\":[" AT_0 "]}",
        "{\"logId\":\"x\",\"partitions\":[" AT_0 "]}",
        "{\"logId\":\"" ID "\"}",
        STATE("[]"),
        STATE("[7]"),
        STATE("[" AT_0 "," AT_0 "]"),
        STATE("[{\"partition\":0.0,\"lastPosition\":1}]"),
        STATE("[{\"partition\":-1,\"lastPosition\":1}]"),
        STATE("[{\"partition\":1,\"lastPosition\":1}]"),
        STATE("[{\"partition\":0,\"lastPosition\":-1}]"),
        STATE("[{\"partition\":0,\"lastPosition\":null}]"),
    };
    size_t none;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_expect_eq(answered(&state, wrong[i], &none), STATUS_INVALID, "%s", wrong[i]);
}

Test(log_client_http, given_events_then_as_many_as_were_asked_for)
{
    size_t count;
    cr_assert_eq(answered(&events, "", &count), STATUS_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(
        strncmp(server.request, "GET /v1/events?partition=3&after=7&limit=2 HTTP/1.1\r\n", 53), 0);
    cr_assert_eq(answered(&events, EVENT_OF("3", "") EVENT_OF("3", "") "more", &count), STATUS_OK);
    cr_assert_eq(count, 2);
}

Test(log_client_http, given_events_that_make_no_sense_then_invalid)
{
    static const char *const wrong[] = {"{}\n", "\n", EVENT_OF("3", "") "{",
                                        EVENT_OF("3", "") EVENT_OF("4", "")};
    size_t none;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_expect_eq(answered(&events, wrong[i], &none), STATUS_INVALID, "%s", wrong[i]);
}

/* Events of 100 KB each, more of them than the client takes in one answer. */
static struct text too_much(void)
{
    struct text text = TEXT_INIT(2 * LOG_HTTP_BYTES_MAX);
    for (int i = 0; i < MANY; i++)
        text_format(&text, EVENT_OF("3", "\"x\":\"%*s\""), 100000, "");
    cr_assert(text_ok(&text) && text.length > LOG_HTTP_BYTES_MAX);
    return text;
}

Test(log_client_http, given_more_than_fits_then_the_events_that_did)
{
    struct log_request many = events;
    many.limit = LOG_PAGE_EVENTS;
    struct text text = too_much();
    struct log_client_http *client;
    struct log_reply reply;
    cr_assert_eq(asked(&many, "200 OK", text_str(&text), &client, &reply), STATUS_OK);
    cr_assert_gt(reply.event_count, MANY / 2);
    cr_assert_lt(reply.event_count, MANY);
    log_client_http_free(client);
    struct str one_line = {text.bytes, text.length};
    for (size_t i = 0; i < text.length; i++)
        text.bytes[i] = 'x';
    cr_assert_eq(asked(&many, "200 OK", one_line, &client, &reply), STATUS_UNAVAILABLE,
                 "not one event");
    cr_assert_eq(asked(&state, "200 OK", one_line, &client, &reply), STATUS_UNAVAILABLE);
    one_line.length = LOG_HTTP_BYTES_MAX / 2;
    cr_assert_eq(asked(&state, "200 OK", one_line, &client, &reply), STATUS_INVALID);
    text_done(&text);
}

Test(log_client_http, given_a_refusal_or_nobody_then_unavailable)
{
    struct log_client_http *client;
    struct log_reply reply;
    cr_assert_eq(asked(&state, "503 Service Unavailable", STR_LITERAL("{}"), &client, &reply),
                 STATUS_UNAVAILABLE);
    cr_assert_eq(log_client_http_new(server.url, &client, NULL), STATUS_OK);
    close(server.listener);
    cr_assert_eq(reply_to(log_client_http_port(client), &state, &reply), STATUS_UNAVAILABLE);
    cr_assert_eq(
        log_client_http_port(client)->reply(log_client_http_port(client)->self, &reply, NULL),
        STATUS_UNAVAILABLE, "nothing is under way");
    log_client_http_free(client);
}

Test(log_client_http, given_a_password_in_the_address_then_no_message_has_it)
{
    struct log_client_http *client;
    struct log_reply reply;
    close(server.listener);
    memcpy(server.url, "http://me:s3cret@127.0.0.1:1/", sizeof("http://me:s3cret@127.0.0.1:1/"));
    cr_assert_eq(log_client_http_new(server.url, &client, NULL), STATUS_OK);
    cr_assert_eq(reply_to(log_client_http_port(client), &state, &reply), STATUS_UNAVAILABLE);
    cr_assert_eq(strncmp(error.message, "the log at http://127.0.0.1:1: ", 31), 0, "%s",
                 error.message);
    log_client_http_free(client);
}

static bool is_memory_out;

static char *copy(const char *text)
{
    return is_memory_out ? NULL : strdup(text);
}

Test(log_client_http, given_no_memory_for_an_address_then_nothing_is_asked)
{
    struct log_client_http *client;
    struct log_reply reply;
    cr_assert_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, copy, calloc),
                 CURLE_OK);
    cr_assert_eq(asked(&events, "200 OK", STR_LITERAL(""), &client, &reply), STATUS_OK);
    const struct log_client *log = log_client_http_port(client);
    is_memory_out = true;
    log->ask(log->self, &state);
    is_memory_out = false;
    cr_assert_eq(log->reply(log->self, &reply, &error), STATUS_UNAVAILABLE);
    cr_assert_str_eq(error.message, "the log cannot be asked");
    log_client_http_free(client);
}

Test(log_client_http, given_more_partitions_than_a_log_has_then_invalid)
{
    struct text text = TEXT_INIT(65536);
    text_format(&text, "{\"logId\":\"" ID "\",\"partitions\":[0");
    for (int i = 0; i < PARTITION_COUNT_MAX; i++)
        text_format(&text, ",0");
    text_format(&text, "]}");
    struct log_client_http *client;
    struct log_reply reply;
    cr_assert_eq(asked(&state, "200 OK", text_str(&text), &client, &reply), STATUS_INVALID);
    text_done(&text);
}

Test(log_client_http, given_what_is_no_address_then_invalid)
{
    static char long_url[2048] = "http://";
    memset(long_url + 7, 'x', sizeof(long_url) - 8);
    const char *const wrong[] = {"",        "/",        "localhost:8081", "ftp://localhost",
                                 "http://", "https://", "http:///",       "http:/x",
                                 long_url};
    struct log_client_http *client;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_expect_eq(log_client_http_new(wrong[i], &client, NULL), STATUS_INVALID, "%s", wrong[i]);
    cr_assert_eq(log_client_http_new("https://localhost", &client, NULL), STATUS_OK);
    log_client_http_free(client);
}
