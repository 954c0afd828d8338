/*
 * notify.h - tells the service manager how the service is: the protocol of sd_notify(3), without
 * its library.
 *
 * Each message is one datagram to the socket that NOTIFY_SOCKET names: a path, or a name that
 * begins with @ in the abstract namespace. If the variable is not set, nothing happens. If the
 * manager does not take a message at once, the message is dropped: the service matters more.
 *
 * Only for the main thread.
 */
#pragma once

#include "macros.h"

#include <stdbool.h>
#include <stdint.h>

enum { NOTIFY_MESSAGE_MAX = 512 };

/* One line or several, "READY=1\nSTATUS=…", cut at NOTIFY_MESSAGE_MAX - 1 bytes. False: nobody was
 * told. */
bool notify_send(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * What the manager was told, and its watchdog (systemd.service(5)). The manager kills and restarts
 * a service that has not said WATCHDOG=1 for `limit_us`. The service says it every half of that
 * time, and only if every watched thread has begun a turn of its loop within that half. So a thread
 * that hangs ends the process.
 */
struct notify_manager {
    int64_t limit_us;              /* 0: nobody watches us */
    int64_t due_us;                /* when to say WATCHDOG=1 next */
    char told[NOTIFY_MESSAGE_MAX]; /* the last STATUS= */
};

/* Reads WATCHDOG_USEC and WATCHDOG_PID. */
void notify_manager_begin(struct notify_manager *manager);

/* Sends STATUS= when the text differs from the last one. */
void notify_status(struct notify_manager *manager, const char *status);

/* Call it often. `oldest_turn_us` is when the slowest of the watched threads began its turn, by
 * clock_monotonic_us() as `now_us` is. True: WATCHDOG=1 was said. */
bool notify_watchdog_turn(struct notify_manager *manager, int64_t now_us, int64_t oldest_turn_us);
