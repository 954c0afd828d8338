#include "notify.h"

#include "number.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The address that NOTIFY_SOCKET names. False: none, or one that no socket can have. */
static bool find_address(struct sockaddr_un *ret_address, socklen_t *ret_length)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL || (name[0] != '/' && name[0] != '@') || name[1] == '\0')
        return false;
    size_t length = strlen(name);
    if (length >= sizeof(ret_address->sun_path))
        return false;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, name, length);
    /* An abstract name begins with a NUL and has none at its end: its length counts. */
    bool is_abstract = name[0] == '@';
    if (is_abstract)
        ret_address->sun_path[0] = '\0';
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !is_abstract);
    return true;
}

bool notify_send(const char *format, ...)
{
    struct sockaddr_un address;
    socklen_t address_length;
    if (!find_address(&address, &address_length))
        return false;
    char message[NOTIFY_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL,
                          (const struct sockaddr *)&address, address_length);
    close(fd);
    return sent >= 0;
}

void notify_status(struct notify_manager *manager, const char *status)
{
    char *told = manager->told;
    if (strncmp(told, status, sizeof(manager->told) - 1) == 0)
        return;
    snprintf(told, sizeof(manager->told), "%s", status);
    notify_send("STATUS=%s", told);
}

/* A whole positive number, or 0. */
static int64_t number_from(const char *name)
{
    int64_t number;
    return number_parse(str_from(getenv(name)), 1, INT64_MAX, &number) ? number : 0;
}

void notify_manager_begin(struct notify_manager *manager)
{
    *manager = (struct notify_manager){0};
    /* The variables are inherited; the pid says which process they are for. */
    if (getenv("WATCHDOG_PID") == NULL || number_from("WATCHDOG_PID") == getpid())
        manager->limit_us = number_from("WATCHDOG_USEC");
}

bool notify_watchdog_turn(struct notify_manager *manager, int64_t now_us, int64_t oldest_turn_us)
{
    int64_t half_us = manager->limit_us / 2;
    if (manager->limit_us == 0 || now_us < manager->due_us || now_us - oldest_turn_us > half_us)
        return false;
    manager->due_us = now_us + half_us;
    return notify_send("WATCHDOG=1");
}
