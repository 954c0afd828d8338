#include "cart_cache.h"

#include <stdlib.h>

struct cart_cache {
    struct uuid_lru carts;
    size_t bytes_max;
    size_t cart_bytes;
};

struct cart_cache *cart_cache_new(size_t bytes_max)
{
    struct cart_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return NULL;
    if (!uuid_lru_init(&cache->carts)) {
        free(cache);
        return NULL;
    }
    cache->bytes_max = bytes_max;
    return cache;
}

void cart_cache_free(struct cart_cache *cache)
{
    if (cache == NULL)
        return;
    cart_cache_clear(cache);
    uuid_lru_done(&cache->carts);
    free(cache);
}

static struct cached_cart *cart_of(struct uuid_lru_entry *entry)
{
    return CONTAINER_OF(entry, struct cached_cart, entry);
}

struct cached_cart *cart_cache_find(struct cart_cache *cache, const struct uuid *cart_id)
{
    struct uuid_lru_entry *entry = uuid_lru_find(&cache->carts, cart_id);
    if (entry == NULL)
        return NULL;
    uuid_lru_use(&cache->carts, entry);
    return cart_of(entry);
}

struct cached_cart *cart_cache_add(struct cart_cache *cache, const struct cart_key *key)
{
    struct cached_cart *cached = calloc(1, sizeof(*cached));
    if (cached == NULL)
        return NULL;
    cached->entry.id = key->cart_id;
    cached->partition = key->partition;
    uuid_lru_add(&cache->carts, &cached->entry);
    cart_cache_account(cache, cached);
    return cached;
}

void cart_cache_account(struct cart_cache *cache, struct cached_cart *cached)
{
    cache->cart_bytes -= cached->bytes;
    cached->bytes = sizeof(*cached) + cached->cart.bytes + cart_keys_memory(&cached->keys);
    cache->cart_bytes += cached->bytes;
}

void cart_cache_remove(struct cart_cache *cache, struct cached_cart *cached)
{
    uuid_lru_remove(&cache->carts, &cached->entry);
    cache->cart_bytes -= cached->bytes;
    cart_done(&cached->cart);
    cart_keys_done(&cached->keys);
    free(cached);
}

static bool is_being_read(const struct cached_cart *cached, uint64_t batch)
{
    return cached->batch == batch && !cached->is_complete && !cached->is_damaged;
}

void cart_cache_trim(struct cart_cache *cache, uint64_t batch)
{
    struct uuid_lru_entry *newer;
    for (struct uuid_lru_entry *entry = cache->carts.oldest;
         entry != NULL && cart_cache_bytes(cache) > cache->bytes_max; entry = newer) {
        newer = entry->newer;
        if (!is_being_read(cart_of(entry), batch))
            cart_cache_remove(cache, cart_of(entry));
    }
}

void cart_cache_clear(struct cart_cache *cache)
{
    while (cache->carts.oldest != NULL)
        cart_cache_remove(cache, cart_of(cache->carts.oldest));
}

size_t cart_cache_bytes(const struct cart_cache *cache)
{
    return cache->cart_bytes + uuid_lru_memory(&cache->carts);
}

size_t cart_cache_count(const struct cart_cache *cache)
{
    return cache->carts.count;
}
