#include "projector_internal.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>

static const char subject[] = "projector";

/* What a batch is made from: records of the topic, or events of the log. */
struct source {
    const struct feed_record *records;
    const struct recorded_event *events;
    size_t count;
};

enum placed {
    PLACED,   /* done with this item */
    PLACE_NO, /* this item and what follows have to wait for another batch */
    PLACE_FAILED,
};

static void raise_question(struct projector *projector, struct projector_partition *partition)
{
    const struct event_feed *feed = projector->options.feed;
    feed->stop(feed->self, partition->progress.partition);
    partition->log = (struct backoff){0};
    partition->is_state_awaited = false; /* that state may be older than the question */
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

static const char *reason_to_refuse(const struct projector_partition *partition,
                                    const struct batch_item *item)
{
    const struct refused_record *refused = &partition->refused;
    bool is_it = refused->position == item->event.position &&
                 uuid_equal(&refused->event_id, &item->event.event_id);
    return is_it ? refused->reason : NULL;
}

static enum placed apply_next(struct projector *projector, struct projector_partition *partition,
                              const struct batch_item *item, struct error *error)
{
    if (!batch_has_room(projector->batch, item))
        return PLACE_NO;
    if (batch_apply(projector->batch, item, reason_to_refuse(partition, item), error) != STATUS_OK)
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
    case PROGRESS_QUESTION: /* seen by whoever asked: the question stays unanswered */
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

/* Could its cart be needed? */
static bool may_apply(struct projector *projector, const struct batch_item *item)
{
    const struct projector_partition *partition = projector_find(projector, item->partition);
    return partition != NULL && item->has_place &&
           (partition->progress.phase == PROGRESS_FOLLOWING ||
            partition->progress.phase == PROGRESS_ASKING) &&
           item->event.position > partition->progress.reached.position;
}

static enum status take_items(struct projector *projector, const struct source *source,
                              struct error *error)
{
    size_t most = projector->careful_left > 0 ? 1 : BATCH_EVENTS_MAX;
    for (size_t i = 0; i < source->count && i < most; i++) {
        const struct batch_item *item =
            source->records != NULL ? batch_take_record(projector->batch, &source->records[i])
                                    : batch_take_event(projector->batch, &source->events[i]);
        if (!may_apply(projector, item))
            continue;
        enum status status = batch_want_cart(projector->batch, item, error);
        if (status != STATUS_OK)
            return status;
    }
    return batch_load_carts(projector->batch, projector->options.store, error);
}

/* Lists the moves of the partitions that the batch touches, in order of partition. */
static size_t list_moves(struct projector *projector)
{
    size_t count = 0;
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (!partition->is_touched)
            continue;
        partition->is_touched = false;
        projector->moves[count++] = (struct checkpoint_move){
            .partition = (int16_t)i,
            .from = partition->progress.stored,
            .to = partition->progress.reached,
        };
    }
    return count;
}

static bool has_moved(const struct projector *projector, size_t move_count, int16_t partition)
{
    for (size_t i = 0; i < move_count; i++)
        if (projector->moves[i].partition == partition)
            return projector->moved[i];
    return false;
}

static void tell_changes(struct projector *projector, const struct view_write *write)
{
    const struct projector_observer *observer = &projector->options.observer;
    size_t count = 0;
    for (size_t i = 0; i < write->view_count; i++)
        if (has_moved(projector, write->move_count, write->views[i].partition))
            projector->changes[count++] =
                (struct cart_change){write->views[i].cart_id, write->views[i].version};
    if (count > 0 && observer->changed != NULL)
        observer->changed(observer->context, projector->changes, count);
}

/*
 * One line for a batch: a bad release of another team can park a lot at once. What was to be parked
 * in a partition that somebody else has moved was not: its carts only looked wrong because they
 * were loaded in a newer state.
 */
static void tell_parked(struct projector *projector, const struct view_write *write)
{
    const struct parked_record *first = NULL;
    int64_t count = 0;
    for (size_t i = 0; i < write->parked_record_count; i++) {
        const struct parked_record *record = &write->parked_records[i];
        if (!has_moved(projector, write->move_count, record->partition))
            continue;
        first = first != NULL ? first : record;
        count++;
    }
    if (first == NULL)
        return;
    projector->is_parked_count_due = true;
    stat_add(&projector->stats.parked_total, count);
    char id[UUID_TEXT_LENGTH + 1] = "";
    if (first->has_cart)
        uuid_format(&first->cart_id, id);
    log_error(subject, "records have been set aside", LOG_INT("records", count),
              LOG_INT("first_partition", first->partition),
              LOG_INT("first_position", first->position),
              LOG_INT("first_offset", first->kafka_offset), LOG_STR("first_cart", id),
              LOG_STR("first_reason", first->reason));
}

static void settle(struct projector *projector, const struct view_write *write)
{
    for (size_t i = 0; i < write->move_count; i++) {
        const struct checkpoint_move *move = &projector->moves[i];
        struct projector_partition *partition = &projector->partitions[move->partition];
        if (projector->moved[i]) {
            stat_add(&projector->stats.applied_total, move->to.position - move->from.position);
            progress_written(&partition->progress);
            partition->written_at_us = projector->now_us;
            continue;
        }
        stat_add(&projector->stats.stale_total, 1);
        log_warning(subject, "somebody else has moved a partition: reading where it is",
                    LOG_INT("partition", move->partition),
                    LOG_INT("position", move->from.position));
        projector_reload(projector, partition);
    }
    tell_parked(projector, write);
    tell_changes(projector, write);
}

/*
 * Something in the batch is what the store does not take. All of it comes again from the topic and
 * is written one event at a time; the one that fails alone is parked. False: parking it failed too.
 */
static bool be_careful(struct projector *projector, const struct error *error)
{
    const struct batch_item *item = batch_item(projector->batch, 0);
    bool is_alone = batch_item_count(projector->batch) == 1;
    struct projector_partition *partition = projector_find(projector, item->partition);
    if (is_alone && (!item->has_place || reason_to_refuse(partition, item) != NULL))
        return false;
    if (is_alone) {
        struct refused_record *refused = &partition->refused;
        refused->position = item->event.position;
        refused->event_id = item->event.event_id;
        snprintf(refused->reason, sizeof(refused->reason), "%s", error->message);
    }
    log_error(subject, "the view store does not take what an event says",
              LOG_STR("error", error->message));
    projector->careful_left = 2 * BATCH_EVENTS_MAX;
    return true;
}

static void reload_moved(struct projector *projector, size_t move_count)
{
    for (size_t i = 0; i < move_count; i++)
        projector_reload(projector, &projector->partitions[projector->moves[i].partition]);
}

static enum status write_views(struct projector *projector, struct view_write *write,
                               size_t move_count, struct error *error)
{
    const struct view_store *store = projector->options.store;
    const struct projector_observer *observer = &projector->options.observer;
    write->moves = projector->moves;
    write->move_count = move_count;
    if (observer->writing != NULL)
        observer->writing(observer->context, write->views, write->view_count);
    return store->write(store->self, write, projector->moved, error);
}

static void write_batch(struct projector *projector)
{
    const struct projector_observer *observer = &projector->options.observer;
    struct view_write write;
    struct error error;
    size_t move_count = list_moves(projector);
    if (move_count == 0)
        return;
    enum status status = batch_finish(projector->batch, &write, &error);
    int64_t began_us = projector->options.now_us();
    if (status == STATUS_OK)
        status = write_views(projector, &write, move_count, &error);
    projector->now_us = projector->options.now_us();
    if (status == STATUS_OK) {
        projector_store_worked(projector);
        settle(projector, &write);
        if (observer->committed != NULL)
            observer->committed(observer->context, write.timeline_count + write.parked_record_count,
                                projector->now_us - began_us);
    } else {
        bool is_refused = status == STATUS_INVALID || status == STATUS_CONFLICT;
        if (!is_refused || !be_careful(projector, &error))
            projector_store_failed(projector, status, &error);
        reload_moved(projector, move_count);
    }
    if (observer->wrote != NULL)
        observer->wrote(observer->context);
}

/* One batch. How many of the source's items are done with, at least one. */
static size_t project_some(struct projector *projector, const struct source *source)
{
    struct error error;
    batch_begin(projector->batch);
    enum status status = take_items(projector, source, &error);
    enum placed placed = status == STATUS_OK ? PLACED : PLACE_FAILED;
    size_t done = 0;
    while (placed == PLACED && done < batch_item_count(projector->batch)) {
        placed = place(projector, batch_item(projector->batch, done), &error);
        done += placed == PLACED ? 1 : 0;
    }
    if (placed == PLACE_FAILED) {
        size_t move_count = list_moves(projector);
        projector_store_failed(projector, STATUS_UNAVAILABLE, &error);
        reload_moved(projector, move_count);
        done = source->count;
    } else {
        write_batch(projector);
    }
    projector->careful_left -= done < projector->careful_left ? done : projector->careful_left;
    batch_end(projector->batch);
    return done;
}

static void project(struct projector *projector, struct source source)
{
    while (source.count > 0) {
        size_t done = project_some(projector, &source);
        source.count -= done;
        if (source.records != NULL)
            source.records += done;
        if (source.events != NULL)
            source.events += done;
    }
}

void projector_project_records(struct projector *projector, const struct feed_record *records,
                               size_t count)
{
    project(projector, (struct source){.records = records, .count = count});
}

void projector_project_events(struct projector *projector, const struct recorded_event *events,
                              size_t count)
{
    project(projector, (struct source){.events = events, .count = count});
}
