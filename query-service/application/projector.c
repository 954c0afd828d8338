#include "projector_internal.h"

#include "clock.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const char subject[] = "projector";

void backoff_fail(struct backoff *backoff, int64_t now_us, int least_ms, int most_ms)
{
    int wait_ms = backoff->wait_ms == 0 ? least_ms : 2 * backoff->wait_ms;
    backoff->wait_ms = wait_ms < most_ms ? wait_ms : most_ms;
    backoff->retry_at_us = now_us + (int64_t)backoff->wait_ms * MICROSECONDS_PER_MILLISECOND;
}

struct projector *projector_new(const struct projector_options *options)
{
    assert(options->partition_count > 0);
    struct projector *projector = calloc(1, sizeof(*projector));
    if (projector == NULL)
        return NULL;
    projector->options = *options;
    if (projector->options.now_us == NULL)
        projector->options.now_us = clock_monotonic_us;
    projector->foreign_partition = -1;
    projector->is_replay_due = true;
    projector->is_parked_count_due = true;
    projector->batch_events = BATCH_EVENTS_MAX;
    projector->bodies = TEXT_INIT(BATCH_BODIES_MAX);

    size_t count = (size_t)options->partition_count;
    projector->cache = view_cache_new(options->cache_bytes_max);
    projector->partitions = calloc(count, sizeof(*projector->partitions));
    projector->numbers = calloc(count, sizeof(*projector->numbers));
    projector->checkpoints = calloc(count, sizeof(*projector->checkpoints));
    projector->moves = calloc(count, sizeof(*projector->moves));
    projector->moved = calloc(count, sizeof(*projector->moved));
    projector->changes = calloc(BATCH_EVENTS_MAX, sizeof(*projector->changes));
    if (projector->cache != NULL) {
        projector->batch =
            projection_batch_new(projector->cache, &projector->bodies, options->partition_count);
        projector->sent =
            projection_batch_new(projector->cache, &projector->bodies, options->partition_count);
    }
    if (projector->batch == NULL || projector->sent == NULL || projector->partitions == NULL ||
        projector->numbers == NULL || projector->checkpoints == NULL || projector->moves == NULL ||
        projector->moved == NULL || projector->changes == NULL) {
        projector_free(projector);
        return NULL;
    }
    return projector;
}

void projector_free(struct projector *projector)
{
    if (projector == NULL)
        return;
    assert(!projector->is_running);
    projection_batch_free(projector->batch);
    projection_batch_free(projector->sent);
    text_done(&projector->bodies);
    view_cache_free(projector->cache);
    free(projector->partitions);
    free(projector->numbers);
    free(projector->checkpoints);
    free(projector->moves);
    free(projector->moved);
    free(projector->changes);
    free(projector);
}

const struct projector_stats *projector_stats(const struct projector *projector)
{
    return &projector->stats;
}

struct projector_partition *projector_find(struct projector *projector, int partition)
{
    if (partition < 0 || partition >= projector->options.partition_count ||
        !projector->partitions[partition].is_ours)
        return NULL;
    return &projector->partitions[partition];
}

/* Its carts in memory may be outdated from now on. */
static void forget_partition(struct projector *projector, int16_t partition)
{
    const struct projector_observer *observer = &projector->options.observer;
    view_cache_drop_partition(projector->cache, partition);
    if (observer->lost != NULL)
        observer->lost(observer->context, partition);
}

void projector_reload(struct projector *projector, struct projector_partition *partition)
{
    assert(!projector->transaction.is_shared);
    const struct event_feed *feed = projector->options.feed;
    feed->stop(feed->self, partition->progress.partition);
    forget_partition(projector, partition->progress.partition);
    progress_reload(&partition->progress);
    partition->is_touched = false;
    partition->is_state_awaited = false;
    projector->has_news = true;
}

void projector_start_feed(struct projector *projector, struct projector_partition *partition,
                          int64_t offset)
{
    const struct event_feed *feed = projector->options.feed;
    struct error error;
    enum status status = feed->start(feed->self, partition->progress.partition, offset, &error);
    if (status == STATUS_OK) {
        backoff_reset(&projector->feed);
        return;
    }
    projector_reload(projector, partition);
    backoff_fail(&projector->feed, projector->now_us, PROJECTOR_RETRY_MIN_MS,
                 PROJECTOR_RETRY_MAX_MS);
}

void projector_stop_partition(struct projector *projector, struct projector_partition *partition)
{
    assert(!projector->transaction.is_shared);
    const struct event_feed *feed = projector->options.feed;
    feed->stop(feed->self, partition->progress.partition);
    forget_partition(projector, partition->progress.partition);
    partition->look_again_at_us =
        projector->now_us + (int64_t)PROJECTOR_STOPPED_RETRY_MS * MICROSECONDS_PER_MILLISECOND;
    projector->has_news = true;
}

void projector_reload_all(struct projector *projector)
{
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (partition->is_ours && partition->progress.phase != PROGRESS_STOPPED &&
            partition->progress.phase != PROGRESS_LOADING)
            projector_reload(projector, partition);
    }
}

void projector_store_failed(struct projector *projector, enum status status,
                            const struct error *error)
{
    stat_add(&projector->stats.store_failures_total, 1);
    snprintf(projector->store_problem, sizeof(projector->store_problem), "%s", error->message);
    if (status == STATUS_INTERNAL)
        log_error(subject, "the view store refused", LOG_STR("error", error->message));
    backoff_fail(&projector->store, projector->now_us, PROJECTOR_RETRY_MIN_MS,
                 PROJECTOR_RETRY_MAX_MS);
    projector_reload_all(projector);
    projector->has_news = true;
}

void projector_store_worked(struct projector *projector)
{
    if (projector->store_problem[0] == '\0')
        return;
    projector->store_problem[0] = '\0';
    backoff_reset(&projector->store);
    projector->has_news = true;
}

static void take_change(struct projector *projector, const struct feed_change *change)
{
    projector->has_news = true;
    projector->is_parked_count_due = true;
    if (change->partition >= projector->options.partition_count) {
        projector->foreign_partition = change->kind == FEED_ASSIGNED ? change->partition : -1;
        return;
    }
    struct projector_partition *partition = &projector->partitions[change->partition];
    bool is_ours = change->kind == FEED_ASSIGNED;
    *partition = (struct projector_partition){.is_ours = is_ours};
    progress_begin(&partition->progress, change->partition);
    log_info(subject, is_ours ? "partition assigned" : "partition revoked",
             LOG_INT("partition", change->partition));
}

size_t projector_list_ours(struct projector *projector)
{
    size_t count = 0;
    for (int i = 0; i < projector->options.partition_count; i++)
        if (projector->partitions[i].is_ours)
            projector->numbers[count++] = (int16_t)i;
    return count;
}

size_t projector_list_in_phase(struct projector *projector, enum progress_phase phase)
{
    size_t count = 0;
    for (int i = 0; i < projector->options.partition_count; i++)
        if (projector->partitions[i].is_ours && projector->partitions[i].progress.phase == phase)
            projector->numbers[count++] = (int16_t)i;
    return count;
}

/* Other processes may already write these partitions, and the write under way may take long. */
static void take_changes(struct projector *projector, const struct feed_batch *batch)
{
    if (batch->change_count == 0)
        return;
    for (size_t i = 0; i < batch->change_count; i++)
        if (batch->changes[i].partition < projector->options.partition_count)
            forget_partition(projector, batch->changes[i].partition);
    projector_drop_open(projector);
    for (size_t i = 0; i < batch->change_count; i++)
        take_change(projector, &batch->changes[i]);
    stat_set(&projector->stats.partitions_assigned, (int64_t)projector_list_ours(projector));
}

/* Looks at stopped partitions again: somebody may have repaired the cause. */
static void wake_stopped(struct projector *projector)
{
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (partition->is_ours && partition->progress.phase == PROGRESS_STOPPED &&
            projector->now_us >= partition->look_again_at_us)
            progress_reload(&partition->progress);
    }
}

static void begin_following(struct projector *projector, size_t index)
{
    int16_t number = projector->numbers[index];
    struct projector_partition *partition = &projector->partitions[number];
    const struct checkpoint *checkpoint = &projector->checkpoints[index];
    progress_loaded(&partition->progress, checkpoint);
    partition->written_at_us = projector->now_us;
    if (projector->options.observer.held != NULL)
        projector->options.observer.held(projector->options.observer.context, number);
    projector_start_feed(projector, partition,
                         checkpoint->kafka_offset == KAFKA_OFFSET_UNKNOWN
                             ? FEED_OFFSET_BEGINNING
                             : checkpoint->kafka_offset);
}

/* True: as far as the store knows, these views were made from a log like ours. */
static bool check_known_log(struct projector *projector)
{
    projector->count_mismatch[0] = '\0';
    if (projector->known.partition_count != projector->options.partition_count)
        snprintf(projector->count_mismatch, sizeof(projector->count_mismatch),
                 "the views were made from a log of %d partitions, not %d: rebuild them, or "
                 "correct the configuration",
                 projector->known.partition_count, projector->options.partition_count);
    return projector->mismatch[0] == '\0' && projector->count_mismatch[0] == '\0';
}

/* Reads the place of partitions that have just come, or that somebody else has moved. */
static void load_partitions(struct projector *projector)
{
    if (!backoff_is_over(&projector->store, projector->now_us) ||
        !backoff_is_over(&projector->feed, projector->now_us))
        return;
    bool has_mismatch = projector->mismatch[0] != '\0' || projector->count_mismatch[0] != '\0';
    if (has_mismatch && projector->now_us < projector->look_again_at_us)
        return;
    wake_stopped(projector);
    size_t count = projector_list_in_phase(projector, PROGRESS_LOADING);
    if (count == 0)
        return;
    const struct view_store *store = projector->options.store;
    struct error error;
    enum status status =
        store->read_log(store->self, projector->options.partition_count, &projector->known, &error);
    if (status == STATUS_OK)
        status = store->load_checkpoints(store->self, projector->numbers, count,
                                         projector->checkpoints, &error);
    if (status != STATUS_OK) {
        projector_store_failed(projector, status, &error);
        return;
    }
    projector_store_worked(projector);
    projector->is_state_wanted = true;
    projector->is_parked_count_due = true;
    projector->has_news = true;
    projector->look_again_at_us =
        projector->now_us + (int64_t)PROJECTOR_STOPPED_RETRY_MS * MICROSECONDS_PER_MILLISECOND;
    /* If the log was the wrong one, it is asked again before anything is taken. */
    if (!check_known_log(projector))
        return;
    for (size_t i = 0; i < count; i++)
        begin_following(projector, i);
}

static int poll_wait_ms(const struct projector *projector)
{
    if (projector->is_replay_due && projector->store.wait_ms == 0 &&
        projector->replay_retry.wait_ms == 0)
        return 0;
    return projector->is_log_asked ? PROJECTOR_BUSY_POLL_MS
           : projector->store.wait_ms > 0 && projector->store.wait_ms < PROJECTOR_POLL_MS
               ? projector->store.wait_ms
               : PROJECTOR_POLL_MS;
}

/* True: more records are waiting, and nothing else is due. */
static bool poll_feed(struct projector *projector)
{
    const struct event_feed *feed = projector->options.feed;
    struct feed_batch batch = {0};
    struct error error = {0};
    int wait_ms = projector->is_writing ? 0 : poll_wait_ms(projector);
    enum status status = feed->poll(feed->self, wait_ms, &batch, &error);
    projector->now_us = projector->options.now_us();
    if (strcmp(projector->feed_problem, error.message) != 0) {
        snprintf(projector->feed_problem, sizeof(projector->feed_problem), "%s",
                 status == STATUS_OK ? "" : error.message);
        projector->has_news = true;
    }
    if (status != STATUS_OK)
        return false;
    take_changes(projector, &batch);
    bool goes_on = batch.is_full && projector->now_us < projector->rest_at_us;
    if (batch.record_count > 0)
        projector_project_records(projector, batch.records, batch.record_count, goes_on);
    return goes_on && !projector->has_news;
}

static int rest_ms(struct projector *projector)
{
    bool is_busy = projector->is_replay_due || projector->is_log_asked ||
                   projector_list_in_phase(projector, PROGRESS_LOADING) > 0 ||
                   projector_list_in_phase(projector, PROGRESS_ASKING) > 0;
    return is_busy ? PROJECTOR_BUSY_REST_MS : PROJECTOR_REST_MS;
}

/* While more records wait than one turn takes, one batch is written while the next one is made, and
 * views are written once for several batches. */
void projector_turn(struct projector *projector)
{
    stat_set(&projector->stats.turned_at_us, clock_monotonic_us());
    if (poll_feed(projector))
        return;
    projector_finish_writing(projector);
    projector_replay_parked(projector);
    load_partitions(projector);
    projector_ask_log(projector);
    projector_tend(projector);
    projector_say(projector);
    projector->rest_at_us =
        projector->now_us + (int64_t)rest_ms(projector) * MICROSECONDS_PER_MILLISECOND;
}

static void *run(void *argument)
{
    struct projector *projector = argument;
    log_info(subject, "started", LOG_INT("partitions", projector->options.partition_count));
    while (!atomic_load_explicit(&projector->is_stopping, memory_order_acquire))
        projector_turn(projector);
    projector_finish_writing(projector);
    log_info(subject, "stopped", LOG_INT("applied", projector->stats.applied_total));
    return NULL;
}

enum status projector_start(struct projector *projector, struct error *error)
{
    assert(!projector->is_running);
    stat_set(&projector->stats.turned_at_us, clock_monotonic_us());
    if (pthread_create(&projector->thread, NULL, run, projector) != 0)
        return error_set(error, STATUS_UNAVAILABLE, "no thread for the projector");
    projector->is_running = true;
    return STATUS_OK;
}

void projector_stop(struct projector *projector)
{
    if (!projector->is_running)
        return;
    atomic_store_explicit(&projector->is_stopping, true, memory_order_release);
    pthread_join(projector->thread, NULL);
    projector->is_running = false;
}
