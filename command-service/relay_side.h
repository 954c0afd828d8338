/*
 * relay_side.h - everything that publishes the log, put together: the event store's reading end,
 * the topic and the relay between them.
 */
#pragma once

#include "command_config.h"
#include "health.h"
#include "kafka_common.h"
#include "publisher_kafka.h"
#include "relay.h"
#include "relay_log_postgres.h"

struct relay_side {
    struct health_check *check; /* borrowed */
    struct kafka_settings kafka;
    struct relay_log_postgres *log;
    struct publisher_kafka *publisher;
    struct relay_log log_port;
    struct relay_publisher publisher_port;
    struct relay_options options; /* also used for publishing again */
    struct relay *relay;
};

/* Builds it; nothing runs yet. STATUS_INVALID: librdkafka does not take a setting. The caller owes
 * relay_side_done() in any case. */
MUST_CHECK enum status relay_side_build(struct relay_side *side,
                                        const struct command_config *config,
                                        struct health_check *check, struct error *error);
/* Looks at the topic once. Call it when the log is known to have the configured number of
 * partitions. STATUS_CONFLICT: the topic has another number. A topic that is away is waited for. */
MUST_CHECK enum status relay_side_check_topic(struct relay_side *side, struct error *error);
/* Starts publishing, unless the settings leave that to another instance. */
MUST_CHECK enum status relay_side_start(struct relay_side *side,
                                        const struct command_config *config, struct error *error);
/* Delivers what it has begun. Works however much was built. */
void relay_side_stop(struct relay_side *side);
void relay_side_done(struct relay_side *side);
