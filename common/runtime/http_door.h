/*
 * http_door.h - where connections come in, and wait until their first request's head has come.
 *
 * Each time one of its connections has something to say, libmicrohttpd hands all of them to poll().
 * So clients that connect and are slow, or silent, would cost every request of the others.
 * Therefore one thread accepts, keeps newcomers in an epoll set, and looks at what they have sent
 * without taking it. libmicrohttpd gets a connection when a whole head has come, when its client
 * has sent HTTP_DOOR_HEAD_BYTES, or when its client has closed its sending side. Until then only
 * the guard's deadline counts (http_guard.h), and no memory for requests is held.
 */
#pragma once

#include "http_addresses.h"
#include "http_guard.h"

enum { HTTP_DOOR_HEAD_BYTES = 4096 };

struct http_newcomer {
    /* NULL: libmicrohttpd serves it, or there is none. */
    struct http_connection *_Atomic connection;
    bool waits; /* in the epoll set; only for the door's thread */
};

struct http_door {
    struct http_server *server;
    int epoll_fd;
    int wake_fd;
    struct http_newcomer *newcomers; /* by descriptor */
    size_t newcomers_max;            /* descriptors are below */
    struct http_addresses addresses;
    atomic_bool stopping;
    pthread_t thread;
};

/* Accepts from the server's listener and hands over to its daemon. `files_max`: how many files the
 * process may have open. */
MUST_CHECK enum status http_door_open(struct http_door *door, struct http_server *server,
                                      size_t files_max, struct error *error);
/* Closes the waiting connections. Nothing reaches the daemon afterwards. */
void http_door_close(struct http_door *door);
/* Call it after the daemon has ended. The daemon does not report connections that it never began to
 * serve. */
void http_door_free(struct http_door *door);

/* The daemon begins to serve it: from now on the caller owns it. On the thread that serves it. */
struct http_connection *http_door_take(struct http_door *door, int fd);
/* Counts the connection out and frees it. Does not touch its socket. */
void http_door_release(struct http_door *door, struct http_connection *connection);
