#include "projector_internal.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>

enum { BODIES_KEPT_MAX = 1024 * 1024 }; /* bytes, between two writes */

static const char subject[] = "projector";

const char *projector_reason_to_refuse(const struct projector_partition *partition,
                                       const struct batch_item *item)
{
    const struct refused_record *refused = &partition->refused;
    bool is_it = refused->position == item->event.position &&
                 uuid_equal(&refused->event_id, &item->event.event_id);
    return is_it ? refused->reason : NULL;
}

/*
 * Lists the moves of the partitions that the transaction has touched, in order of partition. One
 * that stays open takes all that it could touch later: two projectors that both think a partition
 * is theirs then wait for each other, but never in a circle.
 */
static size_t list_moves(struct projector *projector, bool stays_open)
{
    size_t count = 0;
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (stays_open && partition->is_ours && partition->progress.phase == PROGRESS_FOLLOWING)
            partition->is_touched = true;
        if (!partition->is_touched)
            continue;
        partition->is_touched = stays_open;
        projector->moves[count++] = (struct checkpoint_move){
            .partition = (int16_t)i,
            .from = partition->progress.stored,
            .to = partition->progress.reached,
        };
    }
    return count;
}

static bool has_moved(const struct projector *projector, int16_t partition)
{
    for (size_t i = 0; i < projector->write.move_count; i++)
        if (projector->moves[i].partition == partition)
            return projector->moved[i];
    return false;
}

static size_t count_events(const struct view_write *write)
{
    return write->timeline_count + write->parked_record_count;
}

/* What was parked is in no view. */
static int64_t count_applied(const struct projector *projector)
{
    int64_t count = 0;
    for (size_t i = 0; i < projector->write.timeline_count; i++)
        count += has_moved(projector, projector->write.timeline[i]->partition) ? 1 : 0;
    return count;
}

static void tell_changes(struct projector *projector)
{
    const struct view_write *write = &projector->write;
    const struct projector_observer *observer = &projector->options.observer;
    size_t count = 0;
    for (size_t i = 0; i < write->view_count; i++)
        if (has_moved(projector, write->views[i].partition))
            projector->changes[count++] =
                (struct cart_change){write->views[i].cart_id, write->views[i].version};
    if (count > 0 && observer->changed != NULL)
        observer->changed(observer->context, projector->changes, count);
}

/*
 * One line for a transaction: a bad release of another team can park a lot at once. What was to be
 * parked in a partition that somebody else has moved was not: its carts only looked wrong because
 * they were loaded in a newer state.
 */
static void count_parked(struct projector *projector)
{
    const struct view_write *write = &projector->write;
    struct transaction *transaction = &projector->transaction;
    for (size_t i = 0; i < write->parked_record_count; i++) {
        const struct parked_record *record = &write->parked_records[i];
        if (!has_moved(projector, record->partition))
            continue;
        if (transaction->parked++ > 0)
            continue;
        transaction->first_parked = *record;
        snprintf(transaction->first_reason, sizeof(transaction->first_reason), "%s",
                 record->reason);
    }
}

static void tell_parked(struct projector *projector)
{
    const struct transaction *transaction = &projector->transaction;
    const struct parked_record *first = &transaction->first_parked;
    if (transaction->parked == 0)
        return;
    projector->is_parked_count_due = true;
    stat_add(&projector->stats.parked_total, transaction->parked);
    char id[UUID_TEXT_LENGTH + 1] = "";
    if (first->has_cart)
        uuid_format(&first->cart_id, id);
    log_error(subject, "records have been set aside", LOG_INT("records", transaction->parked),
              LOG_INT("first_partition", first->partition),
              LOG_INT("first_position", first->position),
              LOG_INT("first_offset", first->kafka_offset), LOG_STR("first_cart", id),
              LOG_STR("first_reason", transaction->first_reason));
}

/* False: a partition was somewhere else. */
static bool have_all_moved(struct projector *projector)
{
    bool is_all = true;
    for (size_t i = 0; i < projector->write.move_count; i++) {
        const struct checkpoint_move *move = &projector->moves[i];
        if (projector->moved[i])
            continue;
        is_all = false;
        stat_add(&projector->stats.stale_total, 1);
        log_warning(subject, "somebody else has moved a partition: reading where it is",
                    LOG_INT("partition", move->partition),
                    LOG_INT("position", move->from.position));
    }
    return is_all;
}

static void reload_touched(struct projector *projector)
{
    for (int i = 0; i < projector->options.partition_count; i++)
        if (projector->partitions[i].is_touched)
            projector_reload(projector, &projector->partitions[i]);
}

static void settle(struct projector *projector)
{
    for (size_t i = 0; i < projector->write.move_count; i++) {
        const struct checkpoint_move *move = &projector->moves[i];
        struct projector_partition *partition = &projector->partitions[move->partition];
        if (!projector->moved[i]) {
            projector_reload(projector, partition);
            continue;
        }
        progress_written(&partition->progress, &move->to);
        if (partition->refused.position <= move->to.position)
            partition->refused.position = 0; /* it is parked; who makes it again tries it */
        partition->written_at_us = projector->now_us;
    }
    projector->transaction.events += count_events(&projector->write);
    projector->transaction.applied += count_applied(projector);
    count_parked(projector);
}

/*
 * Something in the transaction is what the store does not take. All of it comes again from the
 * topic, first each batch for itself, then what is in the batch that fails one event at a time; the
 * one that fails alone is parked. False: parking it failed too.
 */
static bool be_careful(struct projector *projector, const struct error *error)
{
    bool is_shared = projector->transaction.is_shared;
    if (!is_shared && batch_item_count(projector->sent) == 1) {
        const struct batch_item *item = batch_item(projector->sent, 0);
        struct projector_partition *partition = projector_find(projector, item->partition);
        if (!item->has_place || projector_reason_to_refuse(partition, item) != NULL)
            return false;
        struct refused_record *refused = &partition->refused;
        refused->position = item->event.position;
        refused->event_id = item->event.event_id;
        snprintf(refused->reason, sizeof(refused->reason), "%s", error->message);
    }
    log_error(subject, "the view store does not take what an event says",
              LOG_STR("error", error->message));
    if (!is_shared)
        projector->careful_left = 2 * BATCH_EVENTS_MAX;
    return true;
}

/* It may have been too much for the time that the store has: a slow disk, views nobody has read for
 * long. The same batch again would be too much for ever. */
static void take_less(struct projector *projector, size_t failed_events)
{
    size_t most = failed_events < projector->batch_events ? failed_events : projector->batch_events;
    projector->batch_events = most / 2 > 0 ? most / 2 : 1;
}

static void take_more(struct projector *projector, size_t written_events)
{
    if (written_events < projector->batch_events)
        return;
    size_t most = projector->batch_events + projector->batch_events / 8 + 1;
    projector->batch_events = most < BATCH_EVENTS_MAX ? most : BATCH_EVENTS_MAX;
}

static void end_announcement(struct projector *projector)
{
    const struct projector_observer *observer = &projector->options.observer;
    if (observer->wrote != NULL)
        observer->wrote(observer->context);
}

static void forget_bodies(struct projector *projector)
{
    if (projector->bodies.capacity > BODIES_KEPT_MAX)
        text_done(&projector->bodies);
}

/*
 * Nothing of the transaction is done, or nobody knows. What was made of later events is of no use
 * either. If it was shared, batches go on without sharing: what has failed may be a partition that
 * somebody else holds or moves all the time, and that a batch by itself does not touch.
 */
static void throw_away(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    store->abandon(store->self);
    forget_bodies(projector);
    if (projector->transaction.is_shared)
        projector->apart_until_us =
            projector->now_us + (int64_t)PROJECTOR_APART_MS * MICROSECONDS_PER_MILLISECOND;
    projector->transaction = (struct transaction){0};
    projector_reload_all(projector);
    end_announcement(projector);
}

static void fail(struct projector *projector, enum status status, const struct error *error)
{
    bool is_refused = status == STATUS_INVALID || status == STATUS_CONFLICT;
    bool is_known = is_refused && be_careful(projector, error);
    size_t events = projector->transaction.events + count_events(&projector->write);
    throw_away(projector);
    if (is_known)
        return;
    projector_store_failed(projector, status, error);
    take_less(projector, events);
}

static void settle_commit(struct projector *projector)
{
    const struct projector_observer *observer = &projector->options.observer;
    const struct transaction *transaction = &projector->transaction;
    size_t careful = projector->careful_left;
    projector->careful_left -= transaction->events < careful ? transaction->events : careful;
    projector_store_worked(projector);
    take_more(projector, transaction->events);
    stat_add(&projector->stats.applied_total, transaction->applied);
    tell_parked(projector);
    tell_changes(projector);
    if (observer->committed != NULL)
        observer->committed(observer->context, transaction->events,
                            projector->now_us - transaction->began_us);
    projector->transaction = (struct transaction){0};
    end_announcement(projector);
}

bool projector_end_write(struct projector *projector)
{
    if (!projector->is_writing)
        return true;
    const struct view_store *store = projector->options.store;
    const struct view_write *write = &projector->write;
    struct error error;
    enum status status = store->end_write(store->self, write, projector->moved, &error);
    projector->is_writing = false;
    projector->now_us = projector->options.now_us();
    bool is_all = status == STATUS_OK && have_all_moved(projector);
    if (status != STATUS_OK) {
        fail(projector, status, &error);
    } else if (!is_all && projector->transaction.is_shared) {
        throw_away(projector);
    } else {
        settle(projector);
        if (!write->stays_open)
            settle_commit(projector);
    }
    return is_all;
}

static void begin_write(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    const struct projector_observer *observer = &projector->options.observer;
    const struct view_write *write = &projector->write;
    struct error error;
    if (observer->writing != NULL)
        observer->writing(observer->context, write->views, write->view_count);
    if (!projector->transaction.is_shared)
        projector->transaction.began_us = projector->options.now_us();
    if (write->stays_open)
        projector->transaction.is_shared = true;
    enum status status = store->begin_write(store->self, write, &error);
    forget_bodies(projector);
    projector->is_writing = status == STATUS_OK;
    if (!projector->is_writing)
        fail(projector, status, &error);
}

static bool is_any_touched(const struct projector *projector)
{
    for (int i = 0; i < projector->options.partition_count; i++)
        if (projector->partitions[i].is_touched)
            return true;
    return false;
}

void projector_give_up(struct projector *projector, const struct error *error)
{
    (void)projector_end_write(projector);
    throw_away(projector);
    projector_store_failed(projector, STATUS_UNAVAILABLE, error);
    take_less(projector, batch_item_count(projector->batch));
}

static size_t most_held(const struct projector *projector)
{
    bool is_well = projector->careful_left == 0 && projector->now_us >= projector->apart_until_us;
    return is_well ? projector->options.cache_bytes_max / 2 : 0;
}

void projector_begin_write(struct projector *projector, bool goes_on)
{
    if (!is_any_touched(projector))
        return;
    struct projection_batch *batch = projector->batch;
    struct view_write write;
    struct error error;
    enum status status = batch_finish(batch, goes_on ? most_held(projector) : 0, &write, &error);
    if (status != STATUS_OK) {
        projector_give_up(projector, &error);
        return;
    }
    if (!projector_end_write(projector)) {
        reload_touched(projector);
        return;
    }
    write.moves = projector->moves;
    write.move_count = list_moves(projector, write.stays_open);
    projector->write = write;
    projector->batch = projector->sent;
    projector->sent = batch;
    begin_write(projector);
    if (projector->careful_left > 0)
        (void)projector_end_write(projector);
}

/* Views are held for the next write. */
static bool is_open(const struct projector *projector)
{
    return projector->transaction.is_shared && projector->write.stays_open;
}

void projector_finish_writing(struct projector *projector)
{
    while (is_open(projector)) {
        stat_set(&projector->stats.turned_at_us, clock_monotonic_us());
        batch_begin(projector->batch);
        projector_begin_write(projector, false);
    }
    (void)projector_end_write(projector);
}

void projector_drop_open(struct projector *projector)
{
    (void)projector_end_write(projector);
    if (is_open(projector))
        throw_away(projector);
}
