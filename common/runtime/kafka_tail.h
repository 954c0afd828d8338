/*
 * kafka_tail.h - looks at what a topic holds: how many partitions, their bounds, and their last and
 * first records. Can also delete first records. Joins no consumer group and commits nothing.
 *
 * One reader belongs to one thread. Deadlines are monotonic microseconds. Everywhere:
 *
 *     STATUS_NOT_FOUND     the topic or the partition is not there
 *     STATUS_UNAVAILABLE   no answer in time
 */
#pragma once

#include "cloud_event.h"
#include "kafka_common.h"

struct kafka_tail;

/* *New*: kafka_tail_free(). Does not wait for a broker. Settings and name are *borrowed* until
 * then. */
MUST_CHECK enum status kafka_tail_new(const struct kafka_settings *settings, const char *topic,
                                      struct kafka_tail **ret_tail, struct error *error);
void kafka_tail_free(struct kafka_tail *tail, int64_t deadline_us);

/* Ask this first: if the topic was re-created, another client looks at it from here on. */
MUST_CHECK enum status kafka_tail_partition_count(struct kafka_tail *tail, int64_t deadline_us,
                                                  int *ret_count, struct error *error);

struct kafka_bounds {
    int64_t low;  /* the first offset that is kept */
    int64_t high; /* the offset that the next record gets; offsets in between may have no record */
};

/* The bounds of partitions 0 to count - 1. */
MUST_CHECK enum status kafka_tail_bounds(struct kafka_tail *tail, int count, int64_t deadline_us,
                                         struct kafka_bounds *ret_bounds, struct error *error);

/* Deletes, as retention does, the records before an offset in each of the partitions 0 to count -
 * 1; 0: none. STATUS_INVALID: the right to Delete on the topic is missing, or the topic is
 * compacted. */
MUST_CHECK enum status kafka_tail_trim(struct kafka_tail *tail, int count, const int64_t *offsets,
                                       int64_t deadline_us, struct error *error);

/* A record; everything in it is borrowed for the length of the call. */
struct kafka_tail_record {
    int64_t offset;
    struct str key;
    struct str value;
    struct cloud_header headers[CLOUD_EVENT_HEADERS_MAX]; /* those beyond the limit are left out */
    size_t header_count;
};

/* Returns false to see no more. */
typedef bool kafka_tail_visit(void *context, const struct kafka_tail_record *record);

/* Visits the records with offsets from `from` to `until` - 1, in order. */
MUST_CHECK enum status kafka_tail_read(struct kafka_tail *tail, int32_t partition, int64_t from,
                                       int64_t until, int64_t deadline_us, kafka_tail_visit *visit,
                                       void *context, struct error *error);
