#include "projector_internal.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>

static const char subject[] = "projector";

static void note_problem(struct projector *projector, struct backoff *backoff, const char *problem)
{
    stat_add(&projector->stats.log_failures_total, 1);
    backoff_fail(backoff, projector->now_us, PROJECTOR_LOG_RETRY_MIN_MS,
                 PROJECTOR_LOG_RETRY_MAX_MS);
    if (strcmp(projector->log_problem, problem) == 0)
        return;
    snprintf(projector->log_problem, sizeof(projector->log_problem), "%s", problem);
    projector->has_news = true;
}

static void forget_problem(struct projector *projector)
{
    if (projector->log_problem[0] == '\0')
        return;
    projector->log_problem[0] = '\0';
    projector->has_news = true;
}

static void ask(struct projector *projector, const struct log_request *request)
{
    const struct log_client *log = projector->options.log;
    projector->request = *request;
    projector->is_log_asked = true;
    log->ask(log->self, &projector->request);
}

static void ask_state(struct projector *projector)
{
    projector->is_state_wanted = false;
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        partition->is_state_awaited = partition->is_ours;
        partition->position_then = partition->progress.stored.position;
    }
    ask(projector, &(struct log_request){.kind = LOG_READ_STATE});
}

static bool can_ask_events(const struct projector *projector,
                           const struct projector_partition *partition)
{
    return partition->is_ours && partition->progress.phase == PROGRESS_ASKING &&
           partition->progress.is_end_known && backoff_is_over(&partition->log, projector->now_us);
}

/* The partitions take turns. */
static void ask_events(struct projector *projector)
{
    int count = projector->options.partition_count;
    for (int step = 1; step <= count; step++) {
        int number = (projector->asked_last + step) % count;
        const struct projector_partition *partition = &projector->partitions[number];
        if (!can_ask_events(projector, partition))
            continue;
        struct log_request request;
        progress_next_request(&partition->progress, &request);
        projector->asked_last = (int16_t)number;
        ask(projector, &request);
        return;
    }
}

static void stop_all(struct projector *projector)
{
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (!partition->is_ours)
            continue;
        progress_stop(&partition->progress, "%s", projector->mismatch);
        projector_stop_partition(projector, partition);
    }
    projector->look_again_at_us =
        projector->now_us + (int64_t)PROJECTOR_STOPPED_RETRY_MS * MICROSECONDS_PER_MILLISECOND;
}

/* Remembers the log's id, if the views have none yet and this may be theirs. */
static enum status learn_log(struct projector *projector, const struct log_reply *reply)
{
    const struct view_store *store = projector->options.store;
    struct error error;
    if (projector->known.is_known || reply->partition_count != projector->options.partition_count)
        return STATUS_OK;
    enum status status = store->adopt_log(store->self, &reply->log_id, &error);
    if (status == STATUS_OK)
        status = store->read_log(store->self, projector->options.partition_count, &projector->known,
                                 &error);
    if (status == STATUS_OK)
        return STATUS_OK;
    projector_store_failed(projector, status, &error);
    projector->is_state_wanted = true;
    return status;
}

/* False: this is not the log that the views were made from. */
static bool is_our_log(struct projector *projector, const struct log_reply *reply)
{
    char ours[UUID_TEXT_LENGTH + 1];
    char theirs[UUID_TEXT_LENGTH + 1];
    uuid_format(&projector->known.log_id, ours);
    uuid_format(&reply->log_id, theirs);
    projector->mismatch[0] = '\0';
    if (reply->partition_count != projector->options.partition_count)
        snprintf(projector->mismatch, sizeof(projector->mismatch),
                 "the log has %d partitions, not %d as configured", reply->partition_count,
                 projector->options.partition_count);
    else if (projector->known.is_known && !uuid_equal(&projector->known.log_id, &reply->log_id))
        snprintf(projector->mismatch, sizeof(projector->mismatch),
                 "this is log %s, but the views were made from log %s: rebuild them, or correct "
                 "the configuration",
                 theirs, ours);
    return projector->mismatch[0] == '\0';
}

static void take_end(struct projector *projector, struct projector_partition *partition,
                     int64_t last_position)
{
    struct partition_progress *progress = &partition->progress;
    if (progress->phase == PROGRESS_ASKING) {
        enum progress_verdict verdict = progress_log_end(progress, last_position);
        if (verdict == PROGRESS_JUNK)
            projector_start_feed(projector, partition, progress->asked_offset);
        if (verdict == PROGRESS_OTHER)
            projector_stop_partition(projector, partition);
        projector->has_news = true;
    } else if (progress->phase == PROGRESS_FOLLOWING && partition->position_then > last_position) {
        progress_stop(progress,
                      "partition %d: the log ends at position %lld, but %lld was applied: the log "
                      "took another course",
                      progress->partition, (long long)last_position,
                      (long long)partition->position_then);
        projector_stop_partition(projector, partition);
    }
}

static void take_state(struct projector *projector, const struct log_reply *reply)
{
    bool was_mismatch = projector->mismatch[0] != '\0';
    backoff_reset(&projector->log_state);
    if (learn_log(projector, reply) != STATUS_OK)
        return;
    if (!is_our_log(projector, reply)) {
        stop_all(projector);
        return;
    }
    for (int i = 0; i < projector->options.partition_count; i++) {
        struct projector_partition *partition = &projector->partitions[i];
        if (partition->is_ours && partition->is_state_awaited)
            take_end(projector, partition, reply->last_positions[i]);
        if (partition->is_ours && was_mismatch)
            projector_reload(projector, partition);
    }
}

static void take_events(struct projector *projector, const struct log_reply *reply)
{
    struct projector_partition *partition = projector_find(projector, projector->request.partition);
    if (partition == NULL || partition->progress.phase != PROGRESS_ASKING)
        return;
    const struct partition_progress before = partition->progress;
    projector_project_events(projector, reply->events, reply->event_count);
    if (partition->progress.phase != PROGRESS_ASKING &&
        partition->progress.phase != PROGRESS_FOLLOWING)
        return;
    int64_t refilled = partition->progress.reached.position - before.reached.position;
    stat_add(&projector->stats.refilled_total, refilled);
    if (progress_is_answered(&partition->progress)) {
        log_info(subject, "the log has answered",
                 LOG_INT("partition", partition->progress.partition),
                 LOG_INT("position", partition->progress.reached.position));
        projector_start_feed(projector, partition, partition->progress.asked_offset);
        projector->has_news = true;
    } else if (refilled == 0 && partition->progress.is_verified == before.is_verified &&
               partition->progress.is_record_of_log == before.is_record_of_log) {
        note_problem(projector, &partition->log, "the log's answer has not the events asked for");
        return;
    }
    backoff_reset(&partition->log);
}

static void request_failed(struct projector *projector, const struct error *error)
{
    if (projector->request.kind == LOG_READ_STATE) {
        projector->is_state_wanted = true;
        note_problem(projector, &projector->log_state, error->message);
        return;
    }
    struct projector_partition *partition = projector_find(projector, projector->request.partition);
    if (partition != NULL)
        note_problem(projector, &partition->log, error->message);
}

static void take_reply(struct projector *projector)
{
    const struct log_client *log = projector->options.log;
    struct log_reply reply;
    struct error error;
    enum status status = log->reply(log->self, &reply, &error);
    if (status == STATUS_CONFLICT)
        return;
    projector->is_log_asked = false;
    if (status != STATUS_OK) {
        request_failed(projector, &error);
        return;
    }
    forget_problem(projector);
    if (projector->request.kind == LOG_READ_STATE)
        take_state(projector, &reply);
    else
        take_events(projector, &reply);
}

void projector_ask_log(struct projector *projector)
{
    if (projector->is_log_asked)
        take_reply(projector);
    if (projector->is_log_asked)
        return;
    if (projector->is_state_wanted && backoff_is_over(&projector->log_state, projector->now_us))
        ask_state(projector);
    else
        ask_events(projector);
}
