/*
 * dead_letter_kafka.h - the dead-letter topic in Kafka: the record as it came, and why it is here.
 */
#pragma once

#include "dead_letter_topic.h"
#include "kafka_common.h"

/* Headers that are added to the record's own. */
#define DEAD_LETTER_REASON_HEADER "dead_letter_reason"
#define DEAD_LETTER_TOPIC_HEADER "dead_letter_source_topic"
#define DEAD_LETTER_PARTITION_HEADER "dead_letter_source_partition"
#define DEAD_LETTER_OFFSET_HEADER "dead_letter_source_offset" /* when it is known */

struct dead_letter_kafka;

/* *New*: dead_letter_kafka_free(). Strings are copied. The topic need not exist yet: until it does,
 * records wait in the database. */
MUST_CHECK enum status dead_letter_kafka_new(const struct kafka_settings *settings,
                                             const char *topic, const char *source_topic,
                                             struct dead_letter_kafka **ret_topic,
                                             struct error *error);
/* Drops what has not been delivered; that is sent again next time. Takes NULL. */
void dead_letter_kafka_free(struct dead_letter_kafka *topic, int64_t deadline_us);

/* The port; borrowed. */
const struct dead_letter_topic *dead_letter_kafka_port(struct dead_letter_kafka *topic);
