/*
 * kafka_fetching.h - keeps librdkafka fetching while there is more to read.
 *
 * librdkafka stops fetching a partition that is paused, or while its queue is full. It checks
 * whether it may go on only when a broker has said something, or after a second (2.0; since 2.2,
 * after a full queue, also after fetch.queue.backoff.ms). So meanwhile the brokers are asked how
 * far their partitions go. Their answers also tell whether to ask again.
 */
#pragma once

#include "cart_partition.h"
#include "kafka_common.h"

enum {
    KAFKA_FETCHING_QUEUE_RECORDS_MAX = 10000, /* fetched and not yet taken; then fetching stops */
    KAFKA_FETCHING_MANY_RECORDS = 1000, /* taken without a pause: more than a queue may follow */
    KAFKA_FETCHING_ASK_MS = 20,         /* for an answer, and until the next question */
    KAFKA_FETCHING_ASKS_MAX = 50,       /* in vain */
};

struct kafka_fetching {
    bool is_started[PARTITION_COUNT_MAX];
    int64_t next_offset[PARTITION_COUNT_MAX]; /* of those started: after the last record taken */
    int taken_count;                          /* records, one right after the other */
    int asks_left;
    int64_t ask_at_us;
};

/* The partition was resumed, at this offset or at the beginning (negative). */
void kafka_fetching_start(struct kafka_fetching *fetching, int32_t partition, int64_t offset);
void kafka_fetching_stop(struct kafka_fetching *fetching, int32_t partition);

/* The result of a poll: a record of a partition that was started, or none (NULL). */
void kafka_fetching_took(struct kafka_fetching *fetching, const rd_kafka_message_t *message);

/* Asks if it is time to; waits KAFKA_FETCHING_ASK_MS at most. Call it all the time. */
void kafka_fetching_tend(struct kafka_fetching *fetching, rd_kafka_t *client, const char *topic);
