/*
 * view_cache.h - carts in memory: those of the batch in hand, and the most recently used ones.
 *
 * Valid only while we own the partition and our writes succeed; dropped with the partition. Bounded
 * in bytes by an estimate. One thread.
 */
#pragma once

#include "cart_view.h"
#include "uuid_lru.h"

struct cached_view {
    struct uuid_lru_entry entry; /* the cache's own, but for `id`: the cart's */
    int16_t partition;
    bool is_loaded;  /* the following is what the store has, plus what the batch changed */
    bool is_parked;  /* its events are set aside */
    bool is_damaged; /* the stored view cannot be read; `view` is empty */
    bool is_changed; /* by the batch in hand */
    struct cart_view view;
    size_t body_bytes;    /* about what the view's JSON takes */
    size_t charged_bytes; /* the cache's own: what it counts for */
};

struct view_cache;

/* *New*: view_cache_free(). `bytes_max` may stay between two batches. NULL: out of memory. */
MUST_CHECK struct view_cache *view_cache_new(size_t bytes_max);
void view_cache_free(struct view_cache *cache);

/* Borrowed until the cart is dropped; NULL: not here. Makes it the most recently used. */
struct cached_view *view_cache_find(struct view_cache *cache, const struct uuid *cart_id);

/* Adds a cart that is not here; nothing of it is loaded yet. NULL: out of memory. */
MUST_CHECK struct cached_view *view_cache_add(struct view_cache *cache, const struct uuid *cart_id,
                                              int16_t partition);

void view_cache_drop(struct view_cache *cache, struct cached_view *cart);
void view_cache_drop_partition(struct view_cache *cache, int16_t partition);

/* After a batch: drops the least recently used carts until the limit is met. */
void view_cache_trim(struct view_cache *cache);

/* Updates the size that `cart` counts for. */
void view_cache_charge(struct view_cache *cache, struct cached_view *cart);
