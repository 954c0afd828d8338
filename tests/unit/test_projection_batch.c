#include "projection_batch.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { PARTITIONS = 1, LINES = 500, LARGE_CARTS = 40 };

static struct view_cache *cache;
static struct projection_batch *batch;
static struct text bodies;
static struct text large_body; /* of every cart that the store has */
static int64_t position;

static struct uuid cart_id(uint32_t number)
{
    struct uuid id = {{1}};
    memcpy(&id.bytes[8], &number, sizeof(number));
    return id;
}

/* A cart's first event; later ones add a line, and share their data until another version comes. */
static struct recorded_event event_of(uint32_t cart, int32_t version)
{
    static const char created[] = "{\"currency\":\"EUR\",\"customerId\":null}";
    static char added[512];
    if (version > 1)
        snprintf(added, sizeof(added),
                 "{\"sku\":\"sku-%d\",\"name\":\"%0200d\",\"quantity\":1,\"unitPrice\":"
                 "{\"amountMinor\":5,\"currency\":\"EUR\"},\"lineQuantity\":1}",
                 version, version);
    return (struct recorded_event){
        .cart_id = cart_id(cart),
        .version = version,
        .position = ++position,
        .type = version == 1 ? STR_LITERAL("CartCreated") : STR_LITERAL("ItemAdded"),
        .schema_version = 1,
        .occurred_at_us = 1,
        .data = str_from(version == 1 ? created : added),
        .metadata = STR_LITERAL("{}"),
    };
}

static void make_large_body(void)
{
    struct cart_view view = {0};
    struct error error;
    for (int32_t version = 1; version <= LINES + 1; version++) {
        struct recorded_event event = event_of(0, version);
        cr_assert_eq(cart_view_apply_event(&view, &event, &error), STATUS_OK, "%s", error.message);
    }
    large_body = TEXT_INIT(CART_VIEW_BODY_MAX);
    cart_view_render(&view, &large_body);
    cart_view_done(&view);
}

static enum status load_carts(void *self, const struct uuid *cart_ids, size_t count,
                              stored_cart_fn *visit, void *context, struct error *error)
{
    (void)self;
    static const char member[] = "\"cartId\":\"";
    char *place = memmem(large_body.bytes, large_body.length, member, strlen(member));
    place += strlen(member);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        char id[UUID_TEXT_LENGTH + 1];
        uuid_format(&cart_ids[i], id);
        memcpy(place, id, UUID_TEXT_LENGTH);
        status =
            visit(context, &(struct stored_cart){cart_ids[i], LINES + 1, text_str(&large_body), 0},
                  error);
    }
    return status;
}
static const struct view_store store = {.load_carts = load_carts};

enum { CACHE_BYTES = 64 << 20 };

static void begin_with(size_t cache_bytes)
{
    position = 0;
    cache = view_cache_new(cache_bytes);
    bodies = TEXT_INIT(BATCH_BODIES_MAX);
    batch = projection_batch_new(cache, &bodies, PARTITIONS);
    make_large_body();
    batch_begin(batch);
}
static void begin(void)
{
    begin_with(CACHE_BYTES);
}
static void end(void)
{
    projection_batch_free(batch);
    text_done(&bodies);
    view_cache_free(cache);
    text_done(&large_body);
}
TestSuite(projection_batch, .init = begin, .fini = end);

static void take(uint32_t first_cart, uint32_t cart_count, int32_t version)
{
    struct error error;
    for (uint32_t cart = first_cart; cart < first_cart + cart_count; cart++) {
        struct recorded_event event = event_of(cart, version);
        struct batch_item *item = batch_take_event(batch, &event);
        cr_assert_eq(batch_want_cart(batch, item, true, &error), STATUS_OK);
    }
}

/* Applies what was taken, as far as there is room. Returns how many. */
static size_t apply(void)
{
    struct error error;
    size_t done = 0;
    cr_assert_eq(batch_load_carts(batch, &store, &error), STATUS_OK);
    for (; done < batch_item_count(batch) && batch_has_room(batch, batch_item(batch, done)); done++)
        cr_assert_eq(batch_apply(batch, batch_item(batch, done), NULL, &error), STATUS_OK);
    return done;
}

static struct view_write finish(size_t held_bytes_max)
{
    struct view_write write;
    struct error error;
    cr_assert_eq(batch_finish(batch, held_bytes_max, &write, &error), STATUS_OK);
    return write;
}

static void next_batch(void)
{
    batch_end(batch);
    batch_begin(batch);
}

/* It must be one transaction, or a refused event in it would never be found. */
Test(projection_batch, given_a_batch_full_of_large_views_when_none_may_be_held_then_all_are_written)
{
    take(0, LARGE_CARTS, LINES + 2);
    size_t done = apply();
    cr_assert_lt(done, LARGE_CARTS, "it ended because of its bytes");
    struct view_write write = finish(0);
    cr_assert_eq(write.view_count, done);
    cr_assert_not(write.stays_open);
}

Test(projection_batch, given_few_changes_when_they_may_be_held_then_no_view_is_written)
{
    take(0, 100, 1);
    cr_assert_eq(apply(), 100);
    struct view_write write = finish(1 << 20);
    cr_assert_eq(write.view_count, 0);
    cr_assert_eq(write.timeline_count, 100);
    cr_assert(write.stays_open);
    next_batch();
    write = finish(0);
    cr_assert_eq(write.view_count, 100);
    cr_assert_eq(write.timeline_count, 0);
    cr_assert_not(write.stays_open);
}

Test(projection_batch, given_many_small_carts_then_the_number_of_held_views_is_bounded)
{
    uint32_t cart = 0;
    size_t written = 0;
    while (cart < 2 * BATCH_HELD_VIEWS_MAX) {
        take(cart, BATCH_EVENTS_MAX, 1);
        cart += (uint32_t)apply();
        struct view_write write = finish(SIZE_MAX);
        written += write.view_count;
        cr_assert_leq(cart - written, BATCH_HELD_VIEWS_MAX);
        next_batch();
    }
    int writes = 0;
    for (bool is_open = true; is_open; writes++) {
        struct view_write write = finish(0);
        is_open = write.stays_open;
        cr_assert_leq(write.view_count, BATCH_EVENTS_MAX);
        written += write.view_count;
        next_batch();
    }
    cr_assert_eq(written, cart);
    cr_assert_eq(writes, BATCH_HELD_VIEWS_MAX / BATCH_EVENTS_MAX);
}

Test(projection_batch, given_held_views_when_large_ones_come_then_a_write_has_about_its_limit)
{
    size_t changed = 0;
    for (int writes = 0; writes < 2; writes++) {
        take((uint32_t)changed, LARGE_CARTS, LINES + 2);
        size_t done = apply();
        cr_assert_gt(done, 0, "what is held leaves room");
        changed += done;
        finish(SIZE_MAX);
        next_batch();
    }
    struct view_write write = finish(0);
    cr_assert(write.stays_open);
    cr_assert_lt(write.view_count, changed);
}

Test(projection_batch, given_a_cache_too_small_for_the_held_views_then_none_is_dropped)
{
    end();
    begin_with(1);
    take(0, 100, 1);
    cr_assert_eq(apply(), 100);
    finish(SIZE_MAX);
    next_batch();
    cr_assert_eq(finish(0).view_count, 100);
    next_batch();
    struct uuid written = cart_id(0);
    cr_assert_null(view_cache_find(cache, &written), "what is written may go");
}
