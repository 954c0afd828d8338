#include "http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 64,  /* handled in one turn */
    ACCEPTS_MAX = 64, /* in one turn, so that connections already in get their turn too */
    NO_FILES_WAIT_MS = 10,
};

enum arrival { HEAD_IS_COMING, HEAD_HAS_COME, CLIENT_HAS_LEFT };

/* http_head.c decides whether a lone LF ends a line. */
static bool ends_head(const char *bytes, size_t length)
{
    return memmem(bytes, length, "\n\r\n", 3) != NULL || memmem(bytes, length, "\n\n", 2) != NULL;
}

static enum arrival look(int fd, uint32_t events)
{
    char head[HTTP_DOOR_HEAD_BYTES];
    ssize_t length = recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
    if (length < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? HEAD_IS_COMING : CLIENT_HAS_LEFT;
    if (length == 0 || (events & (EPOLLHUP | EPOLLERR)) != 0)
        return CLIENT_HAS_LEFT;
    if ((size_t)length == sizeof(head) || (events & EPOLLRDHUP) != 0)
        return HEAD_HAS_COME;
    return ends_head(head, (size_t)length) ? HEAD_HAS_COME : HEAD_IS_COMING;
}

void http_door_release(struct http_door *door, struct http_connection *connection)
{
    struct http_server *server = connection->server;
    http_addresses_leave(&door->addresses, &connection->address);
    atomic_fetch_sub(&server->connections, 1);
    metric_add(server->metrics.connections, -1);
    free(connection);
}

static void end_wait(struct http_door *door, struct http_connection *connection)
{
    door->newcomers[connection->fd].waits = false;
    http_guard_remove(&door->server->guard, connection);
    (void)epoll_ctl(door->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    metric_add(door->server->metrics.waiting_connections, -1);
}

static void turn_away(struct http_door *door, struct http_connection *connection)
{
    if (door->newcomers[connection->fd].waits)
        end_wait(door, connection);
    close(connection->fd);
    http_door_release(door, http_door_take(door, connection->fd));
}

/* From here on the daemon may serve the connection, and even end it, at any moment. The guard no
 * longer holds its descriptor, which by then may be another connection's. */
static void hand_over(struct http_door *door, struct http_connection *connection)
{
    int fd = connection->fd;
    if (door->newcomers[fd].waits)
        end_wait(door, connection);
    union http_address address = connection->address;
    if (MHD_add_connection(door->server->daemon, fd, &address.any, sizeof(address)) != MHD_YES)
        http_door_release(door, http_door_take(door, fd));
}

struct http_connection *http_door_take(struct http_door *door, int fd)
{
    return atomic_exchange(&door->newcomers[fd].connection, NULL);
}

static void make_wait(struct http_door *door, struct http_connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                                .data.fd = connection->fd};
    if (epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        turn_away(door, connection);
        return;
    }
    door->newcomers[connection->fd].waits = true;
    http_guard_add(&door->server->guard, connection);
    metric_add(door->server->metrics.waiting_connections, 1);
}

/* NULL: it is one too many, or there is no memory. */
static struct http_connection *let_in(struct http_door *door, int fd,
                                      const union http_address *address)
{
    struct http_server *server = door->server;
    if ((size_t)fd >= door->newcomers_max)
        return NULL;
    /* The connection that had this descriptor is gone; the daemon had no memory to begin it. */
    struct http_connection *lost = http_door_take(door, fd);
    if (lost != NULL)
        http_door_release(door, lost);
    if (atomic_load(&server->connections) >= (int)server->options.connections_max ||
        !http_addresses_enter(&door->addresses, address))
        return NULL;
    struct http_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        http_addresses_leave(&door->addresses, address);
        return NULL;
    }
    atomic_fetch_add(&server->connections, 1);
    metric_add(server->metrics.connections, 1);
    connection->server = server;
    connection->fd = fd;
    connection->address = *address;
    connection->fresh = true;
    http_connection_await_request(connection);
    door->newcomers[fd].connection = connection;
    return connection;
}

static void receive(struct http_door *door, int fd, const union http_address *address)
{
    struct http_connection *connection = let_in(door, fd, address);
    if (connection == NULL) {
        metric_add(door->server->metrics.refused_connections, 1);
        close(fd);
    } else if (look(fd, 0) == HEAD_HAS_COME) {
        hand_over(door, connection);
    } else {
        make_wait(door, connection);
    }
}

static void accept_some(struct http_door *door)
{
    int listen_fd = door->server->listen_fd;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        union http_address address;
        socklen_t length = sizeof(address);
        int fd = accept4(listen_fd, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            receive(door, fd, &address);
            continue;
        }
        if (errno == EINVAL) { /* quiesced */
            (void)epoll_ctl(door->epoll_fd, EPOLL_CTL_DEL, listen_fd, NULL);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            const struct timespec pause = {.tv_nsec = NO_FILES_WAIT_MS * 1000000};
            nanosleep(&pause, NULL); /* otherwise the listener would be reported again at once */
        }
        return;
    }
}

static void attend(struct http_door *door, const struct epoll_event *event)
{
    if (event->data.fd == door->wake_fd)
        return;
    if (event->data.fd == door->server->listen_fd) {
        accept_some(door);
        return;
    }
    const struct http_newcomer *newcomer = &door->newcomers[event->data.fd];
    if (!newcomer->waits)
        return; /* it was handed over, but could not be removed from the set */
    struct http_connection *connection = newcomer->connection;
    enum arrival arrival = look(connection->fd, event->events);
    if (arrival == HEAD_HAS_COME)
        hand_over(door, connection);
    else if (arrival == CLIENT_HAS_LEFT)
        turn_away(door, connection);
}

static void *keep_door(void *context)
{
    struct http_door *door = context;
    pthread_setname_np(pthread_self(), "http-door");
    while (!atomic_load(&door->stopping)) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(door->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++)
            attend(door, &events[i]);
    }
    return NULL;
}

static bool watch(const struct http_door *door, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void free_members(struct http_door *door)
{
    if (door->epoll_fd >= 0)
        close(door->epoll_fd);
    if (door->wake_fd >= 0)
        close(door->wake_fd);
    free(door->newcomers);
    http_addresses_done(&door->addresses);
}

enum status http_door_open(struct http_door *door, struct http_server *server, size_t files_max,
                           struct error *error)
{
    *door = (struct http_door){
        .server = server,
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .newcomers = calloc(files_max, sizeof(*door->newcomers)),
        .newcomers_max = files_max,
    };
    http_addresses_init(&door->addresses, server->options.connections_per_address_max);
    if (door->epoll_fd >= 0 && door->wake_fd >= 0 && door->newcomers != NULL &&
        watch(door, server->listen_fd) && watch(door, door->wake_fd) &&
        http_start_thread(&door->thread, keep_door, door) == 0)
        return STATUS_OK;
    free_members(door);
    return error_set(error, STATUS_INTERNAL, "no files, memory or thread to accept connections");
}

void http_door_close(struct http_door *door)
{
    atomic_store(&door->stopping, true);
    (void)eventfd_write(door->wake_fd, 1);
    pthread_join(door->thread, NULL);
    for (size_t fd = 0; fd < door->newcomers_max; fd++)
        if (door->newcomers[fd].waits)
            turn_away(door, door->newcomers[fd].connection);
}

void http_door_free(struct http_door *door)
{
    for (size_t fd = 0; fd < door->newcomers_max; fd++)
        if (door->newcomers[fd].connection != NULL)
            http_door_release(door, door->newcomers[fd].connection);
    free_members(door);
}
