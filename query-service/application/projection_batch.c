#include "projection_batch.h"

#include "cart_partition.h"
#include "utf8.h"
#include "view_row.h"

#include <assert.h>
#include <stdlib.h>

/* A record set aside; what it points to lives as long as the batch. */
struct parked_slot {
    struct cloud_event *made; /* the record, made for an event that came without one */
    char reason[ERROR_MESSAGE_MAX];
};

struct projection_batch {
    struct view_cache *cache;
    int partition_count;
    size_t item_count;
    struct batch_item items[BATCH_EVENTS_MAX];

    size_t added_count; /* to the cache */
    struct uuid added[BATCH_EVENTS_MAX];
    size_t wanted_count; /* of the store */
    struct uuid wanted[BATCH_EVENTS_MAX];

    size_t held_bytes; /* of views that changed before */
    struct view_row views[BATCH_EVENTS_MAX];
    size_t body_ends[BATCH_EVENTS_MAX];
    struct text *bodies;

    size_t timeline_count;
    const struct recorded_event *timeline[BATCH_EVENTS_MAX];

    size_t parked_cart_count;
    struct parked_cart parked_carts[BATCH_EVENTS_MAX];
    size_t parked_count;
    struct parked_record parked[BATCH_EVENTS_MAX];
    struct parked_slot *slots[BATCH_EVENTS_MAX];
};

enum { EMPTY_BODY_BYTES = 400 }; /* a view without lines, about */

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "out of memory");
}

struct projection_batch *projection_batch_new(struct view_cache *cache, struct text *bodies,
                                              int partition_count)
{
    struct projection_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->cache = cache;
    batch->partition_count = partition_count;
    batch->bodies = bodies;
    for (size_t i = 0; i < BATCH_EVENTS_MAX; i++)
        batch->items[i].metadata = TEXT_INIT(CLOUD_EVENT_METADATA_MAX);
    return batch;
}

void projection_batch_free(struct projection_batch *batch)
{
    if (batch == NULL)
        return;
    batch_begin(batch);
    for (size_t i = 0; i < BATCH_EVENTS_MAX; i++)
        text_done(&batch->items[i].metadata);
    free(batch);
}

void batch_begin(struct projection_batch *batch)
{
    for (size_t i = 0; i < batch->parked_count; i++) {
        free(batch->slots[i]->made);
        free(batch->slots[i]);
    }
    batch->item_count = 0;
    batch->added_count = 0;
    batch->wanted_count = 0;
    batch->held_bytes = view_cache_changed_bytes(batch->cache);
    batch->timeline_count = 0;
    batch->parked_cart_count = 0;
    batch->parked_count = 0;
}

static struct batch_item *add_item(struct projection_batch *batch, int16_t partition)
{
    assert(batch->item_count < BATCH_EVENTS_MAX);
    struct batch_item *item = &batch->items[batch->item_count++];
    item->record = NULL;
    item->partition = partition;
    item->has_place = false;
    item->cart = NULL;
    return item;
}

/* STATUS_INVALID: not one of our records. */
static enum status read_record(const struct projection_batch *batch,
                               const struct feed_record *record, struct text *metadata,
                               struct recorded_event *ret_event, struct error *error)
{
    enum status status =
        cloud_event_read(record->partition, record->key, record->value, record->headers,
                         record->header_count, metadata, ret_event, error);
    if (status == STATUS_OK &&
        cart_partition(&ret_event->cart_id, batch->partition_count) != record->partition)
        return error_set(error, STATUS_INVALID, "its cart belongs to another partition");
    return status;
}

struct batch_item *batch_take_record(struct projection_batch *batch,
                                     const struct feed_record *record)
{
    struct batch_item *item = add_item(batch, record->partition);
    item->record = record;
    item->has_place = read_record(batch, record, &item->metadata, &item->event, NULL) == STATUS_OK;
    return item;
}

struct batch_item *batch_take_event(struct projection_batch *batch,
                                    const struct recorded_event *event)
{
    struct batch_item *item = add_item(batch, event->partition);
    item->has_place = true;
    item->event = *event;
    return item;
}

size_t batch_item_count(const struct projection_batch *batch)
{
    return batch->item_count;
}

const struct batch_item *batch_item(const struct projection_batch *batch, size_t index)
{
    assert(index < batch->item_count);
    return &batch->items[index];
}

enum status batch_want_cart(struct projection_batch *batch, struct batch_item *item, bool is_next,
                            struct error *error)
{
    const struct uuid *cart_id = &item->event.cart_id;
    item->cart = view_cache_find(batch->cache, cart_id);
    if (item->cart != NULL)
        return STATUS_OK;
    item->cart = view_cache_add(batch->cache, cart_id, item->partition);
    if (item->cart == NULL)
        return no_memory(error);
    batch->added[batch->added_count++] = *cart_id;
    item->cart->is_loaded = is_next && item->event.version == 1;
    if (item->cart->is_loaded)
        view_cache_resize(batch->cache, item->cart, EMPTY_BODY_BYTES);
    else
        batch->wanted[batch->wanted_count++] = *cart_id;
    return STATUS_OK;
}

bool batch_has_to_load(const struct projection_batch *batch)
{
    return batch->wanted_count > 0;
}

static enum status put_cart(void *context, const struct stored_cart *stored, struct error *error)
{
    struct projection_batch *batch = context;
    struct cached_view *cart = view_cache_find(batch->cache, &stored->cart_id);
    assert(cart != NULL && !cart->is_loaded);
    if (!str_is_none(stored->body)) {
        enum status status = cart_view_read(stored->body, &cart->view, error);
        cart->is_damaged = status == STATUS_INVALID;
        if (status != STATUS_OK && !cart->is_damaged)
            return status;
    }
    cart->is_parked = stored->is_parked;
    cart->is_loaded = true;
    view_cache_resize(batch->cache, cart, stored->body.length);
    return STATUS_OK;
}

enum status batch_load_carts(struct projection_batch *batch, const struct view_store *store,
                             struct error *error)
{
    if (batch->wanted_count == 0)
        return STATUS_OK;
    return store->load_carts(store->self, batch->wanted, batch->wanted_count, put_cart, batch,
                             error);
}

bool batch_has_room(const struct projection_batch *batch, const struct batch_item *item)
{
    assert(item->cart != NULL);
    return item->cart->is_loaded &&
           view_cache_changed_bytes(batch->cache) < batch->held_bytes + BATCH_VIEW_BYTES_MAX;
}

static struct parked_record *add_parked(struct projection_batch *batch,
                                        const struct batch_item *item, const char *reason)
{
    struct parked_slot *slot = calloc(1, sizeof(*slot));
    if (slot == NULL)
        return NULL;
    /* The reason may quote the record. */
    const char *printable = utf8_is_printable(str_from(reason)) ? reason : "cannot be read";
    memcpy(slot->reason, printable, strnlen(printable, sizeof(slot->reason) - 1));
    batch->slots[batch->parked_count] = slot;
    struct parked_record *parked = &batch->parked[batch->parked_count++];
    *parked = (struct parked_record){
        .partition = item->partition,
        .kafka_offset = KAFKA_OFFSET_UNKNOWN,
        .reason = slot->reason,
    };
    if (item->record != NULL) {
        parked->kafka_offset = item->record->offset;
        parked->key = item->record->key;
        parked->value = item->record->value;
        parked->headers = item->record->headers;
        parked->header_count = item->record->header_count;
    }
    return parked;
}

/* Makes the record that the topic would have carried. */
static enum status make_record(struct parked_slot *slot, const struct recorded_event *event,
                               struct parked_record *parked, struct error *error)
{
    slot->made = malloc(sizeof(*slot->made));
    if (slot->made == NULL)
        return no_memory(error);
    struct recorded_event bare = *event;
    bare.metadata = STR_LITERAL("{}");
    if (cloud_event_from(event, slot->made, error) != STATUS_OK &&
        cloud_event_from(&bare, slot->made, error) != STATUS_OK)
        return STATUS_OK; /* its position is enough to find it */
    parked->key = str_from(slot->made->key);
    parked->value = slot->made->value;
    parked->headers = slot->made->headers;
    parked->header_count = slot->made->header_count;
    return STATUS_OK;
}

static enum status park_event(struct projection_batch *batch, const struct batch_item *item,
                              const char *reason, struct error *error)
{
    struct cached_view *cart = item->cart;
    struct parked_record *parked = add_parked(batch, item, reason);
    if (parked == NULL)
        return no_memory(error);
    struct parked_slot *slot = batch->slots[batch->parked_count - 1];
    parked->position = item->event.position;
    parked->has_cart = true;
    parked->cart_id = item->event.cart_id;
    if (!cart->is_parked) {
        cart->is_parked = true;
        batch->parked_carts[batch->parked_cart_count++] = (struct parked_cart){
            .cart_id = item->event.cart_id,
            .partition = item->partition,
            .version = item->event.version,
            .reason = slot->reason,
        };
    }
    return item->record != NULL ? STATUS_OK : make_record(slot, &item->event, parked, error);
}

enum status batch_apply(struct projection_batch *batch, const struct batch_item *item,
                        const char *refused, struct error *error)
{
    struct cached_view *cart = item->cart;
    assert(cart->is_loaded && item->has_place);
    struct error problem = {0};
    enum status status = STATUS_INVALID;
    if (cart->is_damaged)
        refused = "the stored view of its cart cannot be read: rebuild the views";
    if (cart->is_parked)
        refused = "an earlier event of this cart could not be applied";
    if (refused == NULL)
        status = cart_view_apply_event(&cart->view, &item->event, &problem);
    if (status == STATUS_INVALID)
        return park_event(batch, item, refused != NULL ? refused : problem.message, error);
    if (status != STATUS_OK)
        return error_set(error, status, "%s", problem.message);

    view_cache_change(batch->cache, cart, item->event.data.length);
    batch->timeline[batch->timeline_count++] = &item->event;
    return STATUS_OK;
}

enum status batch_park_junk(struct projection_batch *batch, const struct batch_item *item,
                            const char *reason, struct error *error)
{
    assert(item->record != NULL);
    struct error problem = {0};
    if (reason == NULL) {
        AUTO(text_done) struct text metadata = TEXT_INIT(CLOUD_EVENT_METADATA_MAX);
        struct recorded_event event;
        if (read_record(batch, item->record, &metadata, &event, &problem) == STATUS_OK)
            return STATUS_OK;
        reason = problem.message;
    }
    return add_parked(batch, item, reason) != NULL ? STATUS_OK : no_memory(error);
}

static bool is_full(const struct projection_batch *batch, size_t view_count, size_t held_bytes_max)
{
    size_t bytes_max = held_bytes_max > 0 ? BATCH_VIEW_BYTES_MAX : BATCH_LAST_BYTES_MAX;
    return view_count == BATCH_EVENTS_MAX ||
           (batch->held_bytes > 0 && batch->bodies->length >= bytes_max);
}

/* Returns how many. */
static size_t render_views(struct projection_batch *batch, size_t held_bytes_max)
{
    struct text *bodies = batch->bodies;
    text_clear(bodies);
    size_t count = 0;
    while ((view_cache_changed_bytes(batch->cache) > held_bytes_max ||
            view_cache_changed_count(batch->cache) > BATCH_HELD_VIEWS_MAX) &&
           !is_full(batch, count, held_bytes_max)) {
        struct cached_view *cart = view_cache_take_changed(batch->cache);
        size_t start = bodies->length;
        cart_view_render(&cart->view, bodies);
        batch->body_ends[count] = bodies->length;
        view_cache_resize(batch->cache, cart, bodies->length - start);
        batch->views[count++] = view_row_of(&cart->view, cart->partition, STR_NONE);
    }
    return count;
}

enum status batch_finish(struct projection_batch *batch, size_t held_bytes_max,
                         struct view_write *ret_write, struct error *error)
{
    size_t view_count = render_views(batch, held_bytes_max);
    if (!text_ok(batch->bodies))
        return no_memory(error);
    size_t start = 0;
    for (size_t i = 0; i < view_count; i++) {
        batch->views[i].body =
            (struct str){batch->bodies->bytes + start, batch->body_ends[i] - start};
        start = batch->body_ends[i];
    }
    *ret_write = (struct view_write){
        .stays_open = view_cache_changed_count(batch->cache) > 0,
        .views = batch->views,
        .view_count = view_count,
        .timeline = batch->timeline,
        .timeline_count = batch->timeline_count,
        .parked_carts = batch->parked_carts,
        .parked_cart_count = batch->parked_cart_count,
        .parked_records = batch->parked,
        .parked_record_count = batch->parked_count,
    };
    return STATUS_OK;
}

void batch_end(struct projection_batch *batch)
{
    for (size_t i = 0; i < batch->added_count; i++) {
        struct cached_view *cart = view_cache_find(batch->cache, &batch->added[i]);
        if (cart != NULL && cart->view.version == 0 && !cart->is_parked)
            view_cache_drop(batch->cache, cart);
    }
    view_cache_trim(batch->cache);
}
