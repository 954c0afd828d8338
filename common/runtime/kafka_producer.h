/*
 * kafka_producer.h - an idempotent producer to one topic that never gives a message up and never
 * reorders.
 *
 * Messages wait for as long as the brokers are away, in a queue that is bounded in messages and in
 * bytes. If one cannot be delivered at all, no later one will be (no gaps). The producer has then
 * failed and must be replaced by a new one, which starts from what the topic really holds. One
 * producer belongs to one thread.
 */
#pragma once

#include "cloud_event.h"
#include "kafka_common.h"

struct kafka_producer;

struct kafka_delivery {
    int32_t partition;
    int64_t tag;    /* as given to kafka_producer_send() */
    int64_t offset; /* in the Kafka partition; -1: written, but not known where */
    size_t bytes;   /* of its value */
};

struct kafka_producer_options {
    const struct kafka_settings *settings;
    const char *topic;
    const char *compression; /* "none", "lz4", "zstd" ... */
    int messages_max;        /* waiting or on their way, all partitions together */
    int kibibytes_max;       /* their keys and values; header values come on top */
    int message_bytes_max;   /* one message; the topic's max.message.bytes has to allow it */
    int notify_fd;           /* eventfd, written when there is something to serve; -1: none */

    /* Called by kafka_producer_serve() and _flush(), in order within a partition. */
    void (*delivered)(void *context, const struct kafka_delivery *delivery);
    void *context;
};

/* *New*: kafka_producer_free(). Does not wait for a broker. STATUS_INVALID: a setting is wrong. */
MUST_CHECK enum status kafka_producer_new(const struct kafka_producer_options *options,
                                          struct kafka_producer **ret_producer,
                                          struct error *error);

/* Drops what was not delivered. Waits for the client's threads until the deadline; see
 * kafka_discard(). */
void kafka_producer_free(struct kafka_producer *producer, int64_t deadline_us);

/*
 * Queues a message; key, value and headers are copied. STATUS_UNAVAILABLE: the queue is full; serve
 * and try again. STATUS_INVALID: it is over message_bytes_max. Any other failure: the producer has
 * failed.
 */
MUST_CHECK enum status kafka_producer_send(struct kafka_producer *producer, int32_t partition,
                                           struct str key, struct str value,
                                           const struct cloud_header *headers, size_t header_count,
                                           int64_t tag, struct error *error);

/*
 * Reports the deliveries that have arrived; does not wait. Not STATUS_OK: the producer has failed
 * (STATUS_NOT_FOUND: the topic is gone, STATUS_INVALID: a message was refused) and stays so.
 */
MUST_CHECK enum status kafka_producer_serve(struct kafka_producer *producer, struct error *error);

/* Serves until everything is delivered (STATUS_OK) or the deadline has passed
 * (STATUS_UNAVAILABLE). */
MUST_CHECK enum status kafka_producer_flush(struct kafka_producer *producer, int64_t deadline_us,
                                            struct error *error);

/* librdkafka's last complaint ("connection refused"), or "". For people only, since it goes on
 * trying. Borrowed, changes with the next serve. */
const char *kafka_producer_complaint(const struct kafka_producer *producer);
