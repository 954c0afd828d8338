#include "http_addresses.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct address_count {
    struct in6_addr address; /* first: it is what is searched for; IPv4 mapped into IPv6 */
    unsigned connections;
};

static struct in6_addr key_of(const union http_address *address)
{
    if (address->any.sa_family == AF_INET6)
        return address->v6.sin6_addr;
    struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&mapped.s6_addr[12], &address->v4.sin_addr, sizeof(address->v4.sin_addr));
    return mapped;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

void http_addresses_init(struct http_addresses *addresses, unsigned most)
{
    *addresses = (struct http_addresses){.most = most};
    pthread_mutex_init(&addresses->lock, NULL);
}

void http_addresses_done(struct http_addresses *addresses)
{
    assert(addresses->counts == NULL);
    pthread_mutex_destroy(&addresses->lock);
}

static struct address_count *find_or_add(struct http_addresses *addresses, struct in6_addr key)
{
    struct address_count **found = tfind(&key, &addresses->counts, compare);
    if (found != NULL)
        return *found;
    struct address_count *count = calloc(1, sizeof(*count));
    if (count == NULL)
        return NULL;
    count->address = key;
    if (tsearch(count, &addresses->counts, compare) != NULL)
        return count;
    free(count);
    return NULL;
}

bool http_addresses_enter(struct http_addresses *addresses, const union http_address *address)
{
    if (addresses->most == 0)
        return true;
    pthread_mutex_lock(&addresses->lock);
    struct address_count *count = find_or_add(addresses, key_of(address));
    bool may_enter = count != NULL && count->connections < addresses->most;
    if (may_enter)
        count->connections++;
    pthread_mutex_unlock(&addresses->lock);
    return may_enter;
}

void http_addresses_leave(struct http_addresses *addresses, const union http_address *address)
{
    if (addresses->most == 0)
        return;
    struct in6_addr key = key_of(address);
    pthread_mutex_lock(&addresses->lock);
    struct address_count **found = tfind(&key, &addresses->counts, compare);
    assert(found != NULL);
    struct address_count *count = *found;
    if (--count->connections == 0) {
        tdelete(&key, &addresses->counts, compare);
        free(count);
    }
    pthread_mutex_unlock(&addresses->lock);
}
