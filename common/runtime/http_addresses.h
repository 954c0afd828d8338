/*
 * http_addresses.h - counts the connections of each client address, and limits them. Thread-safe.
 */
#pragma once

#include "macros.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>

union http_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct http_addresses {
    unsigned most; /* connections of one address; 0: no limit, and nothing is counted */
    pthread_mutex_t lock;
    void *counts; /* tsearch(3)'s tree */
};

void http_addresses_init(struct http_addresses *addresses, unsigned most);
/* Call it after all have left. */
void http_addresses_done(struct http_addresses *addresses);

/* False: the address is at its limit, or there is no memory. */
MUST_CHECK bool http_addresses_enter(struct http_addresses *addresses,
                                     const union http_address *address);
/* Once for each time that the address entered. */
void http_addresses_leave(struct http_addresses *addresses, const union http_address *address);
