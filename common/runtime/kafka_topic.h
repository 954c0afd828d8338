/*
 * kafka_topic.h - notices that a topic was deleted and made again under its name.
 *
 * In a new topic the leaders' epochs begin again. librdkafka since 2.1 takes what brokers say about
 * it for older than what it knows (its issue 4898). A client that has read the old topic may then
 * never read the new one: it has to be replaced. Before 2.1 there are no such epochs. Before 2.3
 * librdkafka cannot ask which topic it is, and nothing is noticed.
 */
#pragma once

#include "kafka_common.h"

/* Zeroes: nothing is known yet. */
struct kafka_topic_watch {
    rd_kafka_queue_t *answers;
    bool is_asked;
    int64_t ask_at_us; /* not before this time, by clock_monotonic_us() */
    int64_t id[2];     /* of the topic that this client saw first */
};

enum kafka_topic_news {
    KAFKA_TOPIC_NO_NEWS,
    KAFKA_TOPIC_IS_ANOTHER, /* another one than was seen first */
    KAFKA_TOPIC_NO_ANSWER,
};

/*
 * Asks the brokers which topic this is, at most every `every_ms`, and waits up to wait_ms for an
 * answer. A later answer is found by a later call. One client, until kafka_topic_watch_done().
 * librdkafka spins while a question waits for a broker that is away. So after KAFKA_TOPIC_NO_ANSWER
 * call only when brokers are known to be there.
 */
enum kafka_topic_news kafka_topic_ask(struct kafka_topic_watch *watch, rd_kafka_t *client,
                                      const char *topic, int every_ms, int wait_ms);

/* Before the client ends; the next one begins with nothing known. */
void kafka_topic_watch_done(struct kafka_topic_watch *watch);
