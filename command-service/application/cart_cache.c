#include "cart_cache.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 1024, CARTS_PER_SLOT_MAX = 2 };

/* A hash table with chains. All carts are also in a list from newest to oldest use. */
struct cart_cache {
    size_t bytes_max;
    size_t bytes; /* of the carts and the table */
    size_t count;
    size_t slot_count; /* a power of two */
    struct cached_cart **slots;
    uint64_t seed;
    struct cached_cart *newest;
    struct cached_cart *oldest;
};

struct cart_cache *cart_cache_new(size_t bytes_max)
{
    struct cart_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return NULL;
    cache->slots = calloc(FIRST_SLOTS, sizeof(struct cached_cart *));
    if (cache->slots == NULL) {
        free(cache);
        return NULL;
    }
    cache->seed = uuid_hash_seed();
    cache->slot_count = FIRST_SLOTS;
    cache->bytes_max = bytes_max;
    cache->bytes = FIRST_SLOTS * sizeof(struct cached_cart *);
    return cache;
}

void cart_cache_free(struct cart_cache *cache)
{
    if (cache == NULL)
        return;
    cart_cache_clear(cache);
    free(cache->slots);
    free(cache);
}

static struct cached_cart **slot_of(const struct cart_cache *cache, const struct uuid *cart_id)
{
    return &cache->slots[uuid_hash(cart_id, cache->seed) & (cache->slot_count - 1)];
}

/* Without memory for a larger table, the chains just get longer. */
static void grow(struct cart_cache *cache)
{
    size_t old_count = cache->slot_count;
    struct cached_cart **old_slots = cache->slots;
    struct cached_cart **slots = calloc(old_count * 2, sizeof(struct cached_cart *));
    if (slots == NULL)
        return;
    cache->slots = slots;
    cache->slot_count = old_count * 2;
    cache->bytes += old_count * sizeof(struct cached_cart *);
    for (size_t i = 0; i < old_count; i++) {
        struct cached_cart *next;
        for (struct cached_cart *cached = old_slots[i]; cached != NULL; cached = next) {
            next = cached->chain;
            struct cached_cart **slot = slot_of(cache, &cached->key.cart_id);
            cached->chain = *slot;
            *slot = cached;
        }
    }
    free(old_slots);
}

static void list_remove(struct cart_cache *cache, struct cached_cart *cached)
{
    *(cached->newer != NULL ? &cached->newer->older : &cache->newest) = cached->older;
    *(cached->older != NULL ? &cached->older->newer : &cache->oldest) = cached->newer;
}

static void list_add(struct cart_cache *cache, struct cached_cart *cached)
{
    cached->newer = NULL;
    cached->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = cached;
    cache->newest = cached;
}

struct cached_cart *cart_cache_find(struct cart_cache *cache, const struct uuid *cart_id)
{
    struct cached_cart *cached = *slot_of(cache, cart_id);
    while (cached != NULL && !uuid_equal(&cached->key.cart_id, cart_id))
        cached = cached->chain;
    if (cached != NULL && cached != cache->newest) {
        list_remove(cache, cached);
        list_add(cache, cached);
    }
    return cached;
}

struct cached_cart *cart_cache_add(struct cart_cache *cache, const struct cart_key *key)
{
    struct cached_cart *cached = calloc(1, sizeof(*cached));
    if (cached == NULL)
        return NULL;
    if (cache->count >= cache->slot_count * CARTS_PER_SLOT_MAX)
        grow(cache);
    cached->key = *key;
    struct cached_cart **slot = slot_of(cache, &key->cart_id);
    cached->chain = *slot;
    *slot = cached;
    list_add(cache, cached);
    cache->count++;
    cart_cache_account(cache, cached);
    return cached;
}

void cart_cache_account(struct cart_cache *cache, struct cached_cart *cached)
{
    cache->bytes -= cached->bytes;
    cached->bytes = sizeof(*cached) + cached->cart.bytes + cart_keys_memory(&cached->keys);
    cache->bytes += cached->bytes;
}

void cart_cache_remove(struct cart_cache *cache, struct cached_cart *cached)
{
    struct cached_cart **link = slot_of(cache, &cached->key.cart_id);
    while (*link != cached) {
        assert(*link != NULL);
        link = &(*link)->chain;
    }
    *link = cached->chain;
    list_remove(cache, cached);
    cache->count--;
    cache->bytes -= cached->bytes;
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
    struct cached_cart *newer;
    for (struct cached_cart *cached = cache->oldest;
         cached != NULL && cache->bytes > cache->bytes_max; cached = newer) {
        newer = cached->newer;
        if (!is_being_read(cached, batch))
            cart_cache_remove(cache, cached);
    }
}

void cart_cache_clear(struct cart_cache *cache)
{
    while (cache->oldest != NULL)
        cart_cache_remove(cache, cache->oldest);
}

size_t cart_cache_bytes(const struct cart_cache *cache)
{
    return cache->bytes;
}

size_t cart_cache_count(const struct cart_cache *cache)
{
    return cache->count;
}
