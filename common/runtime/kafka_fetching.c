#include "kafka_fetching.h"

#include "clock.h"

void kafka_fetching_start(struct kafka_fetching *fetching, int32_t partition, int64_t offset)
{
    fetching->is_started[partition] = true;
    fetching->next_offset[partition] = offset < 0 ? 0 : offset;
    fetching->asks_left = KAFKA_FETCHING_ASKS_MAX;
}

void kafka_fetching_stop(struct kafka_fetching *fetching, int32_t partition)
{
    fetching->is_started[partition] = false;
}

void kafka_fetching_took(struct kafka_fetching *fetching, const rd_kafka_message_t *message)
{
    if (message == NULL) {
        fetching->taken_count = 0;
        return;
    }
    fetching->next_offset[message->partition] = message->offset + 1;
    if (++fetching->taken_count < KAFKA_FETCHING_MANY_RECORDS)
        return;
    fetching->taken_count = 0;
    fetching->asks_left = KAFKA_FETCHING_ASKS_MAX;
}

static bool is_queue_long(rd_kafka_t *client)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    size_t length = rd_kafka_queue_length(queue);
    rd_kafka_queue_destroy(queue);
    return length > KAFKA_FETCHING_QUEUE_RECORDS_MAX / 2;
}

/* Whether there is more to read; true when that is unknown. */
static bool ask(const struct kafka_fetching *fetching, rd_kafka_t *client, const char *topic)
{
    bool is_behind = false;
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(1);
    for (int32_t i = 0; i < PARTITION_COUNT_MAX; i++)
        if (fetching->is_started[i])
            rd_kafka_topic_partition_list_add(ends, topic, i)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, ends, KAFKA_FETCHING_ASK_MS);
    for (int i = 0; i < ends->cnt; i++) {
        const rd_kafka_topic_partition_t *end = &ends->elems[i];
        is_behind = is_behind || code != RD_KAFKA_RESP_ERR_NO_ERROR ||
                    end->offset > fetching->next_offset[end->partition];
    }
    rd_kafka_topic_partition_list_destroy(ends);
    return is_behind;
}

void kafka_fetching_tend(struct kafka_fetching *fetching, rd_kafka_t *client, const char *topic)
{
    if (fetching->asks_left == 0 || clock_monotonic_us() < fetching->ask_at_us ||
        is_queue_long(client))
        return;
    fetching->asks_left = ask(fetching, client, topic) ? fetching->asks_left - 1 : 0;
    fetching->ask_at_us = clock_deadline_us(KAFKA_FETCHING_ASK_MS);
}
