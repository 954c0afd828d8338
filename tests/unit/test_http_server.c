/* The server with settings that the services do not use, and with open files. */
#include "http_server.h"

#include "health_probe.h"
#include "problem.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 100, PROBE_MS = 300, ANSWER_MAX = 8192 };

static char detail[2048];

static void handle(struct http_request *request, void *context)
{
    (void)context;
    http_refuse(request, &(struct problem_type){400, "test", "Test"}, "%s", detail);
}

static struct http_server *a_server(unsigned connections)
{
    struct http_server *server;
    struct error error = {.message = ""};
    cr_assert_eq(http_server_start(&(struct http_server_options){.bind_address = "127.0.0.1",
                                                                 .connections_max = connections,
                                                                 .body_max = 1024,
                                                                 .head_timeout_s = 5,
                                                                 .request_timeout_s = 5,
                                                                 .handle = handle},
                                   &server, &error),
                 STATUS_OK, "%s", error.message);
    return server;
}

static int to_loopback(uint16_t port, int (*how)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(how(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void ask(const struct http_server *server, char ret_answer[static ANSWER_MAX])
{
    int fd = to_loopback(http_server_port(server), connect);
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    size_t length = 0;
    ssize_t got;
    while ((got = recv(fd, ret_answer + length, ANSWER_MAX - 1 - length, 0)) > 0)
        length += (size_t)got;
    ret_answer[length] = '\0';
    close(fd);
}

Test(http_server, given_no_threads_no_metrics_and_a_long_detail_then_it_answers_with_whole_letters)
{
    for (size_t i = 0; i + 2 < sizeof(detail); i += 2)
        memcpy(detail + i, "\xc3\xa4", 3);
    struct http_server *server = a_server(CONNECTIONS);
    char answer[ANSWER_MAX];
    ask(server, answer);
    http_server_stop(server);
    cr_assert_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0, "%s", answer);
    cr_assert_not_null(strstr(answer, "\xc3\xa4\""), "%s", answer);
    cr_assert_null(strstr(answer, "\xc3\""));
}

static atomic_bool loses_one;

enum MHD_Result __real_MHD_add_connection(struct MHD_Daemon *daemon, int fd,
                                          const struct sockaddr *address, socklen_t length);
enum MHD_Result __wrap_MHD_add_connection(struct MHD_Daemon *daemon, int fd,
                                          const struct sockaddr *address, socklen_t length);

/* As libmicrohttpd behaves without memory to begin: it has said yes by then. */
enum MHD_Result __wrap_MHD_add_connection(struct MHD_Daemon *daemon, int fd,
                                          const struct sockaddr *address, socklen_t length)
{
    if (!atomic_exchange(&loses_one, false))
        return __real_MHD_add_connection(daemon, fd, address, length);
    close(fd);
    return MHD_YES;
}

Test(http_server, given_one_connection_at_a_time_and_one_that_was_lost_then_the_next_is_served)
{
    struct http_server *server = a_server(1);
    char answer[ANSWER_MAX];
    atomic_store(&loses_one, true);
    ask(server, answer);
    cr_assert_str_empty(answer);
    ask(server, answer);
    cr_assert_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0, "%s", answer);
    http_server_stop(server);
}

static rlim_t open_files_after(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {soft, hard};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    http_server_stop(a_server(CONNECTIONS));
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

Test(http_server, given_few_open_files_then_as_many_as_it_needs_or_may_have)
{
    rlim_t needed = open_files_after(64, 4096);
    cr_assert_gt(needed, (rlim_t)CONNECTIONS);
    cr_assert_lt(needed, (rlim_t)4096);
    cr_assert_eq(open_files_after(1024, 4096), (rlim_t)1024, "it has enough");
    cr_assert_eq(open_files_after(64, needed - 1), needed - 1);
}

/* health_probe() against a server that answers in `pieces`, some time apart. */
struct slow {
    int listener;
    const char *piece;
    int pieces;
};

static void *answer_slowly(void *context)
{
    const struct slow *slow = context;
    int fd = accept(slow->listener, NULL, NULL);
    for (int i = 0; i < slow->pieces; i++) {
        if (send(fd, slow->piece, strlen(slow->piece), MSG_NOSIGNAL) < 0)
            break;
        usleep(20000);
    }
    close(fd);
    return NULL;
}

static enum status probe(const char *piece, int pieces, struct error *error)
{
    struct slow slow = {to_loopback(0, bind), piece, pieces};
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    cr_assert_eq(listen(slow.listener, 1), 0);
    cr_assert_eq(getsockname(slow.listener, (struct sockaddr *)&address, &size), 0);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, answer_slowly, &slow), 0);
    enum status status = health_probe("127.0.0.1", ntohs(address.sin_port), PROBE_MS, error);
    pthread_join(thread, NULL);
    close(slow.listener);
    return status;
}

Test(health_probe, given_an_answer_without_an_end_then_what_came_in_time_counts)
{
    struct error error;
    cr_assert_eq(probe("x", 50, &error), STATUS_UNAVAILABLE);
    cr_assert_not_null(strstr(error.message, "not ready: xx"), "%s", error.message);
    cr_assert_lt(strlen(error.message), strlen("not ready: ") + 40, "that was later");
}

Test(health_probe, given_a_long_answer_then_its_beginning_counts)
{
    static char piece[8192] = "HTTP/1.1 200 ";
    memset(piece + strlen(piece), 'x', sizeof(piece) - strlen(piece) - 1);
    cr_assert_eq(probe(piece, 1, NULL), STATUS_OK);
}

Test(health_probe, given_no_address_then_unavailable)
{
    cr_assert_eq(health_probe("localhost", 1, PROBE_MS, NULL), STATUS_UNAVAILABLE);
}
