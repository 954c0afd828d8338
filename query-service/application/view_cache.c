#include "view_cache.h"

#include <assert.h>
#include <stdlib.h>

struct view_cache {
    struct uuid_lru carts;
    size_t bytes_max;
    size_t bytes;
    struct cached_view *first_changed;
    struct cached_view *last_changed;
    size_t changed_count;
    size_t changed_bytes;
};

struct view_cache *view_cache_new(size_t bytes_max)
{
    struct view_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return NULL;
    if (!uuid_lru_init(&cache->carts)) {
        free(cache);
        return NULL;
    }
    cache->bytes_max = bytes_max;
    return cache;
}

/* The JSON spells out names of members and totals; the view has pointers and small allocations. In
 * the end both take about as much. */
static size_t size_of(const struct cached_view *cart)
{
    return sizeof(*cart) + cart->body_bytes;
}

static struct cached_view *cart_of(struct uuid_lru_entry *entry)
{
    return CONTAINER_OF(entry, struct cached_view, entry);
}

struct cached_view *view_cache_find(struct view_cache *cache, const struct uuid *cart_id)
{
    struct uuid_lru_entry *entry = uuid_lru_find(&cache->carts, cart_id);
    if (entry == NULL)
        return NULL;
    uuid_lru_use(&cache->carts, entry);
    return cart_of(entry);
}

struct cached_view *view_cache_add(struct view_cache *cache, const struct uuid *cart_id,
                                   int16_t partition)
{
    struct cached_view *cart = calloc(1, sizeof(*cart));
    if (cart == NULL)
        return NULL;
    cart->entry.id = *cart_id;
    cart->partition = partition;
    uuid_lru_add(&cache->carts, &cart->entry);
    cache->bytes += size_of(cart);
    return cart;
}

static void forget_change(struct view_cache *cache, struct cached_view *cart)
{
    if (!cart->is_changed)
        return;
    cart->is_changed = false;
    *(cart->changed_before != NULL ? &cart->changed_before->changed_after : &cache->first_changed) =
        cart->changed_after;
    *(cart->changed_after != NULL ? &cart->changed_after->changed_before : &cache->last_changed) =
        cart->changed_before;
    cache->changed_count--;
    cache->changed_bytes -= cart->body_bytes;
}

void view_cache_drop(struct view_cache *cache, struct cached_view *cart)
{
    forget_change(cache, cart);
    uuid_lru_remove(&cache->carts, &cart->entry);
    cache->bytes -= size_of(cart);
    cart_view_done(&cart->view);
    free(cart);
}

void view_cache_drop_partition(struct view_cache *cache, int16_t partition)
{
    struct uuid_lru_entry *newer;
    for (struct uuid_lru_entry *entry = cache->carts.oldest; entry != NULL; entry = newer) {
        newer = entry->newer;
        if (cart_of(entry)->partition == partition)
            view_cache_drop(cache, cart_of(entry));
    }
}

void view_cache_trim(struct view_cache *cache)
{
    struct uuid_lru_entry *newer;
    for (struct uuid_lru_entry *entry = cache->carts.oldest;
         cache->bytes > cache->bytes_max && entry != NULL; entry = newer) {
        newer = entry->newer;
        if (!cart_of(entry)->is_changed)
            view_cache_drop(cache, cart_of(entry));
    }
}

void view_cache_resize(struct view_cache *cache, struct cached_view *cart, size_t body_bytes)
{
    cache->bytes += body_bytes - cart->body_bytes;
    if (cart->is_changed)
        cache->changed_bytes += body_bytes - cart->body_bytes;
    cart->body_bytes = body_bytes;
}

void view_cache_change(struct view_cache *cache, struct cached_view *cart, size_t more_bytes)
{
    if (!cart->is_changed) {
        cart->is_changed = true;
        cart->changed_after = NULL;
        cart->changed_before = cache->last_changed;
        *(cache->last_changed != NULL ? &cache->last_changed->changed_after
                                      : &cache->first_changed) = cart;
        cache->last_changed = cart;
        cache->changed_count++;
        cache->changed_bytes += cart->body_bytes;
    }
    view_cache_resize(cache, cart, cart->body_bytes + more_bytes);
}

struct cached_view *view_cache_take_changed(struct view_cache *cache)
{
    struct cached_view *cart = cache->first_changed;
    assert(cart != NULL);
    forget_change(cache, cart);
    return cart;
}

size_t view_cache_changed_count(const struct view_cache *cache)
{
    return cache->changed_count;
}

size_t view_cache_changed_bytes(const struct view_cache *cache)
{
    return cache->changed_bytes;
}

void view_cache_free(struct view_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->carts.oldest != NULL)
        view_cache_drop(cache, cart_of(cache->carts.oldest));
    uuid_lru_done(&cache->carts);
    free(cache);
}
