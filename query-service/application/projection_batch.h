/*
 * projection_batch.h - one batch of events on its way into the views: what came, the carts it
 * changes, and the rows to write.
 *
 * Does not judge order or duplicates: the projector does that for each event first. One thread.
 */
#pragma once

#include "event_feed.h"
#include "view_cache.h"
#include "view_store.h"

enum {
    BATCH_EVENTS_MAX = 1500,
    BATCH_HELD_VIEWS_MAX = 4 * BATCH_EVENTS_MAX,
    BATCH_VIEW_BYTES_MAX = 4 * 1024 * 1024, /* bodies that one batch writes, approximately */
    BATCH_LAST_BYTES_MAX = 1024 * 1024,     /* in each write of what was held until the end */
    BATCH_BODIES_MAX = 64 * 1024 * 1024,    /* the hard limit of `bodies` */
};

struct batch_item {
    const struct feed_record *record; /* borrowed; NULL: the event came from the log itself */
    int16_t partition;
    bool has_place; /* `event` could be read, and its cart lives in this partition */
    struct recorded_event event;
    struct text metadata;     /* where event.metadata is */
    struct cached_view *cart; /* NULL: not wanted; borrowed until batch_end() or until its partition
                               * is dropped */
};

struct projection_batch;

/* *New*: projection_batch_free(). Borrows the cache, and `bodies`, where the views are rendered.
 * Other batches may share both. NULL: out of memory. */
MUST_CHECK struct projection_batch *projection_batch_new(struct view_cache *cache,
                                                         struct text *bodies, int partition_count);
void projection_batch_free(struct projection_batch *batch);

/* Forgets what was in it. */
void batch_begin(struct projection_batch *batch);

/* One more item, at most BATCH_EVENTS_MAX. Borrows until batch_begin(). */
struct batch_item *batch_take_record(struct projection_batch *batch,
                                     const struct feed_record *record);
struct batch_item *batch_take_event(struct projection_batch *batch,
                                    const struct recorded_event *event);
size_t batch_item_count(const struct projection_batch *batch);
const struct batch_item *batch_item(const struct projection_batch *batch, size_t index);

/* The item's cart will be needed: sets item->cart. `is_next`: nothing can come before the item in
 * its partition. So if the item is a cart's first event, the store cannot have that cart yet.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status batch_want_cart(struct projection_batch *batch, struct batch_item *item,
                                       bool is_next, struct error *error);
bool batch_has_to_load(const struct projection_batch *batch);
/* Loads the wanted carts that are not in the cache, up to what fits in one answer of the store. */
MUST_CHECK enum status batch_load_carts(struct projection_batch *batch,
                                        const struct view_store *store, struct error *error);

/* Of an item whose cart is wanted. False: it has to wait for another batch, because its cart is not
 * loaded or this batch is full. */
bool batch_has_room(const struct projection_batch *batch, const struct batch_item *item);

/*
 * Applies the event to its cart, or parks it when that is impossible. `refused`: a reason to park
 * it untried, or NULL. STATUS_NO_MEMORY: throw the batch and the partition's carts away.
 */
MUST_CHECK enum status batch_apply(struct projection_batch *batch, const struct batch_item *item,
                                   const char *refused, struct error *error);

/* Parks a record that has no place in the log. `reason` NULL: says what is wrong with the
 * record. */
MUST_CHECK enum status batch_park_junk(struct projection_batch *batch,
                                       const struct batch_item *item, const char *reason,
                                       struct error *error);

/* What there is to write, without `moves`; borrowed until batch_begin(), but the views' bodies only
 * until a batch that shares them is finished, or somebody empties what they are in. Its views are
 * those that changed first, until it is full, or until BATCH_HELD_VIEWS_MAX and about
 * `held_bytes_max` are left for the next batches; then it `stays_open`. Never, if none were held
 * before, and 0 may be. STATUS_NO_MEMORY. */
MUST_CHECK enum status batch_finish(struct projection_batch *batch, size_t held_bytes_max,
                                    struct view_write *ret_write, struct error *error);

/* Forgets the wanted carts that turned out not to exist. After this, only ask what the items
 * were. */
void batch_end(struct projection_batch *batch);
