/*
 * open_loop - sends HTTP requests at a fixed rate and says how long each took.
 *
 *     open_loop HOST PORT RATE CONNECTIONS FILE  >latencies
 *
 * The requests of FILE, each as `LENGTH\n` and then its bytes, go out in turn over CONNECTIONS
 * keep-alive connections, number i at i / RATE seconds after the start. Shoppers do not wait for
 * each other: a request whose connection still waits for an earlier answer is late, and its latency
 * counts from when it should have been sent. Closed-loop tools leave that wait out ("coordinated
 * omission") and so report a server that stood still for a second as fast.
 *
 * RATE 0 is a closed loop: each connection sends its next request when it has its answer.
 *
 * Output: for each request, in microseconds, `INTENDED LATENCY STATUS`; status 0 is a request that
 * had no answer when the program gave up, with the latency it had reached.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    ANSWER_MAX = 256 * 1024,
    EVENTS_MAX = 256,
    PATIENCE_US = 10 * 1000 * 1000, /* after the last request was due */
};

struct request {
    const char *bytes;
    size_t length;
    int64_t begin_us; /* when it should be sent; in a closed loop, when it was */
    int64_t latency_us;
    int status;
};

struct connection {
    int fd;
    size_t next;    /* the request to send next: number, number + connections, … */
    size_t awaited; /* the request that is under way */
    bool is_waiting;
    char *answer;
    size_t answer_length;
};

static struct request *requests;
static size_t request_count;
static struct connection connections[CONNECTIONS_MAX];
static size_t connection_count;
static double rate;
static int64_t start_us;
static size_t answered;

static void die(const char *what)
{
    fprintf(stderr, "open_loop: %s: %s\n", what, errno != 0 ? strerror(errno) : "unexpected");
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool is_open(void)
{
    return rate > 0;
}

static int64_t intended_us(size_t index)
{
    return is_open() ? start_us + (int64_t)((double)index * 1e6 / rate) : start_us;
}

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die(path);
    long length = ftell(file);
    char *bytes = length > 0 ? malloc((size_t)length) : NULL;
    rewind(file);
    if (bytes == NULL || fread(bytes, 1, (size_t)length, file) != (size_t)length)
        die(path);
    fclose(file);
    *ret_length = (size_t)length;
    return bytes;
}

/* The texts stay where the file was read to. */
static void read_requests(const char *path)
{
    size_t length;
    const char *at = read_file(path, &length);
    const char *end = at + length;
    size_t capacity = 0;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = newline != NULL ? strtoul(at, NULL, 10) : 0;
        if (size == 0 || size > (size_t)(end - newline - 1))
            die("a request's length is wrong");
        if (request_count == capacity) {
            capacity = capacity == 0 ? 1024 : capacity * 2;
            requests = reallocarray(requests, capacity, sizeof(*requests));
            if (requests == NULL)
                die("memory");
        }
        requests[request_count++] = (struct request){.bytes = newline + 1, .length = size};
        at = newline + 1 + size;
    }
    if (request_count == 0)
        die("no requests");
}

static void open_connections(int epoll, const char *host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("HOST is not an IPv4 address");
    for (size_t i = 0; i < connection_count; i++) {
        struct connection *connection = &connections[i];
        const int on = 1;
        connection->next = i;
        connection->fd = socket(AF_INET, SOCK_STREAM, 0);
        connection->answer = malloc(ANSWER_MAX);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (connection->fd < 0 || connection->answer == NULL ||
            connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
            setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
            die("connecting");
    }
}

/* Sends the connection's next request if that is due and nothing is under way. A request is far
 * smaller than an empty socket buffer, so that it goes out whole. */
static void send_due(struct connection *connection, int64_t now)
{
    if (connection->is_waiting || connection->next >= request_count ||
        intended_us(connection->next) > now)
        return;
    struct request *request = &requests[connection->next];
    request->begin_us = is_open() ? intended_us(connection->next) : now;
    if (send(connection->fd, request->bytes, request->length, MSG_NOSIGNAL) !=
        (ssize_t)request->length)
        die("sending");
    connection->awaited = connection->next;
    connection->next += connection_count;
    connection->is_waiting = true;
}

/* The length of the whole answer, 0 while its head is not all there. */
static size_t answer_size(const struct connection *connection)
{
    const char *head = connection->answer;
    const char *end = memmem(head, connection->answer_length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t size = (size_t)(end - head) + 4;
    if (strncmp(head, "HTTP/1.1 304", 12) == 0 || strncmp(head, "HTTP/1.1 204", 12) == 0)
        return size; /* a 304 may name the length of the body that it leaves out */
    static const char NAME[] = "\r\nContent-Length:";
    for (const char *at = head; at < end; at++)
        if (*at == '\r' && strncasecmp(at, NAME, sizeof(NAME) - 1) == 0)
            return size + strtoul(at + sizeof(NAME) - 1, NULL, 10);
    errno = 0;
    die("an answer without Content-Length");
    return 0;
}

static void receive(struct connection *connection)
{
    errno = 0;
    ssize_t got = recv(connection->fd, connection->answer + connection->answer_length,
                       ANSWER_MAX - 1 - connection->answer_length, 0);
    if (got <= 0 || !connection->is_waiting)
        die("the server closed a connection");
    connection->answer_length += (size_t)got;
    connection->answer[connection->answer_length] = '\0';
    size_t size = answer_size(connection);
    if (size == 0 || connection->answer_length < size)
        return;
    int64_t now = now_us();
    struct request *request = &requests[connection->awaited];
    request->latency_us = now - request->begin_us;
    request->status = (int)strtol(connection->answer + strlen("HTTP/1.1 "), NULL, 10);
    connection->is_waiting = false;
    connection->answer_length = 0;
    answered++;
    send_due(connection, now);
}

static void run(int epoll)
{
    struct epoll_event events[EVENTS_MAX];
    size_t due = 0; /* requests whose time has come */
    start_us = now_us();
    int64_t end_us = intended_us(request_count) + PATIENCE_US;
    while (answered < request_count) {
        int64_t now = now_us();
        if (!is_open())
            end_us = now + PATIENCE_US;
        for (; due < request_count && intended_us(due) <= now; due++)
            if (is_open() || due < connection_count)
                send_due(&connections[due % connection_count], now);
        int64_t until = due < request_count ? intended_us(due) : end_us;
        if (now >= end_us)
            return;
        int64_t wait = until > now ? until - now : 0;
        struct timespec timeout = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
        int count = epoll_pwait2(epoll, events, EVENTS_MAX, &timeout, NULL);
        if (count < 0)
            die("waiting");
        for (int i = 0; i < count; i++)
            receive(events[i].data.ptr);
    }
}

int main(int argc, char **argv)
{
    rate = argc == 6 ? strtod(argv[3], NULL) : -1;
    connection_count = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
    if (!(rate >= 0) || connection_count == 0 || connection_count > CONNECTIONS_MAX) {
        fprintf(stderr, "open_loop HOST PORT RATE CONNECTIONS FILE\n");
        return 2;
    }
    read_requests(argv[5]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll");
    open_connections(epoll, argv[1], (uint16_t)strtoul(argv[2], NULL, 10));
    run(epoll);
    int64_t now = now_us();
    for (size_t i = 0; i < request_count; i++) {
        const struct request *request = &requests[i];
        int64_t begin_us = request->begin_us != 0 ? request->begin_us : intended_us(i);
        printf("%lld %lld %d\n", (long long)(begin_us - start_us),
               (long long)(request->status != 0 ? request->latency_us : now - begin_us),
               request->status);
    }
    return 0;
}
