/*
 * kafka_consumer.h - a member of a consumer group that reads one topic, with bounded memory.
 *
 * An assigned partition stays silent until it is started at an offset. Offsets are committed for
 * tools only; nothing here depends on them. One thread.
 */
#pragma once

#include "kafka_common.h"

enum {
    KAFKA_CONSUMER_QUEUE_KIB_MAX = 8 * 1024,      /* fetched, not yet taken; then fetching stops */
    KAFKA_CONSUMER_FETCH_BYTES_MAX = 4 << 20,     /* asked of a broker at once, or one batch */
    KAFKA_CONSUMER_ANSWER_BYTES_MAX = 9 << 20,    /* a longer answer is not read */
    KAFKA_CONSUMER_PARTITION_BYTES_MAX = 1 << 20, /* asked of one partition, or one batch */
    KAFKA_CONSUMER_FETCH_WAIT_MS = 50,            /* how long a broker with nothing to say waits */
    KAFKA_CONSUMER_BACKOFF_MS = 20,               /* after a failure, or a full queue */
    KAFKA_CONSUMER_METADATA_MS = 2000,            /* how long a new topic may go unnoticed */
    /* A member that does not poll for that long is expelled. No shorter than the session. */
    KAFKA_CONSUMER_POLL_INTERVAL_MS = 60000,
    KAFKA_CONSUMER_CALL_MS = 1000, /* start */
    KAFKA_CONSUMER_PROBE_MS = 200, /* a look whether the topic is back */
    KAFKA_CONSUMER_PROBE_EVERY_MS = 500,
    KAFKA_CONSUMER_ENDS_MS = 1000, /* between questions how far silent partitions go */
};

struct kafka_consumer;

struct kafka_consumer_options {
    struct kafka_settings kafka;
    const char *topic;
    const char *group;
    int session_timeout_ms;
    /* Called within kafka_consumer_poll() and kafka_consumer_free(): a partition has come, or is
     * gone. */
    void (*changed)(void *context, int32_t partition, bool is_ours);
    void *context;
};

/* *New*: kafka_consumer_free(). Joins the group as soon as there is a broker. Strings are
 * *borrowed* until then. STATUS_INVALID: a setting that librdkafka does not take. */
MUST_CHECK enum status kafka_consumer_new(const struct kafka_consumer_options *options,
                                          struct kafka_consumer **ret_consumer,
                                          struct error *error);

/* Leaves the group and ends, by the deadline (monotonic microseconds). Takes NULL. */
void kafka_consumer_free(struct kafka_consumer *consumer, int64_t deadline_us);

/*
 * Checks every KAFKA_CONSUMER_METADATA_MS whether the topic was deleted and re-created. Not every
 * librdkafka recovers from that (kafka_topic.h). So the client is replaced, and each partition
 * comes once more. Also keeps the fetching going (kafka_fetching.h). Waits twice
 * KAFKA_FETCHING_ASK_MS at most, and KAFKA_CONSUMER_CALL_MS when the client is replaced. Call it
 * all the time, and only while no record is held.
 */
void kafka_consumer_tend(struct kafka_consumer *consumer);

/* The next record of a partition that was started: *new*, rd_kafka_message_destroy(). NULL: none
 * within wait_ms. */
MUST_CHECK rd_kafka_message_t *kafka_consumer_poll(struct kafka_consumer *consumer, int wait_ms);

/* STATUS_OK, or what is wrong with the topic or the way to it: STATUS_NOT_FOUND, STATUS_UNAVAILABLE
 * or another of kafka_status(). May wait KAFKA_CONSUMER_PROBE_MS while something is wrong. */
MUST_CHECK enum status kafka_consumer_check(struct kafka_consumer *consumer, struct error *error);

/* Reads the partition from this offset on, or from RD_KAFKA_OFFSET_BEGINNING. An offset that does
 * not exist means the beginning. STATUS_UNAVAILABLE: not now. */
MUST_CHECK enum status kafka_consumer_start(struct kafka_consumer *consumer, int32_t partition,
                                            int64_t offset, struct error *error);

/* No more of its records come. */
void kafka_consumer_stop(struct kafka_consumer *consumer, int32_t partition);

/* Tells the group; neither waits nor fails. */
void kafka_consumer_commit(struct kafka_consumer *consumer, int32_t partition, int64_t next_offset);

/* The offset after the last record, as of the last answer of a broker; -1: unknown. */
int64_t kafka_consumer_end_offset(struct kafka_consumer *consumer, int32_t partition);

/* STATUS_NOT_FOUND: there is no such topic. */
MUST_CHECK enum status kafka_consumer_partition_count(struct kafka_consumer *consumer,
                                                      int64_t deadline_us, int *ret_count,
                                                      struct error *error);
