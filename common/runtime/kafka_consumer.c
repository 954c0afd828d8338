#include "kafka_consumer.h"

#include "clock.h"
#include "kafka_fetching.h"
#include "kafka_topic.h"
#include "macros.h"

#include <stdio.h>
#include <stdlib.h>

struct kafka_consumer {
    struct kafka_consumer_options options;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic_handle;
    struct kafka_topic_watch watch;
    struct error problem; /* STATUS_OK: none */
    bool is_refused;      /* by the group: over when it assigns us a partition */
    int64_t probe_at_us;
    struct kafka_fetching fetching;
    int64_t committed[PARTITION_COUNT_MAX];
    int64_t ask_ends_at_us;
    int64_t ends[PARTITION_COUNT_MAX]; /* of those not being read; -1: not asked for yet */
};

static bool is_known_partition(int32_t partition)
{
    return partition >= 0 && partition < PARTITION_COUNT_MAX;
}

static bool is_started(const struct kafka_consumer *consumer, int32_t partition)
{
    return is_known_partition(partition) && consumer->fetching.is_started[partition];
}

/*
 * A partition must not deliver before its place is known, which takes a look into the database. So
 * it starts at offset 0, which needs no question to a broker, and is paused at once.
 */
static void take_assignment(struct kafka_consumer *consumer, rd_kafka_t *client,
                            rd_kafka_topic_partition_list_t *partitions)
{
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = 0;
    rd_kafka_assign(client, partitions);
    rd_kafka_pause_partitions(client, partitions);
    consumer->problem.status = STATUS_OK;
    consumer->is_refused = false;
}

static void note_problem(struct kafka_consumer *consumer, rd_kafka_resp_err_t code,
                         const char *words)
{
    consumer->is_refused = kafka_is_refusal_of_group(code);
    bool was_fine = consumer->problem.status == STATUS_OK;
    error_set(&consumer->problem, kafka_status(code), "topic %s: %s", consumer->options.topic,
              words != NULL ? words : rd_kafka_err2str(code));
    if (was_fine)
        consumer->probe_at_us = clock_monotonic_us();
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    bool is_ours = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (is_ours) {
        take_assignment(consumer, client, partitions);
    } else {
        if (rd_kafka_assignment_lost(client)) /* no broker answered for the time of a session */
            note_problem(consumer, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL);
        rd_kafka_assign(client, NULL);
    }
    for (int i = 0; i < partitions->cnt; i++) {
        int32_t partition = partitions->elems[i].partition;
        if (!is_known_partition(partition))
            continue;
        kafka_fetching_stop(&consumer->fetching, partition);
        consumer->committed[partition] = -1;
        consumer->ends[partition] = -1;
        consumer->options.changed(consumer->options.context, partition, is_ours);
    }
    rd_kafka_yield(client); /* ends the current poll, so that the change is seen at once */
}

/* A single broken connection does not concern us: librdkafka opens another one. */
static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client;
    (void)reason;
    if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE ||
        code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        return;
    note_problem(opaque, (rd_kafka_resp_err_t)code, NULL);
}

static enum status set_int(rd_kafka_conf_t *conf, const char *name, int value, struct error *error)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", value);
    return kafka_conf_set(conf, name, text, error);
}

static enum status configure(rd_kafka_conf_t *conf, const struct kafka_consumer_options *options,
                             struct error *error)
{
    /* librdkafka does not let it be shorter than the session. */
    int poll_interval_ms = options->session_timeout_ms > KAFKA_CONSUMER_POLL_INTERVAL_MS
                               ? options->session_timeout_ms
                               : KAFKA_CONSUMER_POLL_INTERVAL_MS;
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"session.timeout.ms", options->session_timeout_ms},
        {"heartbeat.interval.ms", options->session_timeout_ms / 4},
        {"max.poll.interval.ms", poll_interval_ms},
        {"queued.max.messages.kbytes", KAFKA_CONSUMER_QUEUE_KIB_MAX},
        {"queued.min.messages", KAFKA_FETCHING_QUEUE_RECORDS_MAX},
        {"fetch.max.bytes", KAFKA_CONSUMER_FETCH_BYTES_MAX},
        {"receive.message.max.bytes", KAFKA_CONSUMER_ANSWER_BYTES_MAX},
        {"fetch.message.max.bytes", KAFKA_CONSUMER_PARTITION_BYTES_MAX},
        {"fetch.wait.max.ms", KAFKA_CONSUMER_FETCH_WAIT_MS},
        {"fetch.error.backoff.ms", KAFKA_CONSUMER_BACKOFF_MS},
        {"metadata.max.age.ms", KAFKA_METADATA_AGE_MS},
        {"topic.metadata.refresh.interval.ms", KAFKA_CONSUMER_METADATA_MS},
        {"topic.metadata.propagation.max.ms", KAFKA_CONSUMER_METADATA_MS},
    };
    const char *const texts[][2] = {
        {"group.id", options->group},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "earliest"},
        /* Our records belong to no transaction, and must not wait for one that nobody ends. */
        {"isolation.level", "read_uncommitted"},
        {"partition.assignment.strategy", "range"},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_SIZE(numbers); i++)
        status = set_int(conf, numbers[i].name, numbers[i].value, error);
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_SIZE(texts); i++)
        status = kafka_conf_set(conf, texts[i][0], texts[i][1], error);
    return status;
}

static enum status open_client(struct kafka_consumer *consumer, rd_kafka_t **ret_client,
                               struct error *error)
{
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_new(&consumer->options.kafka, &conf, error);
    if (status != STATUS_OK)
        return status;
    status = configure(conf, &consumer->options, error);
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    /* Not known before 2.2. */
    (void)!set_int(conf, "fetch.queue.backoff.ms", KAFKA_CONSUMER_BACKOFF_MS, NULL);
    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    char reason[ERROR_MESSAGE_MAX];
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, STATUS_INVALID, "Kafka consumer: %s", reason);
    }
    *ret_client = client;
    return STATUS_OK;
}

/* *Steals* the client. */
static enum status join_group(struct kafka_consumer *consumer, rd_kafka_t *client,
                              struct error *error)
{
    consumer->client = client;
    rd_kafka_poll_set_consumer(client);
    consumer->topic_handle = rd_kafka_topic_new(client, consumer->options.topic, NULL);
    if (consumer->topic_handle == NULL)
        return kafka_error_set(error, rd_kafka_last_error(), "the topic's name");
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, consumer->options.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? STATUS_OK
                                              : kafka_error_set(error, code, "subscribing");
}

static void leave_group(struct kafka_consumer *consumer, int64_t deadline_us)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer->client);
    if (queue == NULL)
        return; /* there is no group of that name */
    rd_kafka_error_t *failure = rd_kafka_consumer_close_queue(consumer->client, queue);
    rd_kafka_queue_destroy(queue);
    if (failure != NULL) {
        rd_kafka_error_destroy(failure);
        return;
    }
    while (!rd_kafka_consumer_closed(consumer->client) && kafka_wait_ms(deadline_us) > 0) {
        int wait_ms = kafka_wait_ms(deadline_us);
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(consumer->client, wait_ms < 50 ? wait_ms : 50);
        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
}

static void close_client(struct kafka_consumer *consumer, int64_t deadline_us)
{
    kafka_topic_watch_done(&consumer->watch);
    leave_group(consumer, deadline_us);
    if (consumer->topic_handle != NULL)
        rd_kafka_topic_destroy(consumer->topic_handle);
    kafka_discard(consumer->client, deadline_us);
}

enum status kafka_consumer_new(const struct kafka_consumer_options *options,
                               struct kafka_consumer **ret_consumer, struct error *error)
{
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    consumer->options = *options;
    rd_kafka_t *client;
    enum status status = open_client(consumer, &client, error);
    if (status != STATUS_OK) {
        free(consumer);
        return status;
    }
    status = join_group(consumer, client, error);
    if (status != STATUS_OK) {
        kafka_consumer_free(consumer, 0);
        return status;
    }
    *ret_consumer = consumer;
    return STATUS_OK;
}

void kafka_consumer_free(struct kafka_consumer *consumer, int64_t deadline_us)
{
    if (consumer == NULL)
        return;
    close_client(consumer, deadline_us);
    free(consumer);
}

/* Asks how far the partitions go that are not being read. For the others every broker answer
 * tells. */
static void ask_ends(struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *ends;
    if (clock_monotonic_us() < consumer->ask_ends_at_us ||
        rd_kafka_assignment(consumer->client, &ends) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    consumer->ask_ends_at_us = clock_deadline_us(KAFKA_CONSUMER_ENDS_MS);
    for (int i = ends->cnt - 1; i >= 0; i--) {
        ends->elems[i].offset = RD_KAFKA_OFFSET_END;
        if (is_started(consumer, ends->elems[i].partition) ||
            !is_known_partition(ends->elems[i].partition))
            rd_kafka_topic_partition_list_del_by_idx(ends, i);
    }
    if (ends->cnt > 0 &&
        rd_kafka_offsets_for_times(consumer->client, ends, KAFKA_FETCHING_ASK_MS) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
        for (int i = 0; i < ends->cnt; i++)
            if (ends->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
                consumer->ends[ends->elems[i].partition] = ends->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(ends);
}

void kafka_consumer_tend(struct kafka_consumer *consumer)
{
    if (consumer->problem.status != STATUS_OK)
        return; /* until kafka_consumer_check() has found a broker */
    kafka_fetching_tend(&consumer->fetching, consumer->client, consumer->options.topic);
    ask_ends(consumer);
    enum kafka_topic_news news = kafka_topic_ask(
        &consumer->watch, consumer->client, consumer->options.topic, KAFKA_CONSUMER_METADATA_MS, 0);
    if (news == KAFKA_TOPIC_NO_ANSWER)
        note_problem(consumer, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL);
    if (news != KAFKA_TOPIC_IS_ANOTHER)
        return;
    rd_kafka_t *client;
    struct error error = {.status = STATUS_OK};
    if (open_client(consumer, &client, &error) != STATUS_OK)
        return; /* found again next time */
    close_client(consumer, clock_deadline_us(KAFKA_CONSUMER_CALL_MS));
    consumer->fetching = (struct kafka_fetching){0};
    enum status status = join_group(consumer, client, &error);
    consumer->problem = error;
    consumer->problem.status = status;
}

rd_kafka_message_t *kafka_consumer_poll(struct kafka_consumer *consumer, int wait_ms)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->client, wait_ms);
    if (message == NULL) {
        kafka_fetching_took(&consumer->fetching, NULL);
        return NULL;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->problem.status = STATUS_OK;
        if (is_started(consumer, message->partition)) {
            kafka_fetching_took(&consumer->fetching, message);
            return message;
        }
    } else {
        note_problem(consumer, message->err, rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
    return NULL;
}

/* librdkafka reports when contact is lost, but not when it is back. That the topic is there says
 * nothing about the group. */
enum status kafka_consumer_check(struct kafka_consumer *consumer, struct error *error)
{
    if (consumer->problem.status == STATUS_OK)
        return STATUS_OK;
    int64_t now_us = clock_monotonic_us();
    if (now_us >= consumer->probe_at_us && !consumer->is_refused) {
        int count;
        struct error found = {.status = STATUS_OK};
        enum status status =
            kafka_partition_count(consumer->client, consumer->topic_handle, consumer->options.topic,
                                  KAFKA_CONSUMER_PROBE_MS, &count, &found);
        consumer->problem = found;
        consumer->problem.status = status;
        consumer->probe_at_us =
            now_us + (int64_t)KAFKA_CONSUMER_PROBE_EVERY_MS * MICROSECONDS_PER_MILLISECOND;
    }
    if (consumer->problem.status == STATUS_OK)
        return STATUS_OK;
    return error_set(error, consumer->problem.status, "%s", consumer->problem.message);
}

enum status kafka_consumer_partition_count(struct kafka_consumer *consumer, int64_t deadline_us,
                                           int *ret_count, struct error *error)
{
    return kafka_partition_count(consumer->client, consumer->topic_handle, consumer->options.topic,
                                 kafka_wait_ms(deadline_us), ret_count, error);
}

enum status kafka_consumer_start(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                                 struct error *error)
{
    if (!is_known_partition(partition))
        return error_set(error, STATUS_UNAVAILABLE, "no such partition");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place =
        rd_kafka_topic_partition_list_add(list, consumer->options.topic, partition);
    place->offset = offset;
    rd_kafka_error_t *failure =
        rd_kafka_seek_partitions(consumer->client, list, KAFKA_CONSUMER_CALL_MS);
    rd_kafka_resp_err_t code = failure != NULL ? rd_kafka_error_code(failure) : place->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_resume_partitions(consumer->client, list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = place->err;
    rd_kafka_error_destroy(failure);
    rd_kafka_topic_partition_list_destroy(list);
    kafka_fetching_stop(&consumer->fetching, partition);
    consumer->ends[partition] = -1;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_fetching_start(&consumer->fetching, partition, offset);
        return STATUS_OK;
    }
    return error_set(error, STATUS_UNAVAILABLE, "starting partition %d: %s", partition,
                     rd_kafka_err2str(code));
}

void kafka_consumer_stop(struct kafka_consumer *consumer, int32_t partition)
{
    if (!is_started(consumer, partition))
        return;
    kafka_fetching_stop(&consumer->fetching, partition);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, consumer->options.topic, partition);
    rd_kafka_pause_partitions(consumer->client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_consumer_commit(struct kafka_consumer *consumer, int32_t partition, int64_t next_offset)
{
    if (!is_known_partition(partition) || consumer->committed[partition] == next_offset)
        return;
    consumer->committed[partition] = next_offset;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, consumer->options.topic, partition)->offset =
        next_offset;
    rd_kafka_commit(consumer->client, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t kafka_consumer_end_offset(struct kafka_consumer *consumer, int32_t partition)
{
    int64_t low = -1;
    int64_t high = -1;
    if (is_known_partition(partition) && consumer->ends[partition] >= 0)
        return consumer->ends[partition];
    if (rd_kafka_get_watermark_offsets(consumer->client, consumer->options.topic, partition, &low,
                                       &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return high >= 0 ? high : -1;
}
