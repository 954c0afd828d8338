#include "view_cache.h"

#include <stdlib.h>

struct view_cache {
    struct uuid_lru carts;
    size_t bytes_max;
    size_t bytes;
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
    view_cache_charge(cache, cart);
    return cart;
}

void view_cache_drop(struct view_cache *cache, struct cached_view *cart)
{
    uuid_lru_remove(&cache->carts, &cart->entry);
    cache->bytes -= cart->charged_bytes;
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
    while (cache->bytes > cache->bytes_max && cache->carts.oldest != NULL)
        view_cache_drop(cache, cart_of(cache->carts.oldest));
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
    while (cache->carts.oldest != NULL)
        view_cache_drop(cache, cart_of(cache->carts.oldest));
    uuid_lru_done(&cache->carts);
    free(cache);
}
