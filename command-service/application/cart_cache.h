/*
 * cart_cache.h - carts in memory, bounded in bytes; the least recently used go first.
 *
 * A cached cart is a guess: another instance may have written to it since. The lane proves it
 * against the log before it answers from it. One thread only.
 */
#pragma once

#include "cart.h"
#include "cart_keys.h"
#include "event_store.h"
#include "uuid_lru.h"

struct cart_cache;

struct cached_cart {
    struct uuid_lru_entry entry; /* the cache's own, but for `id`: the cart's */
    int16_t partition;
    struct cart cart;
    struct cart_keys keys;
    struct uuid last_event_id; /* at its version in the log; meaningless at version 0 */
    bool is_complete; /* every event that the log had, or is guessed to have, is folded in */
    bool is_damaged;  /* its log cannot be folded: it takes no command */

    /* The lane's own: where the cart is in batch number `batch`. */
    uint64_t batch;
    uint32_t batch_index;

    size_t bytes; /* the cache's own: what it counts for */
};

static inline struct cart_key cached_cart_key(const struct cached_cart *cached)
{
    return (struct cart_key){cached->partition, cached->entry.id};
}

MUST_CHECK struct cart_cache *cart_cache_new(size_t bytes_max);
void cart_cache_free(struct cart_cache *cache);

/* Borrowed; becomes the most recently used. NULL: not there. */
struct cached_cart *cart_cache_find(struct cart_cache *cache, const struct uuid *cart_id);
/* Adds a cart that is not there yet: without events, not complete. NULL: memory is out. */
MUST_CHECK struct cached_cart *cart_cache_add(struct cart_cache *cache, const struct cart_key *key);
/* Call after the cart has changed. */
void cart_cache_account(struct cart_cache *cache, struct cached_cart *cached);
void cart_cache_remove(struct cart_cache *cache, struct cached_cart *cached);

/* Evicts until within the limit. Skips carts that batch `batch` is still loading, or an oversized
 * cart would never finish. Only this and the two other functions that remove carts invalidate
 * pointers. So a batch in progress may exceed the limit by what it loads and appends. */
void cart_cache_trim(struct cart_cache *cache, uint64_t batch);
void cart_cache_clear(struct cart_cache *cache);

size_t cart_cache_bytes(const struct cart_cache *cache);
size_t cart_cache_count(const struct cart_cache *cache);
