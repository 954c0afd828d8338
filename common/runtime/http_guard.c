#include "http_internal.h"
#include "http_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DRAIN_BYTES = 16384, DRAIN_ROUNDS = 16 };

bool http_connection_set_deadline(struct http_connection *connection, int64_t deadline_us)
{
    int64_t seen = atomic_load(&connection->deadline_us);
    do {
        if (seen == HTTP_DEADLINE_PASSED)
            return false;
    } while (!atomic_compare_exchange_weak(&connection->deadline_us, &seen, deadline_us));
    return true;
}

static void cut_when_late(struct http_guard *guard, struct http_connection *connection,
                          int64_t now_us)
{
    int64_t seen = atomic_load(&connection->deadline_us);
    if (seen == HTTP_DEADLINE_PASSED || seen > now_us)
        return;
    if (!atomic_compare_exchange_strong(&connection->deadline_us, &seen, HTTP_DEADLINE_PASSED))
        return;
    shutdown(connection->fd, SHUT_RDWR);
    metric_add(guard->timeouts, 1);
}

static bool has_hung_up(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLRDHUP};
    return poll(&wait, 1, 0) > 0; /* POLLHUP and POLLERR come unasked */
}

static void look_at_connections(struct http_guard *guard)
{
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&guard->lock);
    for (struct http_connection *connection = guard->connections; connection != NULL;
         connection = connection->next) {
        cut_when_late(guard, connection, now_us);
        if (connection->stream != NULL && has_hung_up(connection->fd))
            http_stream_break(connection->stream);
    }
    pthread_mutex_unlock(&guard->lock);
}

/* True when the client has closed its side too, or has been waited for long enough. */
static bool drain(const struct http_lingering *lingering, int64_t now_us)
{
    char scratch[DRAIN_BYTES];
    for (int round = 0; round < DRAIN_ROUNDS; round++) {
        ssize_t count = recv(lingering->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
        if (count > 0 || (count < 0 && errno == EINTR))
            continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        return true;
    }
    return now_us >= lingering->until_us;
}

static void drain_lingering(struct http_guard *guard)
{
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&guard->lock);
    for (size_t i = guard->lingering_count; i-- > 0;) {
        if (!drain(&guard->lingering[i], now_us))
            continue;
        close(guard->lingering[i].fd);
        guard->lingering[i] = guard->lingering[--guard->lingering_count];
    }
    pthread_mutex_unlock(&guard->lock);
}

static void wait_for_work(struct http_guard *guard, int64_t next_tick_us)
{
    struct pollfd wait[1 + HTTP_LINGERING_MAX] = {{.fd = guard->wake_fd, .events = POLLIN}};
    nfds_t count = 1;
    pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; i < guard->lingering_count; i++)
        wait[count++] = (struct pollfd){.fd = guard->lingering[i].fd, .events = POLLIN};
    pthread_mutex_unlock(&guard->lock);

    int64_t left_us = next_tick_us - clock_monotonic_us();
    int left_ms = left_us <= 0 ? 0 : (int)(left_us / MICROSECONDS_PER_MILLISECOND) + 1;
    if (poll(wait, count, left_ms) > 0 && wait[0].revents != 0) {
        eventfd_t ignored;
        (void)eventfd_read(guard->wake_fd, &ignored);
    }
}

static void *run_guard(void *context)
{
    struct http_guard *guard = context;
    pthread_setname_np(pthread_self(), "http-guard");
    int64_t next_tick_us = 0;
    while (!atomic_load(&guard->stopping)) {
        int64_t now_us = clock_monotonic_us();
        if (now_us >= next_tick_us) {
            look_at_connections(guard);
            next_tick_us = now_us + HTTP_GUARD_TICK_MS * MICROSECONDS_PER_MILLISECOND;
        }
        wait_for_work(guard, next_tick_us);
        drain_lingering(guard);
    }
    return NULL;
}

enum status http_guard_start(struct http_guard *guard, struct metric *timeouts, struct error *error)
{
    *guard = (struct http_guard){.timeouts = timeouts};
    guard->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guard->wake_fd < 0)
        return error_set(error, STATUS_INTERNAL, "eventfd: %s", strerror(errno));
    pthread_mutex_init(&guard->lock, NULL);
    int failed = http_start_thread(&guard->thread, run_guard, guard);
    if (failed != 0) {
        pthread_mutex_destroy(&guard->lock);
        close(guard->wake_fd);
        return error_set(error, STATUS_INTERNAL, "no thread for the HTTP guard: %s",
                         strerror(failed));
    }
    return STATUS_OK;
}

static void wake(struct http_guard *guard)
{
    (void)eventfd_write(guard->wake_fd, 1);
}

void http_guard_stop(struct http_guard *guard)
{
    atomic_store(&guard->stopping, true);
    wake(guard);
    pthread_join(guard->thread, NULL);
    for (size_t i = 0; i < guard->lingering_count; i++)
        close(guard->lingering[i].fd);
    close(guard->wake_fd);
    pthread_mutex_destroy(&guard->lock);
}

void http_guard_add(struct http_guard *guard, struct http_connection *connection)
{
    pthread_mutex_lock(&guard->lock);
    connection->previous = NULL;
    connection->next = guard->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    guard->connections = connection;
    pthread_mutex_unlock(&guard->lock);
}

/* The server has sent its FIN. But closing a socket with unread bytes sends a reset, which makes
 * clients throw the answer away. So a second descriptor keeps it open until the client has closed
 * or HTTP_LINGER_MS have passed. */
static void start_lingering(struct http_guard *guard, int fd)
{
    if (guard->lingering_count == HTTP_LINGERING_MAX)
        return;
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (kept < 0)
        return;
    shutdown(kept, SHUT_WR);
    guard->lingering[guard->lingering_count++] =
        (struct http_lingering){kept, clock_deadline_us(HTTP_LINGER_MS)};
    wake(guard);
}

void http_guard_remove(struct http_guard *guard, struct http_connection *connection)
{
    pthread_mutex_lock(&guard->lock);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        guard->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->linger)
        start_lingering(guard, connection->fd);
    pthread_mutex_unlock(&guard->lock);
}

void http_guard_set_stream(struct http_guard *guard, struct http_connection *connection,
                           struct http_stream *stream)
{
    pthread_mutex_lock(&guard->lock);
    connection->stream = stream;
    pthread_mutex_unlock(&guard->lock);
}

void http_guard_visit_mine(struct http_guard *guard,
                           void (*visit)(struct http_connection *connection))
{
    pthread_mutex_lock(&guard->lock);
    for (struct http_connection *connection = guard->connections; connection != NULL;
         connection = connection->next)
        if (pthread_equal(connection->thread, pthread_self()))
            visit(connection);
    pthread_mutex_unlock(&guard->lock);
}

void http_guard_break_streams(struct http_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    for (struct http_connection *connection = guard->connections; connection != NULL;
         connection = connection->next)
        if (connection->stream != NULL)
            http_stream_break(connection->stream);
    pthread_mutex_unlock(&guard->lock);
}
