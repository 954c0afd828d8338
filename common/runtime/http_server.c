#include "http_internal.h"

#include "http_head.h"
#include "log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OTHER_FILES = 256 /* open files of the process that are not its clients' connections */ };

int http_start_thread(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static _Noreturn void on_library_panic(void *context, const char *file, unsigned line,
                                       const char *reason)
{
    (void)context;
    log_error("http", "libmicrohttpd gave up", LOG_STR("detail", reason == NULL ? "" : reason),
              LOG_STR("file", file), LOG_INT("line", line));
    abort();
}

/* NULL: it is no numeric IP address. The caller owes freeaddrinfo(). */
static struct addrinfo *find_address(const char *bind_address, uint16_t port)
{
    char port_text[sizeof("65535")];
    snprintf(port_text, sizeof(port_text), "%u", port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    return getaddrinfo(bind_address, port_text, &hints, &address) == 0 ? address : NULL;
}

enum status http_address_check(const char *setting, struct error *error)
{
    struct addrinfo *address = find_address(setting, 0);
    if (address == NULL)
        return error_set(error, STATUS_INVALID, "is not a numeric IP address");
    freeaddrinfo(address);
    return STATUS_OK;
}

static enum status open_listener(struct http_server *server, struct error *error)
{
    const struct http_server_options *options = &server->options;
    struct addrinfo *address = find_address(options->bind_address, options->port);
    if (address == NULL)
        return error_set(error, STATUS_INVALID, "cannot listen on %s: not a numeric IP address",
                         options->bind_address);

    int on = 1;
    int off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
              (address->ai_family != AF_INET6 ||
               setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
              bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0;
    int reason = errno;
    freeaddrinfo(address);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return error_set(error, STATUS_UNAVAILABLE, "cannot listen on %s port %u: %s",
                         options->bind_address, options->port, strerror(reason));
    }
    server->listen_fd = fd;
    return STATUS_OK;
}

static void find_port(struct http_server *server)
{
    union http_address address;
    socklen_t length = sizeof(address);
    int failed = getsockname(server->listen_fd, &address.any, &length);
    assert(failed == 0);
    bool is_ipv6 = address.any.sa_family == AF_INET6;
    server->port = ntohs(is_ipv6 ? address.v6.sin6_port : address.v4.sin_port);
}

static size_t files_needed(const struct http_server *server)
{
    return (size_t)server->options.connections_max + HTTP_LINGERING_MAX + OTHER_FILES;
}

/* Raises a limit that is too low, as far as possible. Otherwise it would be met at the worst
 * moment. */
static void allow_open_files(rlim_t needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
        log_warning("http", "the limit of open files is too low for the limit of connections",
                    LOG_INT("openFiles", limit.rlim_cur), LOG_INT("needed", needed));
}

/* The number of connections is limited at the door. */
static struct MHD_Daemon *start_daemon(struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    unsigned no_limit = (options->connections_max + HTTP_LINGERING_MAX) * options->threads;
#if MHD_VERSION >= 0x01000000
    enum MHD_OPTION strictness = MHD_OPTION_CLIENT_DISCIPLINE_LVL;
    int strict = 1;
#else
    enum MHD_OPTION strictness = MHD_OPTION_STRICT_FOR_CLIENT;
    int strict = 0; /* it only adds answers of its own, where http_head.c has better ones */
#endif
    return MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_request, server, MHD_OPTION_EXTERNAL_LOGGER, http_on_message,
        server, strictness, strict, MHD_OPTION_THREAD_POOL_SIZE, options->threads,
        MHD_OPTION_CONNECTION_LIMIT, no_limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, server,
        MHD_OPTION_URI_LOG_CALLBACK, http_on_target, server, MHD_OPTION_NOTIFY_COMPLETED,
        http_on_completed, server, MHD_OPTION_END);
}

static struct http_server *new_server(const struct http_server_options *options)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return NULL;
    server->options = *options;
    if (server->options.threads == 0)
        server->options.threads = 1;
    if (server->options.write_timeout_s == 0)
        server->options.write_timeout_s = HTTP_WRITE_TIMEOUT_S;
    server->listen_fd = -1;
    server->lenient_library = http_head_needs_layout_check();
    http_metrics_init(&server->metrics, options->metrics);
    return server;
}

static void free_server(struct http_server *server)
{
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    http_metrics_done(&server->metrics);
    http_cors_done(&server->cors);
    free(server);
}

static enum status run_daemon(struct http_server *server, struct error *error)
{
    find_port(server);
    enum status status = http_guard_start(&server->guard, server->metrics.timeouts, error);
    if (status != STATUS_OK)
        return status;
    MHD_set_panic_func(on_library_panic, NULL);
    server->daemon = start_daemon(server);
    status = server->daemon == NULL
                 ? error_set(error, STATUS_INTERNAL, "libmicrohttpd did not start")
                 : http_door_open(&server->door, server, files_needed(server), error);
    if (status == STATUS_OK)
        return STATUS_OK;
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    http_guard_stop(&server->guard);
    return status;
}

enum status http_server_start(const struct http_server_options *options,
                              struct http_server **ret_server, struct error *error)
{
    struct http_server *server = new_server(options);
    if (server == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the HTTP server");
    if (getrandom(&server->id_key, sizeof(server->id_key), 0) != sizeof(server->id_key))
        server->id_key = (uint64_t)clock_wall_us();
    allow_open_files(files_needed(server));
    enum status status = http_cors_init(options->cors_origins, &server->cors, error);
    if (status == STATUS_OK)
        status = open_listener(server, error);
    if (status == STATUS_OK)
        status = run_daemon(server, error);
    if (status != STATUS_OK) {
        free_server(server);
        return status;
    }
    *ret_server = server;
    return STATUS_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

/* The listener is only shut down here. If it were closed while a thread may still poll its number,
 * that thread could accept from whatever gets the number next. */
void http_server_quiesce(struct http_server *server)
{
    if (atomic_exchange(&server->draining, true))
        return;
    shutdown(server->listen_fd, SHUT_RDWR);
}

unsigned http_server_pending(const struct http_server *server)
{
    return atomic_load(&server->pending);
}

static bool becomes_zero(const atomic_uint *count, int wait_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    unsigned left = atomic_load(count);
    for (int waited_ms = 0; waited_ms < wait_ms && left > 0; waited_ms++) {
        nanosleep(&pause, NULL);
        left = atomic_load(count);
    }
    return left == 0;
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL)
        return;
    http_server_quiesce(server);
    atomic_store(&server->stopping, true);
    bool all_answered = becomes_zero(&server->owed, HTTP_STOP_WAIT_MS);
    assert(all_answered && "every deferred request was answered");
    http_guard_break_streams(&server->guard);
    (void)becomes_zero(&server->pending, HTTP_STOP_SEND_MS);
    http_door_close(&server->door);
    MHD_stop_daemon(server->daemon);
    http_door_free(&server->door);
    http_guard_stop(&server->guard);
    free_server(server);
}
