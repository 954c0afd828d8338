/*
 * kafka_common.h - what all our Kafka clients share: where the brokers are, how to prove who we
 * are, where librdkafka's log lines go, and how to get rid of a client in time.
 */
#pragma once

#include "status.h"
#include "str.h"

#include <librdkafka/rdkafka.h>
#include <stdint.h>

struct kafka_settings {
    const char *bootstrap_servers; /* "host:9092,host:9092" */
    const char *client_id;         /* shows in the brokers' logs and metrics */

    /*
     * librdkafka's own security settings as NAME=VALUE, one a line, or separated by `;` when the
     * text is one line. Only security.protocol, sasl.*, ssl.*, enable.sasl.* and enable.ssl.* may
     * be set. NULL or "": plain text, nobody is asked who they are. Never logged.
     */
    const char *security;
};

/*
 * A client configuration with these settings, librdkafka's log lines in our log, its statistics
 * off, no topic ever created by asking for it, and reconnecting within KAFKA_RECONNECT_MAX_MS.
 * *New*: the caller owes rd_kafka_conf_destroy() until rd_kafka_new() takes it. STATUS_INVALID: a
 * setting that librdkafka does not take; the message names it and never holds a value of
 * `security`.
 */
MUST_CHECK enum status kafka_conf_new(const struct kafka_settings *settings,
                                      rd_kafka_conf_t **ret_conf, struct error *error);

enum {
    KAFKA_RECONNECT_MIN_MS = 20,
    KAFKA_RECONNECT_MAX_MS = 500, /* the return of a broker is noticed within this */
    KAFKA_SETTING_MAX = 8192,     /* bytes of one NAME=VALUE: certificates are long */

    /*
     * How long a reader remembers what brokers said of a topic. If a topic is re-created while the
     * old one is remembered, librdkafka 2.4 to 2.9 uses memory that it has freed and may never
     * answer again (its issue 4778). No topic is deleted and re-created within this time.
     */
    KAFKA_METADATA_AGE_MS = 100,
};

/* One more setting; STATUS_INVALID as above. */
MUST_CHECK enum status kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                      struct error *error);

/* Checks kafka_settings.security as a setting (config.h), by making a client with it. The client
 * connects to nobody, but files that the setting names must exist. */
MUST_CHECK enum status kafka_security_check(const char *security, struct error *error);

/*
 * What a failure means to the caller:
 *
 *     STATUS_NOT_FOUND     the topic or the partition is not there
 *     STATUS_INVALID       refused for a reason that retrying will not change (rights, size)
 *     STATUS_INTERNAL      the client has to be thrown away (fatal)
 *     STATUS_UNAVAILABLE   anything else: may work later
 */
enum status kafka_status(rd_kafka_resp_err_t code);

/* The brokers are there, and the topic may be, but the consumer group refuses us. */
bool kafka_is_refusal_of_group(rd_kafka_resp_err_t code);

/* Fills `error` with "ACTION: librdkafka's words" and returns its status. */
enum status kafka_error_set(struct error *error, rd_kafka_resp_err_t code, const char *action);

/* How many partitions the topic of that name has; waits for an answer up to `wait_ms`. */
MUST_CHECK enum status kafka_partition_count(rd_kafka_t *client, rd_kafka_topic_t *topic,
                                             const char *name, int wait_ms, int *ret_count,
                                             struct error *error);

/*
 * Ends a client. *Steals* it; takes NULL. rd_kafka_destroy() can block for long when a broker
 * hangs. So it runs on a thread of its own, which is waited for until the deadline (monotonic
 * microseconds) and then left to finish by itself. Messages that are queued or on their way are
 * dropped; consumers leave no group. False when it was left behind.
 */
bool kafka_discard(rd_kafka_t *client, int64_t deadline_us);

/* Milliseconds from now to the deadline, for librdkafka's time-outs: 0 when it has passed. */
int kafka_wait_ms(int64_t deadline_us);
