#include "cart_cache.h"
#include "fake_event_store.h"

#include <criterion/criterion.h>

static struct cart_key numbered(uint32_t number)
{
    struct cart_key key = fake_cart(0);
    memcpy(key.cart_id.bytes, &number, sizeof(number));
    return key;
}

static struct cached_cart *add(struct cart_cache *cache, uint32_t number)
{
    struct cart_key key = numbered(number);
    struct cached_cart *cached = cart_cache_add(cache, &key);
    cr_assert_not_null(cached);
    return cached;
}

static struct cached_cart *find(struct cart_cache *cache, uint32_t number)
{
    struct cart_key key = numbered(number);
    return cart_cache_find(cache, &key.cart_id);
}

/* With a line of that many bytes of name. */
static void fatten(struct cart_cache *cache, struct cached_cart *cached, size_t bytes)
{
    char text[256];
    memset(text, 'x', sizeof(text));
    struct event_data created = {.type = EVENT_CART_CREATED, .cart_created = {.currency = "EUR"}};
    struct event_data added = {.type = EVENT_ITEM_ADDED,
                               .item_added = {.line = {.sku = STR_LITERAL("tea"),
                                                       .name = {text, bytes},
                                                       .quantity = 1,
                                                       .unit_price = {5, "EUR"}},
                                              .line_quantity = 1}};
    cr_assert_eq(cart_evolve(&cached->cart, &created, 1, NULL), STATUS_OK);
    cr_assert_eq(cart_evolve(&cached->cart, &added, 1, NULL), STATUS_OK);
    cart_cache_account(cache, cached);
}

Test(cart_cache, finds_each_of_many_carts_and_no_other)
{
    struct cart_cache *cache = cart_cache_new(SIZE_MAX);
    for (uint32_t i = 0; i < 20000; i++)
        add(cache, i);
    cr_expect_eq(cart_cache_count(cache), 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        struct cart_key key = numbered(i);
        const struct cached_cart *cached = find(cache, i);
        cr_assert_not_null(cached);
        cr_assert(uuid_equal(&cached->entry.id, &key.cart_id));
    }
    cr_expect_null(find(cache, 20000));
    cart_cache_free(cache);
}

Test(cart_cache, a_removed_cart_is_gone_and_the_others_stay)
{
    struct cart_cache *cache = cart_cache_new(SIZE_MAX);
    add(cache, 1);
    cart_cache_remove(cache, add(cache, 2));
    add(cache, 3);
    cr_expect_null(find(cache, 2));
    cr_expect_not_null(find(cache, 1));
    cr_expect_not_null(find(cache, 3));
    cr_expect_eq(cart_cache_count(cache), 2);
    cart_cache_free(cache);
}

Test(cart_cache, trimming_removes_the_least_recently_used)
{
    struct cart_cache *cache = cart_cache_new(SIZE_MAX);
    size_t empty = cart_cache_bytes(cache);
    for (uint32_t i = 0; i < 4; i++)
        add(cache, i);
    size_t each = (cart_cache_bytes(cache) - empty) / 4;
    cart_cache_free(cache);

    cache = cart_cache_new(empty + 2 * each);
    for (uint32_t i = 0; i < 4; i++)
        add(cache, i);
    cr_expect_not_null(find(cache, 0));
    cr_expect_gt(cart_cache_bytes(cache), empty + 2 * each, "nothing goes before trimming");
    cart_cache_trim(cache, 1);
    cr_expect_eq(cart_cache_bytes(cache), empty + 2 * each);
    cr_expect_not_null(find(cache, 0), "it was used last");
    cr_expect_not_null(find(cache, 3));
    cr_expect_null(find(cache, 1));
    cr_expect_null(find(cache, 2));
    cart_cache_free(cache);
}

Test(cart_cache, trimming_spares_what_a_batch_is_reading)
{
    struct cart_cache *cache = cart_cache_new(0);
    add(cache, 1)->batch = 7;
    struct cached_cart *complete = add(cache, 2);
    complete->batch = 7;
    complete->is_complete = true;
    struct cached_cart *damaged = add(cache, 3);
    damaged->batch = 7;
    damaged->is_damaged = true;
    add(cache, 4)->batch = 6;
    cart_cache_trim(cache, 7);
    cr_expect_not_null(find(cache, 1));
    cr_expect_eq(cart_cache_count(cache), 1);
    cart_cache_trim(cache, 8);
    cr_expect_eq(cart_cache_count(cache), 0);
    cart_cache_free(cache);
}

Test(cart_cache, counts_what_a_cart_holds)
{
    struct cart_cache *cache = cart_cache_new(SIZE_MAX);
    struct cached_cart *cached = add(cache, 1);
    size_t before = cart_cache_bytes(cache);
    fatten(cache, cached, 200);
    cr_expect_geq(cart_cache_bytes(cache), before + 200);
    cr_expect_eq(cart_cache_bytes(cache), before + cached->cart.bytes);
    cart_cache_remove(cache, cached);
    cr_expect_lt(cart_cache_bytes(cache), before);
    cart_cache_free(cache);
}

Test(cart_cache, clearing_leaves_an_empty_cache_that_works)
{
    struct cart_cache *cache = cart_cache_new(SIZE_MAX);
    size_t empty = cart_cache_bytes(cache);
    for (uint32_t i = 0; i < 100; i++)
        fatten(cache, add(cache, i), 100);
    cart_cache_clear(cache);
    cr_expect_eq(cart_cache_count(cache), 0);
    cr_expect_eq(cart_cache_bytes(cache), empty);
    cr_expect_not_null(add(cache, 5));
    cart_cache_free(cache);
}

Test(cart_cache, a_cache_without_room_keeps_nothing)
{
    struct cart_cache *cache = cart_cache_new(0);
    add(cache, 1);
    cart_cache_trim(cache, 1);
    cr_expect_eq(cart_cache_count(cache), 0);
    cart_cache_free(cache);
}
