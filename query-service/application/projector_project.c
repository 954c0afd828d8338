#include "projector_internal.h"

#include "clock.h"

/* What a batch is made from: records of the topic, or events of the log. */
struct source {
    const struct feed_record *records;
    const struct recorded_event *events;
    size_t count;
    bool goes_on; /* with another source soon */
};

enum placed {
    PLACED,   /* done with this item */
    PLACE_NO, /* this item and those after it have to wait for another batch */
    PLACE_FAILED,
};

static void raise_question(struct projector *projector, struct projector_partition *partition)
{
    const struct event_feed *feed = projector->options.feed;
    feed->stop(feed->self, partition->progress.partition);
    partition->log = (struct backoff){0};
    /* A state asked for earlier may be older than the question */
    partition->is_state_awaited = false;
    projector->is_state_wanted = true;
    projector->has_news = true;
    stat_add(&projector->stats.gaps_total, 1);
}

static enum placed set_aside(struct projector *projector, struct projector_partition *partition,
                             const struct batch_item *item, struct error *error)
{
    const char *reason = item->has_place ? "the log has no such event at its position" : NULL;
    if (batch_park_junk(projector->batch, item, reason, error) != STATUS_OK)
        return PLACE_FAILED;
    partition->is_touched = true;
    return PLACED;
}

static enum placed apply_next(struct projector *projector, struct projector_partition *partition,
                              const struct batch_item *item, struct error *error)
{
    if (!batch_has_room(projector->batch, item))
        return PLACE_NO;
    if (batch_apply(projector->batch, item, projector_reason_to_refuse(partition, item), error) !=
        STATUS_OK)
        return PLACE_FAILED;
    partition->is_touched = true;
    progress_advance(&partition->progress, &item->event,
                     item->record != NULL ? item->record->offset
                                          : partition->progress.asked_offset);
    return PLACED;
}

static enum placed place_record(struct projector *projector, const struct batch_item *item,
                                struct error *error)
{
    struct projector_partition *partition = projector_find(projector, item->partition);
    if (partition == NULL || partition->progress.phase != PROGRESS_FOLLOWING)
        return PLACED;
    enum placed placed = PLACED;
    enum progress_verdict verdict = PROGRESS_JUNK;
    if (item->has_place)
        verdict = progress_judge(&partition->progress, item->record->offset, item->event.position,
                                 &item->event.event_id);
    switch (verdict) {
    case PROGRESS_NEXT:
        placed = apply_next(projector, partition, item, error);
        break;
    case PROGRESS_DUPLICATE:
        stat_add(&projector->stats.duplicates_total, 1);
        break;
    case PROGRESS_JUNK:
        placed = set_aside(projector, partition, item, error);
        break;
    case PROGRESS_QUESTION:
    case PROGRESS_OTHER:
        raise_question(projector, partition);
        return PLACED;
    }
    if (placed == PLACED)
        partition->progress.next_offset = item->record->offset + 1;
    return placed;
}

static enum placed place_event(struct projector *projector, const struct batch_item *item,
                               struct error *error)
{
    struct projector_partition *partition = projector_find(projector, item->partition);
    if (partition == NULL || partition->progress.phase != PROGRESS_ASKING)
        return PLACED;
    switch (
        progress_judge_answer(&partition->progress, item->event.position, &item->event.event_id)) {
    case PROGRESS_NEXT:
        return apply_next(projector, partition, item, error);
    case PROGRESS_OTHER:
        projector_stop_partition(projector, partition);
        return PLACED;
    case PROGRESS_DUPLICATE:
    case PROGRESS_JUNK:
    case PROGRESS_QUESTION: /* the caller sees it: the question stays unanswered */
        break;
    }
    return PLACED;
}

static enum placed place(struct projector *projector, const struct batch_item *item,
                         struct error *error)
{
    return item->record != NULL ? place_record(projector, item, error)
                                : place_event(projector, item, error);
}

/* Whether the item's cart could be needed. */
static bool may_apply(const struct projector_partition *partition, const struct batch_item *item)
{
    return partition != NULL && item->has_place &&
           (partition->progress.phase == PROGRESS_FOLLOWING ||
            partition->progress.phase == PROGRESS_ASKING) &&
           item->event.position > partition->progress.reached.position;
}

static enum status take_items(struct projector *projector, const struct source *source,
                              struct error *error)
{
    size_t most = projector->careful_left > 0 ? 1 : projector->batch_events;
    for (int i = 0; i < projector->options.partition_count; i++)
        projector->partitions[i].expected_position =
            projector->partitions[i].progress.reached.position + 1;
    for (size_t i = 0; i < source->count && i < most; i++) {
        struct batch_item *item = source->records != NULL
                                      ? batch_take_record(projector->batch, &source->records[i])
                                      : batch_take_event(projector->batch, &source->events[i]);
        struct projector_partition *partition = projector_find(projector, item->partition);
        if (!may_apply(partition, item))
            continue;
        bool is_next = item->event.position == partition->expected_position;
        partition->expected_position += is_next ? 1 : 0;
        enum status status = batch_want_cart(projector->batch, item, is_next, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* Makes one batch. Returns how many of the source's items are done; 0 if the batch before
 * failed. */
static size_t project_some(struct projector *projector, const struct source *source)
{
    struct projection_batch *batch = projector->batch;
    struct error error;
    batch_begin(batch);
    enum status status = take_items(projector, source, &error);
    if (batch_has_to_load(batch) && !projector_end_write(projector)) {
        batch_end(batch);
        return 0;
    }
    if (status == STATUS_OK)
        status = batch_load_carts(batch, projector->options.store, &error);
    enum placed placed = status == STATUS_OK ? PLACED : PLACE_FAILED;
    size_t done = 0;
    while (placed == PLACED && done < batch_item_count(batch)) {
        placed = place(projector, batch_item(batch, done), &error);
        done += placed == PLACED ? 1 : 0;
    }
    if (placed == PLACE_FAILED) {
        projector_give_up(projector, &error);
        done = source->count;
    } else {
        projector_begin_write(projector, source->goes_on);
    }
    batch_end(batch);
    return done;
}

/* Large carts, or events one at a time, take many batches. Stopping does not wait for all of them:
 * the rest comes again. */
static void project(struct projector *projector, struct source source)
{
    while (source.count > 0 &&
           !atomic_load_explicit(&projector->is_stopping, memory_order_acquire)) {
        stat_set(&projector->stats.turned_at_us, clock_monotonic_us());
        size_t done = project_some(projector, &source);
        source.count -= done;
        if (source.records != NULL)
            source.records += done;
        if (source.events != NULL)
            source.events += done;
    }
}

void projector_project_records(struct projector *projector, const struct feed_record *records,
                               size_t count, bool goes_on)
{
    project(projector, (struct source){.records = records, .count = count, .goes_on = goes_on});
}

void projector_project_events(struct projector *projector, const struct recorded_event *events,
                              size_t count)
{
    project(projector, (struct source){.events = events, .count = count});
    projector_finish_writing(projector);
}
