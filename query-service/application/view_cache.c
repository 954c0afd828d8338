#include "view_cache.h"

#include <stdlib.h>

enum { BUCKETS = 16384 };

struct view_cache {
    size_t bytes_max;
    size_t bytes;
    uint64_t seed;
    struct cached_view *newest;
    struct cached_view *oldest;
    struct cached_view *buckets[BUCKETS];
};

struct view_cache *view_cache_new(size_t bytes_max)
{
    struct view_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return NULL;
    cache->bytes_max = bytes_max;
    cache->seed = uuid_hash_seed();
    return cache;
}

static struct cached_view **bucket_of(struct view_cache *cache, const struct uuid *cart_id)
{
    return &cache->buckets[uuid_hash(cart_id, cache->seed) % BUCKETS];
}

static void unlink_use(struct view_cache *cache, struct cached_view *cart)
{
    *(cart->newer != NULL ? &cart->newer->older : &cache->newest) = cart->older;
    *(cart->older != NULL ? &cart->older->newer : &cache->oldest) = cart->newer;
}

static void link_newest(struct view_cache *cache, struct cached_view *cart)
{
    cart->newer = NULL;
    cart->older = cache->newest;
    *(cart->older != NULL ? &cart->older->newer : &cache->oldest) = cart;
    cache->newest = cart;
}

struct cached_view *view_cache_find(struct view_cache *cache, const struct uuid *cart_id)
{
    struct cached_view *cart = *bucket_of(cache, cart_id);
    while (cart != NULL && !uuid_equal(&cart->cart_id, cart_id))
        cart = cart->same_bucket;
    if (cart != NULL && cart != cache->newest) {
        unlink_use(cache, cart);
        link_newest(cache, cart);
    }
    return cart;
}

struct cached_view *view_cache_add(struct view_cache *cache, const struct uuid *cart_id,
                                   int16_t partition)
{
    struct cached_view *cart = calloc(1, sizeof(*cart));
    if (cart == NULL)
        return NULL;
    cart->cart_id = *cart_id;
    cart->partition = partition;
    struct cached_view **bucket = bucket_of(cache, cart_id);
    cart->same_bucket = *bucket;
    *bucket = cart;
    link_newest(cache, cart);
    view_cache_charge(cache, cart);
    return cart;
}

void view_cache_drop(struct view_cache *cache, struct cached_view *cart)
{
    struct cached_view **at = bucket_of(cache, &cart->cart_id);
    while (*at != cart)
        at = &(*at)->same_bucket;
    *at = cart->same_bucket;
    unlink_use(cache, cart);
    cache->bytes -= cart->charged_bytes;
    cart_view_done(&cart->view);
    free(cart);
}

void view_cache_drop_partition(struct view_cache *cache, int16_t partition)
{
    for (struct cached_view *cart = cache->newest, *older; cart != NULL; cart = older) {
        older = cart->older;
        if (cart->partition == partition)
            view_cache_drop(cache, cart);
    }
}

void view_cache_trim(struct view_cache *cache)
{
    while (cache->bytes > cache->bytes_max && cache->oldest != NULL)
        view_cache_drop(cache, cache->oldest);
}

/* The JSON spells out names of members and totals; the view has pointers and small allocations. In
 * the end both take about as much. */
void view_cache_charge(struct view_cache *cache, struct cached_view *cart)
{
    cache->bytes -= cart->charged_bytes;
    cart->charged_bytes = sizeof(*cart) + cart->body_bytes;
    cache->bytes += cart->charged_bytes;
}

void view_cache_free(struct view_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->newest != NULL)
        view_cache_drop(cache, cache->newest);
    free(cache);
}
