#include "health_probe.h"

#include "clock.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 4096 }; /* enough for the head and the checks of /readyz */

static const char REQUEST[] =
    "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* -1 with errno set when nobody is there. To Linux 0.0.0.0 and :: are this machine. */
static int connect_to(const char *bind_address, uint16_t port, struct timeval timeout)
{
    char port_text[sizeof("65535")];
    snprintf(port_text, sizeof(port_text), "%u", port);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    if (getaddrinfo(bind_address, port_text, &hints, &address) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
                    connect(fd, address->ai_addr, address->ai_addrlen) != 0)) {
        int reason = errno;
        close(fd);
        errno = reason;
        fd = -1;
    }
    freeaddrinfo(address);
    return fd;
}

/* Reads until the other side closes, the buffer is full or the time is up. */
static size_t receive_all(int fd, char *answer, size_t size, int64_t deadline_us)
{
    size_t length = 0;
    while (length < size - 1 && clock_monotonic_us() < deadline_us) {
        ssize_t received = recv(fd, answer + length, size - 1 - length, 0);
        if (received <= 0)
            break;
        length += (size_t)received;
    }
    answer[length] = '\0';
    return length;
}

enum status health_probe(const char *bind_address, uint16_t port, int timeout_ms,
                         struct error *error)
{
    int64_t deadline_us = clock_deadline_us(timeout_ms);
    int fd = connect_to(
        bind_address, port,
        (struct timeval){.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000L});
    if (fd < 0)
        return error_set(error, STATUS_UNAVAILABLE, "%s port %u: %s", bind_address, port,
                         strerror(errno));
    char answer[ANSWER_BYTES_MAX];
    bool sent = send(fd, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL) == sizeof(REQUEST) - 1;
    size_t length = sent ? receive_all(fd, answer, sizeof(answer), deadline_us) : 0;
    close(fd);
    if (length == 0)
        return error_set(error, STATUS_UNAVAILABLE, "%s port %u: no answer within %d ms",
                         bind_address, port, timeout_ms);
    if (strncmp(answer, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 ")) == 0)
        return STATUS_OK;
    const char *body = strstr(answer, "\r\n\r\n");
    return error_set(error, STATUS_UNAVAILABLE, "not ready: %s", body == NULL ? answer : body + 4);
}
