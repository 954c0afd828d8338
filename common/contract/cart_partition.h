/*
 * cart_partition.h - which partition of the log (and of the Kafka topic) a cart lives in.
 */
#pragma once

#include "str.h"
#include "uuid.h"

enum { PARTITION_COUNT_MAX = 1024 };

/* murmur2 as Kafka's Java client has it (org.apache.kafka.common.utils.Utils.murmur2), as an
 * unsigned number. */
uint32_t murmur2(struct str bytes);

/* (murmur2(the 36 lower-case characters) & 0x7fffffff) % partition_count, which is where Kafka's
 * default partitioner puts a record with that key. */
int16_t cart_partition(const struct uuid *cart_id, int partition_count);
