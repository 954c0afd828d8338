/*
 * open_loop - sends HTTP requests at a fixed rate and says how long each took.
 *
 *     open_loop HOST PORT[,PORT] RATE SHOPPERS FILE  >latencies
 *
 * The requests of FILE, each as `LENGTH PORT\n`, where PORT is 0 or 1 for the second, and then its
 * bytes, go out in turn over SHOPPERS keep-alive connections to each port, number i at i / RATE
 * seconds after the start. Shoppers do not wait for each other: a request whose shopper still waits
 * for an earlier answer is late, and its latency counts from when it should have been sent.
 * Closed-loop tools leave that wait out ("coordinated omission") and so report a server that stood
 * still for a second as fast.
 *
 * RATE 0 is a closed loop: each shopper sends the next request on having an answer.
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
    SHOPPERS_MAX = 4096,
    SERVERS_MAX = 2,
    ANSWER_MAX = 256 * 1024,
    EVENTS_MAX = 256,
    PATIENCE_US = 10 * 1000 * 1000, /* after the last request was due; in a closed loop, after the
                                     * last answer */
};

struct request {
    const char *bytes;
    size_t length;
    size_t server;    /* which one it is for */
    int64_t begin_us; /* when it should be sent; in a closed loop, when it was */
    int64_t latency_us;
    int status;
};

struct shopper {
    int fds[SERVERS_MAX];
    size_t next;    /* the request to send next: number, number + shoppers, … */
    size_t awaited; /* the request that is under way */
    bool is_waiting;
    char *answer;
    size_t answer_length;
};

static struct request *requests;
static size_t request_count;
static size_t server_count;
static struct shopper shoppers[SHOPPERS_MAX];
static size_t shopper_count;
static double rate;
static int64_t start_us;
static size_t answered;
static int64_t last_answer_us;

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
        char *after = NULL;
        size_t size = newline != NULL ? strtoul(at, &after, 10) : 0;
        size_t server = newline != NULL ? strtoul(after, NULL, 10) : 0;
        if (size == 0 || size > (size_t)(end - newline - 1) || server >= server_count)
            die("a request's length or port is wrong");
        if (request_count == capacity) {
            capacity = capacity == 0 ? 1024 : capacity * 2;
            requests = reallocarray(requests, capacity, sizeof(*requests));
            if (requests == NULL)
                die("memory");
        }
        requests[request_count++] =
            (struct request){.bytes = newline + 1, .length = size, .server = server};
        at = newline + 1 + size;
    }
    if (request_count == 0)
        die("no requests");
}

static int connect_to(const struct sockaddr_in *address)
{
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        die("connecting");
    return fd;
}

static void open_connections(int epoll, const char *host, const uint16_t *ports)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("HOST is not an IPv4 address");
    for (size_t i = 0; i < shopper_count; i++) {
        struct shopper *shopper = &shoppers[i];
        shopper->next = i;
        shopper->answer = malloc(ANSWER_MAX);
        if (shopper->answer == NULL)
            die("memory");
        for (size_t server = 0; server < server_count; server++) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = shopper};
            address.sin_port = htons(ports[server]);
            shopper->fds[server] = connect_to(&address);
            if (epoll_ctl(epoll, EPOLL_CTL_ADD, shopper->fds[server], &event) != 0)
                die("epoll");
        }
    }
}

/* Sends the shopper's next request if that is due and nothing is under way. A request is far
 * smaller than an empty socket buffer, so that it goes out whole. */
static void send_due(struct shopper *shopper, int64_t now)
{
    if (shopper->is_waiting || shopper->next >= request_count || intended_us(shopper->next) > now)
        return;
    struct request *request = &requests[shopper->next];
    request->begin_us = is_open() ? intended_us(shopper->next) : now;
    if (send(shopper->fds[request->server], request->bytes, request->length, MSG_NOSIGNAL) !=
        (ssize_t)request->length)
        die("sending");
    shopper->awaited = shopper->next;
    shopper->next += shopper_count;
    shopper->is_waiting = true;
}

/* The length of the whole answer, 0 while its head is not all there. */
static size_t answer_size(const struct shopper *shopper)
{
    const char *head = shopper->answer;
    const char *end = memmem(head, shopper->answer_length, "\r\n\r\n", 4);
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

/* Before a server gets tired of a client with nothing more to say. */
static void leave(struct shopper *shopper)
{
    for (size_t server = 0; server < server_count; server++)
        close(shopper->fds[server]);
}

static void receive(struct shopper *shopper)
{
    struct request *request = &requests[shopper->awaited];
    ssize_t got = recv(shopper->fds[request->server], shopper->answer + shopper->answer_length,
                       ANSWER_MAX - 1 - shopper->answer_length, MSG_DONTWAIT);
    errno = 0;
    if (got <= 0 || !shopper->is_waiting)
        die("a server closed a connection");
    shopper->answer_length += (size_t)got;
    shopper->answer[shopper->answer_length] = '\0';
    size_t size = answer_size(shopper);
    if (size == 0 || shopper->answer_length < size)
        return;
    int64_t now = now_us();
    request->latency_us = now - request->begin_us;
    request->status = (int)strtol(shopper->answer + strlen("HTTP/1.1 "), NULL, 10);
    shopper->is_waiting = false;
    shopper->answer_length = 0;
    answered++;
    last_answer_us = now;
    if (shopper->next < request_count)
        send_due(shopper, now);
    else
        leave(shopper);
}

static void run(int epoll)
{
    struct epoll_event events[EVENTS_MAX];
    size_t due = 0; /* requests whose time has come */
    start_us = last_answer_us = now_us();
    while (answered < request_count) {
        int64_t now = now_us();
        int64_t end_us = (is_open() ? intended_us(request_count) : last_answer_us) + PATIENCE_US;
        for (; due < request_count && intended_us(due) <= now; due++)
            if (is_open() || due < shopper_count)
                send_due(&shoppers[due % shopper_count], now);
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

/* PORT or PORT,PORT. */
static bool read_ports(const char *at, uint16_t *ports)
{
    while (server_count < SERVERS_MAX) {
        char *end;
        unsigned long port = strtoul(at, &end, 10);
        if (port == 0 || port > UINT16_MAX)
            return false;
        ports[server_count++] = (uint16_t)port;
        if (*end != ',')
            return *end == '\0';
        at = end + 1;
    }
    return false;
}

int main(int argc, char **argv)
{
    uint16_t ports[SERVERS_MAX];
    rate = argc == 6 ? strtod(argv[3], NULL) : -1;
    shopper_count = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
    if (!(rate >= 0) || shopper_count == 0 || shopper_count > SHOPPERS_MAX ||
        !read_ports(argv[2], ports)) {
        fprintf(stderr, "open_loop HOST PORT[,PORT] RATE SHOPPERS FILE\n");
        return 2;
    }
    read_requests(argv[5]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll");
    open_connections(epoll, argv[1], ports);
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
