#include "projector_internal.h"

#include "clock.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static const char subject[] = "projector";

/* Work beside the batches: offsets for tools, lag, changes by others, dead letters. */

static void commit_offsets(struct projector *projector)
{
    const struct event_feed *feed = projector->options.feed;
    for (int i = 0; i < projector->options.partition_count; i++) {
        const struct partition_progress *progress = &projector->partitions[i].progress;
        if (projector->partitions[i].is_ours && progress->next_offset != KAFKA_OFFSET_UNKNOWN)
            feed->commit(feed->self, progress->partition, progress->next_offset);
    }
}

/* While a partition is being loaded again, its last known place counts: a store that fails does not
 * make the partition a new one. */
static void note_place(struct projector_partition *partition)
{
    const struct partition_progress *progress = &partition->progress;
    if (progress->phase == PROGRESS_LOADING)
        return;
    partition->is_place_known = true;
    partition->known_offset = progress->next_offset != KAFKA_OFFSET_UNKNOWN ? progress->next_offset
                              : progress->stored.kafka_offset != KAFKA_OFFSET_UNKNOWN
                                  ? progress->stored.kafka_offset + 1
                                  : 0;
    partition->known_occurred_at_us =
        progress->stored.position > 0 ? progress->stored.occurred_at_us : 0;
}

static void measure_lag(struct projector *projector)
{
    const struct event_feed *feed = projector->options.feed;
    int64_t events = 0;
    int64_t oldest_us = 0;
    int64_t wall_us = clock_wall_us();
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (!partition->is_ours)
            continue;
        note_place(partition);
        int64_t end = feed->end_offset(feed->self, (int16_t)i);
        if (!partition->is_place_known || end <= partition->known_offset)
            continue;
        events += end - partition->known_offset;
        int64_t age_us = wall_us - partition->known_occurred_at_us;
        if (partition->known_occurred_at_us != 0 && age_us > oldest_us)
            oldest_us = age_us;
    }
    stat_set(&projector->stats.lag_events, events);
    stat_set(&projector->stats.lag_us, oldest_us);
}

/* A rebuild or a replay by another process shows when we write. Partitions that are not written are
 * checked here. */
static void recheck_idle(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    int64_t idle_us = (int64_t)PROJECTOR_RECHECK_MS * MICROSECONDS_PER_MILLISECOND;
    if (projector->store.wait_ms > 0 || projector->now_us < projector->recheck_at_us)
        return;
    projector->recheck_at_us = projector->now_us + idle_us;
    size_t count = 0;
    for (size_t i = 0, all = projector_list_in_phase(projector, PROGRESS_FOLLOWING); i < all; i++)
        if (projector->now_us - projector->partitions[projector->numbers[i]].written_at_us >=
            idle_us)
            projector->numbers[count++] = projector->numbers[i];
    if (count == 0)
        return;
    struct error error;
    enum status status = store->load_checkpoints(store->self, projector->numbers, count,
                                                 projector->checkpoints, &error);
    if (status != STATUS_OK) {
        projector_store_failed(projector, status, &error);
        return;
    }
    projector_store_worked(projector);
    for (size_t i = 0; i < count; i++) {
        struct projector_partition *partition = &projector->partitions[projector->numbers[i]];
        const struct checkpoint *found = &projector->checkpoints[i];
        const struct checkpoint *stored = &partition->progress.stored;
        if (found->position == stored->position && found->epoch == stored->epoch)
            continue;
        log_info(subject, "somebody else has changed a partition: reading where it is",
                 LOG_INT("partition", projector->numbers[i]), LOG_INT("position", found->position));
        projector_reload(projector, partition);
    }
}

static void count_parked(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    size_t count = projector_list_ours(projector);
    struct error error;
    if (store->count_parked(store->self, projector->numbers, count, &projector->parked_carts,
                            &projector->pending_dead_letters, &error) != STATUS_OK)
        return;
    projector->is_parked_count_due = false;
    projector->has_news = true;
    stat_set(&projector->stats.parked_carts, projector->parked_carts);
}

static enum status send_dead_letter(void *context, const struct parked_record *record,
                                    struct error *error)
{
    struct projector *projector = context;
    const struct dead_letter_topic *topic = projector->options.dead_letters;
    enum status status = topic->send(topic->self, record, error);
    if (status == STATUS_UNAVAILABLE)
        return status;
    projector->dead_letter_reached = record->record_id;
    projector->dead_letters_seen++;
    if (status == STATUS_OK)
        projector->sent_count++;
    return STATUS_OK; /* the record stays in the table and is tried again */
}

static void send_dead_letters(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    if (projector->pending_dead_letters == 0 ||
        !backoff_is_over(&projector->dead_letters, projector->now_us))
        return;
    struct error error;
    size_t count = projector_list_ours(projector);
    projector->dead_letters_seen = 0;
    enum status status = store->read_dead_letters(store->self, projector->numbers, count,
                                                  projector->dead_letter_reached, send_dead_letter,
                                                  projector, &error);
    if (status == STATUS_OK && projector->dead_letters_seen == 0) {
        projector->dead_letter_reached = 0; /* next time from the beginning */
        return;
    }
    if (status != STATUS_OK || projector->sent_count == 0)
        backoff_fail(&projector->dead_letters, projector->now_us, PROJECTOR_DEAD_LETTER_RETRY_MS,
                     PROJECTOR_DEAD_LETTER_RETRY_MAX_MS);
}

/* Marks what has been delivered. The rest is sent again later. */
static void settle_dead_letters(struct projector *projector)
{
    const struct view_store *store = projector->options.store;
    const struct dead_letter_topic *topic = projector->options.dead_letters;
    int64_t ids[DEAD_LETTERS_MAX];
    size_t in_flight;
    struct error error;
    size_t count = topic->delivered(topic->self, ids, ARRAY_SIZE(ids), &in_flight);
    if (count > 0 && store->mark_dead_lettered(store->self, ids, count, &error) == STATUS_OK)
        stat_add(&projector->stats.dead_lettered_total, (int64_t)count);
    projector->sent_count -= count < projector->sent_count ? count : projector->sent_count;
    if (in_flight > 0)
        return;
    if (projector->sent_count == 0)
        backoff_reset(&projector->dead_letters);
    else
        backoff_fail(&projector->dead_letters, projector->now_us, PROJECTOR_DEAD_LETTER_RETRY_MS,
                     PROJECTOR_DEAD_LETTER_RETRY_MAX_MS);
    projector->sent_count = 0;
    projector->is_parked_count_due = true;
}

void projector_tend(struct projector *projector)
{
    if (projector->sent_count > 0)
        settle_dead_letters(projector);
    recheck_idle(projector);
    if (projector->now_us < projector->tend_at_us)
        return;
    projector->tend_at_us =
        projector->now_us + (int64_t)PROJECTOR_TEND_MS * MICROSECONDS_PER_MILLISECOND;
    projector->has_news = true;
    commit_offsets(projector);
    measure_lag(projector);
    if (projector->store.wait_ms > 0)
        return;
    if (projector->is_parked_count_due)
        count_parked(projector);
    if (projector->sent_count == 0)
        send_dead_letters(projector);
}

/* Reports to /readyz and the log, each change once. */

static void say(struct projector *projector, enum projector_subject about, bool ok,
                const char *format, ...) PRINTF_LIKE(4, 5);

static void say(struct projector *projector, enum projector_subject about, bool ok,
                const char *format, ...)
{
    struct statement now = {.is_said = true, .ok = ok};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(now.detail, sizeof(now.detail), format, arguments);
    va_end(arguments);
    struct statement *last = &projector->statements[about];
    if (last->is_said && last->ok == now.ok && strcmp(last->detail, now.detail) == 0)
        return;
    *last = now;
    log_write(ok ? LOG_INFO : LOG_WARNING, subject, now.detail, LOG_END);
    if (projector->options.observer.said != NULL)
        projector->options.observer.said(projector->options.observer.context, about, ok,
                                         now.detail);
}

static const char *detail_of(struct projector *projector, enum progress_phase phase)
{
    size_t count = projector_list_in_phase(projector, phase);
    return count > 0 ? projector->partitions[projector->numbers[0]].progress.detail : NULL;
}

static void say_progress(struct projector *projector)
{
    size_t following = projector_list_in_phase(projector, PROGRESS_FOLLOWING);
    size_t loading = projector_list_in_phase(projector, PROGRESS_LOADING);
    size_t ours = projector_list_ours(projector);
    const char *stopped = detail_of(projector, PROGRESS_STOPPED);
    const char *asking = detail_of(projector, PROGRESS_ASKING);
    const char *mismatch = projector->count_mismatch[0] != '\0' ? projector->count_mismatch
                           : projector->mismatch[0] != '\0'     ? projector->mismatch
                                                                : NULL;
    if (projector->feed_problem[0] != '\0')
        say(projector, PROJECTOR_PROGRESS, false, "%s", projector->feed_problem);
    else if (projector->foreign_partition >= 0)
        say(projector, PROJECTOR_PROGRESS, false, "the topic has a partition %d, the log only %d",
            projector->foreign_partition, projector->options.partition_count);
    else if (mismatch != NULL)
        say(projector, PROJECTOR_PROGRESS, false, "%s", mismatch);
    else if (stopped != NULL)
        say(projector, PROJECTOR_PROGRESS, false, "%s", stopped);
    else if (projector->store_problem[0] != '\0')
        say(projector, PROJECTOR_PROGRESS, false, "view store: %s", projector->store_problem);
    else if (asking != NULL && projector->log_problem[0] != '\0')
        say(projector, PROJECTOR_PROGRESS, false, "%s: %s", asking, projector->log_problem);
    else if (asking != NULL)
        say(projector, PROJECTOR_PROGRESS, false, "%s", asking);
    else if (loading > 0)
        say(projector, PROJECTOR_PROGRESS, false, "%zu of %zu partitions are being loaded", loading,
            ours);
    else if (ours == 0)
        say(projector, PROJECTOR_PROGRESS, true, "no partition is assigned to this process");
    else
        say(projector, PROJECTOR_PROGRESS, true, "following %zu partitions", following);
}

static void say_parked(struct projector *projector)
{
    if (projector->parked_carts == 0)
        say(projector, PROJECTOR_PARKED, true, "no cart is parked");
    else
        say(projector, PROJECTOR_PARKED, false, "%lld carts are parked",
            (long long)projector->parked_carts);
}

void projector_say(struct projector *projector)
{
    if (!projector->has_news)
        return;
    projector->has_news = false;
    stat_set(&projector->stats.partitions_waiting,
             (int64_t)(projector_list_in_phase(projector, PROGRESS_ASKING) +
                       projector_list_in_phase(projector, PROGRESS_LOADING)));
    stat_set(&projector->stats.partitions_stopped,
             (int64_t)projector_list_in_phase(projector, PROGRESS_STOPPED));
    say_progress(projector);
    say_parked(projector);
}
