#include "projector_internal.h"

#include "log.h"

#include <stdio.h>

static const char subject[] = "projector";

const char *projector_reason_to_refuse(const struct projector_partition *partition,
                                       const struct batch_item *item)
{
    const struct refused_record *refused = &partition->refused;
    bool is_it = refused->position == item->event.position &&
                 uuid_equal(&refused->event_id, &item->event.event_id);
    return is_it ? refused->reason : NULL;
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

static bool has_moved(const struct projector *projector, int16_t partition)
{
    for (size_t i = 0; i < projector->write.move_count; i++)
        if (projector->moves[i].partition == partition)
            return projector->moved[i];
    return false;
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
 * One line for a batch: a bad release of another team can park a lot at once. What was to be parked
 * in a partition that somebody else has moved was not: its carts only looked wrong because they
 * were loaded in a newer state.
 */
static void tell_parked(struct projector *projector)
{
    const struct view_write *write = &projector->write;
    const struct parked_record *first = NULL;
    int64_t count = 0;
    for (size_t i = 0; i < write->parked_record_count; i++) {
        const struct parked_record *record = &write->parked_records[i];
        if (!has_moved(projector, record->partition))
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

/* False: not all of it was written. */
static bool settle(struct projector *projector)
{
    bool is_all = true;
    for (size_t i = 0; i < projector->write.move_count; i++) {
        const struct checkpoint_move *move = &projector->moves[i];
        struct projector_partition *partition = &projector->partitions[move->partition];
        if (projector->moved[i]) {
            progress_written(&partition->progress, &move->to);
            if (partition->refused.position <= move->to.position)
                partition->refused.position = 0; /* it is parked; who makes it again tries it */
            partition->written_at_us = projector->now_us;
            continue;
        }
        is_all = false;
        stat_add(&projector->stats.stale_total, 1);
        log_warning(subject, "somebody else has moved a partition: reading where it is",
                    LOG_INT("partition", move->partition),
                    LOG_INT("position", move->from.position));
        projector_reload(projector, partition);
    }
    stat_add(&projector->stats.applied_total, count_applied(projector));
    tell_parked(projector);
    tell_changes(projector);
    return is_all;
}

/*
 * Something in the batch is what the store does not take. All of it comes again from the topic and
 * is written one event at a time; the one that fails alone is parked. False: parking it failed too.
 */
static bool be_careful(struct projector *projector, const struct error *error)
{
    const struct batch_item *item = batch_item(projector->sent, 0);
    bool is_alone = batch_item_count(projector->sent) == 1;
    struct projector_partition *partition = projector_find(projector, item->partition);
    if (is_alone && (!item->has_place || projector_reason_to_refuse(partition, item) != NULL))
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

static size_t count_events(const struct view_write *write)
{
    return write->timeline_count + write->parked_record_count;
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

/* The write under way was not done, or nobody knows. */
static void fail(struct projector *projector, enum status status, const struct error *error)
{
    bool is_refused = status == STATUS_INVALID || status == STATUS_CONFLICT;
    if (!is_refused || !be_careful(projector, error)) {
        projector_store_failed(projector, status, error);
        take_less(projector, count_events(&projector->write));
    }
    reload_moved(projector, projector->write.move_count);
}

static void end_announcement(struct projector *projector)
{
    const struct projector_observer *observer = &projector->options.observer;
    if (observer->wrote != NULL)
        observer->wrote(observer->context);
}

bool projector_end_write(struct projector *projector)
{
    if (!projector->is_writing)
        return true;
    const struct view_store *store = projector->options.store;
    const struct projector_observer *observer = &projector->options.observer;
    const struct view_write *write = &projector->write;
    struct error error;
    enum status status = store->end_write(store->self, write, projector->moved, &error);
    projector->is_writing = false;
    projector->now_us = projector->options.now_us();
    bool is_written = false;
    if (status == STATUS_OK) {
        size_t count = count_events(write);
        projector->careful_left -=
            count < projector->careful_left ? count : projector->careful_left;
        projector_store_worked(projector);
        take_more(projector, count);
        is_written = settle(projector);
        if (observer->committed != NULL)
            observer->committed(observer->context, count,
                                projector->now_us - projector->write_began_us);
    } else {
        fail(projector, status, &error);
    }
    end_announcement(projector);
    return is_written;
}

static void begin_write(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    const struct projector_observer *observer = &projector->options.observer;
    const struct view_write *write = &projector->write;
    struct error error;
    if (observer->writing != NULL)
        observer->writing(observer->context, write->views, write->view_count);
    projector->write_began_us = projector->options.now_us();
    enum status status = store->begin_write(store->self, write, &error);
    projector->is_writing = status == STATUS_OK;
    if (projector->is_writing)
        return;
    fail(projector, status, &error);
    end_announcement(projector);
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
    size_t move_count = list_moves(projector);
    projector_store_failed(projector, STATUS_UNAVAILABLE, error);
    take_less(projector, batch_item_count(projector->batch));
    reload_moved(projector, move_count);
}

void projector_begin_write(struct projector *projector)
{
    if (!is_any_touched(projector))
        return;
    struct projection_batch *batch = projector->batch;
    struct view_write write;
    struct error error;
    enum status status = batch_finish(batch, &write, &error);
    if (status != STATUS_OK) {
        projector_give_up(projector, &error);
        return;
    }
    bool is_before_written = projector_end_write(projector);
    write.moves = projector->moves;
    write.move_count = list_moves(projector);
    if (!is_before_written) {
        reload_moved(projector, write.move_count);
        return;
    }
    projector->write = write;
    projector->batch = projector->sent;
    projector->sent = batch;
    begin_write(projector);
    if (projector->careful_left > 0)
        (void)projector_end_write(projector);
}
