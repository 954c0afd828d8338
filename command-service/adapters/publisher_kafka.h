/*
 * publisher_kafka.h - the relay's topic on Kafka: events as CloudEvents in binary mode
 * (docs/events.md), one Kafka partition per partition of the log.
 *
 * The topic's max.message.bytes has to be at least PUBLISHER_MESSAGE_BYTES_MAX (Kafka's default
 * is).
 */
#pragma once

#include "kafka_common.h"
#include "relay_publisher.h"

struct publisher_kafka;

enum { PUBLISHER_MESSAGE_BYTES_MAX = 1000000 };

struct publisher_kafka_options {
    const struct kafka_settings *settings; /* all borrowed until publisher_kafka_free() */
    const char *topic;
    const char *compression; /* "none", "lz4" ... */
    int partition_count;
};

/* *New*: publisher_kafka_free(). Does not wait for a broker. STATUS_INVALID: a setting is wrong. */
MUST_CHECK enum status publisher_kafka_new(const struct publisher_kafka_options *options,
                                           struct publisher_kafka **ret_publisher,
                                           struct error *error);
void publisher_kafka_free(struct publisher_kafka *publisher, int64_t deadline_us);

/* The port; borrows the publisher. */
struct relay_publisher publisher_kafka_port(struct publisher_kafka *publisher);

/*
 * For the start of a service: is the topic as it must be? STATUS_CONFLICT: it has another number of
 * partitions; waiting does not help. STATUS_NOT_FOUND, STATUS_UNAVAILABLE: it may come. Not to be
 * called while a relay uses the publisher.
 */
MUST_CHECK enum status publisher_kafka_check_topic(struct publisher_kafka *publisher,
                                                   int64_t deadline_us, struct error *error);
