#include "partition_progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define set_detail(progress, ...)                                                                  \
    ((void)snprintf((progress)->detail, sizeof((progress)->detail), __VA_ARGS__))

void progress_begin(struct partition_progress *progress, int16_t partition)
{
    *progress = (struct partition_progress){
        .partition = partition,
        .phase = PROGRESS_LOADING,
        .next_offset = KAFKA_OFFSET_UNKNOWN,
        .junk_offset = KAFKA_OFFSET_UNKNOWN,
    };
}

void progress_reload(struct partition_progress *progress)
{
    int64_t junk_offset = progress->junk_offset;
    int64_t junk_position = progress->junk_position;
    struct uuid junk_event_id = progress->junk_event_id;
    progress_begin(progress, progress->partition);
    progress->junk_offset = junk_offset;
    progress->junk_position = junk_position;
    progress->junk_event_id = junk_event_id;
}

void progress_loaded(struct partition_progress *progress, const struct checkpoint *checkpoint)
{
    progress->phase = PROGRESS_FOLLOWING;
    progress->is_verified = checkpoint->position == 0;
    progress->stored = *checkpoint;
    progress->reached = *checkpoint;
    progress->detail[0] = '\0';
}

bool progress_raise_epoch(struct partition_progress *progress, int64_t epoch)
{
    if (progress->phase == PROGRESS_LOADING)
        return true;
    if (progress->stored.epoch + 1 != epoch)
        return false;
    progress->stored.epoch = epoch;
    progress->reached.epoch = epoch;
    return true;
}

void progress_stop(struct partition_progress *progress, const char *format, ...)
{
    progress->phase = PROGRESS_STOPPED;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(progress->detail, sizeof(progress->detail), format, arguments);
    va_end(arguments);
}

static enum progress_verdict ask(struct partition_progress *progress, int64_t offset,
                                 int64_t position, const struct uuid *event_id)
{
    progress->phase = PROGRESS_ASKING;
    progress->asked_position = position;
    progress->asked_offset = offset;
    progress->asked_event_id = *event_id;
    progress->was_verified = progress->is_verified;
    progress->is_end_known = false;
    progress->is_record_of_log = false;

    int64_t last = progress->reached.position;
    if (position == last) {
        progress->is_verified = false;
        set_detail(progress,
                   "partition %d: the topic's event at position %" PRId64
                   " is not the one that was applied; the log has to say which is right",
                   progress->partition, position);
    } else if (!progress->is_verified) {
        set_detail(progress,
                   "partition %d: the topic has no event at position %" PRId64
                   " to compare with; the log has to say whether it is the one that was applied",
                   progress->partition, last);
    } else {
        set_detail(progress,
                   "partition %d: positions %" PRId64 " to %" PRId64
                   " are missing in the topic and have to come from the log",
                   progress->partition, last + 1, position - 1);
    }
    return PROGRESS_QUESTION;
}

enum progress_verdict progress_judge(struct partition_progress *progress, int64_t offset,
                                     int64_t position, const struct uuid *event_id)
{
    assert(progress->phase == PROGRESS_FOLLOWING);
    int64_t last = progress->reached.position;
    if (offset == progress->junk_offset && position == progress->junk_position &&
        uuid_equal(event_id, &progress->junk_event_id))
        return PROGRESS_JUNK;
    if (position < last)
        return PROGRESS_DUPLICATE;
    if (position == last) {
        if (!uuid_equal(event_id, &progress->reached.event_id))
            return ask(progress, offset, position, event_id);
        progress->is_verified = true;
        return PROGRESS_DUPLICATE;
    }
    if (position == last + 1 && progress->is_verified)
        return PROGRESS_NEXT;
    return ask(progress, offset, position, event_id);
}

void progress_advance(struct partition_progress *progress, const struct recorded_event *event,
                      int64_t offset)
{
    assert(event->position == progress->reached.position + 1);
    progress->reached.position = event->position;
    progress->reached.event_id = event->event_id;
    progress->reached.occurred_at_us = event->occurred_at_us;
    progress->reached.kafka_offset = offset;
    progress->is_verified = true;
}

void progress_written(struct partition_progress *progress, const struct checkpoint *checkpoint)
{
    progress->stored = *checkpoint;
}

static void go_on(struct partition_progress *progress)
{
    progress->phase = PROGRESS_FOLLOWING;
    progress->detail[0] = '\0';
}

static void call_it_junk(struct partition_progress *progress)
{
    progress->junk_offset = progress->asked_offset;
    progress->junk_position = progress->asked_position;
    progress->junk_event_id = progress->asked_event_id;
    go_on(progress);
}

enum progress_verdict progress_log_end(struct partition_progress *progress, int64_t last_position)
{
    assert(progress->phase == PROGRESS_ASKING);
    if (progress->reached.position > last_position) {
        progress_stop(progress,
                      "partition %d: the log ends at position %" PRId64 ", but %" PRId64
                      " was applied: the log took another course",
                      progress->partition, last_position, progress->reached.position);
        return PROGRESS_OTHER;
    }
    if (progress->asked_position > last_position) {
        call_it_junk(progress);
        return PROGRESS_JUNK;
    }
    progress->is_end_known = true;
    progress->log_end = last_position;
    return PROGRESS_NEXT;
}

void progress_next_request(const struct partition_progress *progress, struct log_request *request)
{
    assert(progress->phase == PROGRESS_ASKING && progress->is_end_known);
    int64_t first = progress->reached.position + 1;
    int64_t last = progress->asked_position - 1;
    if (!progress->is_verified)
        first = last = progress->reached.position;
    else if (!progress->is_record_of_log)
        first = last = progress->asked_position;
    int64_t wanted = last - first + 1;
    *request = (struct log_request){
        .kind = LOG_READ_EVENTS,
        .partition = progress->partition,
        .after = first - 1,
        .limit = wanted < LOG_PAGE_EVENTS ? (int)wanted : LOG_PAGE_EVENTS,
    };
}

/* The record contradicts the log, and so may the records after it. These may even seem to follow,
 * when the topic is read from before what was applied: the log's answer says nothing about them. */
static void call_it_foreign(struct partition_progress *progress)
{
    call_it_junk(progress);
    progress->is_verified = progress->was_verified;
}

static enum progress_verdict judge_last(struct partition_progress *progress,
                                        const struct uuid *event_id)
{
    int64_t last = progress->reached.position;
    if (!uuid_equal(event_id, &progress->reached.event_id)) {
        progress_stop(progress,
                      "partition %d: the log has another event at position %" PRId64
                      " than the one that was applied: the log took another course",
                      progress->partition, last);
        return PROGRESS_OTHER;
    }
    progress->is_verified = true;
    if (progress->asked_position == last)
        call_it_foreign(progress);
    return PROGRESS_DUPLICATE;
}

enum progress_verdict progress_judge_answer(struct partition_progress *progress, int64_t position,
                                            const struct uuid *event_id)
{
    assert(progress->phase == PROGRESS_ASKING);
    int64_t last = progress->reached.position;
    if (!progress->is_verified)
        return position == last ? judge_last(progress, event_id) : PROGRESS_QUESTION;
    if (progress->is_record_of_log)
        return position == last + 1 ? PROGRESS_NEXT : PROGRESS_QUESTION;
    if (position != progress->asked_position)
        return PROGRESS_QUESTION;
    progress->is_record_of_log = uuid_equal(event_id, &progress->asked_event_id);
    if (!progress->is_record_of_log)
        call_it_foreign(progress);
    return PROGRESS_DUPLICATE;
}

bool progress_is_answered(struct partition_progress *progress)
{
    if (progress->phase == PROGRESS_FOLLOWING)
        return true;
    if (progress->phase != PROGRESS_ASKING || !progress->is_verified ||
        !progress->is_record_of_log || progress->reached.position < progress->asked_position - 1)
        return false;
    go_on(progress);
    return true;
}
