/*
 * view_cache.h - carts in memory: those whose changes are not written yet, and the most recently
 * used ones.
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
    bool is_loaded;  /* the following is what the store has, plus what changed since */
    bool is_parked;  /* its events are set aside */
    bool is_damaged; /* the stored view cannot be read; `view` is empty */
    struct cart_view view;

    /* The cache's own. */
    size_t body_bytes; /* about what the view's JSON takes */
    bool is_changed;   /* in the list of those that changed: */
    struct cached_view *changed_before;
    struct cached_view *changed_after;
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

/* After a batch: drops the least recently used carts until the limit is met, but none that changed.
 */
void view_cache_trim(struct view_cache *cache);

/* Notes that the cart has changed, and that its JSON has grown by about so much. */
void view_cache_change(struct view_cache *cache, struct cached_view *cart, size_t more_bytes);
/* The cart that changed first, of at least one; it no longer counts as changed. */
struct cached_view *view_cache_take_changed(struct view_cache *cache);
size_t view_cache_changed_count(const struct view_cache *cache);
size_t view_cache_changed_bytes(const struct view_cache *cache); /* of JSON, about */

/* Sets about how much JSON the cart has. */
void view_cache_resize(struct view_cache *cache, struct cached_view *cart, size_t body_bytes);
