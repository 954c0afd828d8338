/*
 * event_feed_kafka.h - reads the topic as a member of a consumer group.
 */
#pragma once

#include "event_feed.h"
#include "kafka_common.h"

struct event_feed_kafka;

struct event_feed_kafka_options {
    struct kafka_settings kafka;
    const char *topic;
    const char *group;
    int session_timeout_ms; /* a member that is silent for that long loses its partitions */
};

/* *New*: event_feed_kafka_free(). Joins the group; the brokers may come later. All strings are
 * *borrowed* until then. STATUS_INVALID: a setting that librdkafka does not take. */
MUST_CHECK enum status event_feed_kafka_new(const struct event_feed_kafka_options *options,
                                            struct event_feed_kafka **ret_feed,
                                            struct error *error);
/* Leaves the group and ends, by the deadline (monotonic microseconds). Takes NULL. */
void event_feed_kafka_free(struct event_feed_kafka *feed, int64_t deadline_us);

/* The port; borrowed from the feed. */
const struct event_feed *event_feed_kafka_port(struct event_feed_kafka *feed);

/* How many partitions the topic has. STATUS_NOT_FOUND: there is no such topic. */
MUST_CHECK enum status event_feed_kafka_partition_count(struct event_feed_kafka *feed,
                                                        int64_t deadline_us, int *ret_count,
                                                        struct error *error);
