/*
 * kafka_topic.h - notices that a topic was deleted and made again under its name.
 *
 * In a new topic the epochs of leaders begin again. librdkafka since 2.1 takes what brokers say of
 * it for older than what it knows (its issue 4898), and a client that has read the old topic may
 * never read the new one: it has to be replaced. Before 2.1 there are no such epochs; before 2.3
 * nobody can be asked, and nothing is noticed.
 */
#pragma once

#include "kafka_common.h"

/* Zeroes: nothing is known yet. */
struct kafka_topic_watch {
    rd_kafka_queue_t *answers;
    bool is_asked;
    int64_t ask_at_us; /* not before, by clock_monotonic_us() */
    int64_t id[2];     /* of the topic that this client saw first */
};

enum kafka_topic_news {
    KAFKA_TOPIC_NO_NEWS,
    KAFKA_TOPIC_IS_ANOTHER, /* than the one that was seen first */
    KAFKA_TOPIC_NO_ANSWER,
};

/*
 * Asks the brokers which topic this is, at most every `every_ms`, and waits up to wait_ms for an
 * answer; a later one is found by a later call. One client, until kafka_topic_watch_done(). While a
 * question waits for a broker that is away, librdkafka spins: after KAFKA_TOPIC_NO_ANSWER call only
 * when brokers are known to be there.
 */
enum kafka_topic_news kafka_topic_ask(struct kafka_topic_watch *watch, rd_kafka_t *client,
                                      const char *topic, int every_ms, int wait_ms);

/* Before the client ends; the next one begins with nothing known. */
void kafka_topic_watch_done(struct kafka_topic_watch *watch);
