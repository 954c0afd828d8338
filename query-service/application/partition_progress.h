/*
 * partition_progress.h - how far one partition has been applied, and what the next record means.
 *
 *     loading:    its place has to be read from the store
 *     following:  takes records from the topic
 *     asking:     a record raised a question that only the log can answer; the topic has to wait
 *     stopped:    the log contradicts what was applied; a person has to look
 *
 * A checkpoint holds the id of its last event. Nothing new is taken until that event has been seen
 * again, in the topic or in the log. A log that was restored to another course has another id at
 * that position, so the two are never mixed. A record that does not follow may belong to another
 * log: it is compared with ours before a gap is filled because of it. Pure.
 */
#pragma once

#include "log_client.h"
#include "view_store.h"

enum progress_phase {
    PROGRESS_LOADING,
    PROGRESS_FOLLOWING,
    PROGRESS_ASKING,
    PROGRESS_STOPPED,
};

enum progress_verdict {
    PROGRESS_NEXT,      /* it is the next one: apply it, then progress_advance() */
    PROGRESS_DUPLICATE, /* it was applied before */
    PROGRESS_JUNK,      /* the log does not have it */
    PROGRESS_QUESTION,  /* the log has to be asked: the partition is asking now */
    PROGRESS_OTHER,     /* the log took another course: the partition has stopped */
};

enum { PROGRESS_DETAIL_MAX = 200 };

struct partition_progress {
    int16_t partition;
    enum progress_phase phase;
    bool is_verified;          /* the event at `reached` was seen again, or was applied by us */
    struct checkpoint stored;  /* in the database, or in its open transaction, as far as we know */
    struct checkpoint reached; /* with the batch in hand */
    int64_t next_offset;       /* in the topic, after the last record taken; or unknown */

    /* The record that raised the question, and what is known of the answer. */
    int64_t asked_position;
    int64_t asked_offset;
    struct uuid asked_event_id;
    bool was_verified;
    bool is_end_known;
    int64_t log_end;       /* last position of the log, read after the question came up */
    bool is_record_of_log; /* the log has the same event there */

    /* Offset of a record that the log does not have; unknown: none. In a re-created topic, another
     * record of the same position may be at that offset. */
    int64_t junk_offset;
    int64_t junk_position;
    struct uuid junk_event_id;

    char detail[PROGRESS_DETAIL_MAX]; /* while asking or stopped: why */
};

/* Loading, nothing known. */
void progress_begin(struct partition_progress *progress, int16_t partition);

/* Loading again, e.g. because somebody else moved the partition. Still remembers the junk. */
void progress_reload(struct partition_progress *progress);

/* Following, from this checkpoint. The topic has to be read from stored.kafka_offset on. */
void progress_loaded(struct partition_progress *progress, const struct checkpoint *checkpoint);

/* What a record of the topic means to a partition that is following. */
enum progress_verdict progress_judge(struct partition_progress *progress, int64_t offset,
                                     int64_t position, const struct uuid *event_id);

/* `event` has been applied. `offset` is its record's. An event read from the log has none: then it
 * is that of the record that raised the question. */
void progress_advance(struct partition_progress *progress, const struct recorded_event *event,
                      int64_t offset);

/* This checkpoint, which was reached, is in the database, or in its open transaction. */
void progress_written(struct partition_progress *progress, const struct checkpoint *checkpoint);

/* We have raised the epoch by one, to this value. False: somebody else has changed it too. */
MUST_CHECK bool progress_raise_epoch(struct partition_progress *progress, int64_t epoch);

/* The log ends at this position, read after the question came up. */
enum progress_verdict progress_log_end(struct partition_progress *progress, int64_t last_position);

/* Which events to ask for next: first the last one that was applied, until it has been seen again;
 * then what the log has where the record says it belongs; then what is missing. Only while asking,
 * and once the log's end is known. */
void progress_next_request(const struct partition_progress *progress, struct log_request *request);

/* What an event of the log's answer means: NEXT, DUPLICATE, OTHER, or QUESTION when the answer
 * makes no sense (it lacks an event). */
enum progress_verdict progress_judge_answer(struct partition_progress *progress, int64_t position,
                                            const struct uuid *event_id);

/* True when the question has been answered: the partition is following again, and the topic is to
 * be read from asked_offset on. */
bool progress_is_answered(struct partition_progress *progress);

/* Stops it, with a reason. */
void progress_stop(struct partition_progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);
