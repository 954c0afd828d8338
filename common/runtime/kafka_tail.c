#include "kafka_tail.h"

#include "clock.h"
#include "kafka_topic.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    POLL_STEP_MS = 100,
    DISCARD_WAIT_MS = 500,
    ID_WAIT_MS = 50, /* to wait for the topic's id; nothing else needs it */
};

struct kafka_tail {
    const struct kafka_settings *settings;
    const char *name;
    rd_kafka_t *client; /* NULL, like the topic: to be opened */
    rd_kafka_topic_t *topic;
    struct kafka_topic_watch watch;
};

static enum status configure(rd_kafka_conf_t *conf, struct error *error)
{
    char age[16];
    snprintf(age, sizeof(age), "%d", KAFKA_METADATA_AGE_MS);
    const char *const pairs[][2] = {
        {"enable.partition.eof", "true"},
        {"auto.offset.reset", "error"},
        /* A record of a transaction that nobody ended must not hide the records before it. */
        {"isolation.level", "read_uncommitted"},
        {"fetch.wait.max.ms", "5"},
        {"fetch.error.backoff.ms", "50"},
        {"queued.min.messages", "1000"},
        {"queued.max.messages.kbytes", "2048"},
        {"fetch.message.max.bytes", "1048576"},
        {"metadata.max.age.ms", age},
        {"socket.timeout.ms", "5000"},
        {"socket.connection.setup.timeout.ms", "5000"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        enum status status = kafka_conf_set(conf, pairs[i][0], pairs[i][1], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* The caller gets the failure as the answer to its question; there is nothing to add here. */
static void ignore_error(rd_kafka_t *client, int code, const char *reason, void *context)
{
    (void)client, (void)code, (void)reason, (void)context;
}

static void close_client(struct kafka_tail *tail, int64_t deadline_us)
{
    kafka_topic_watch_done(&tail->watch);
    if (tail->topic != NULL)
        rd_kafka_topic_destroy(tail->topic);
    kafka_discard(tail->client, deadline_us);
    tail->topic = NULL;
    tail->client = NULL;
}

static enum status open_client(struct kafka_tail *tail, struct error *error)
{
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_new(tail->settings, &conf, error);
    if (status != STATUS_OK)
        return status;
    status = configure(conf, error);
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    rd_kafka_conf_set_error_cb(conf, ignore_error);
    char reason[ERROR_MESSAGE_MAX];
    tail->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (tail->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, STATUS_INVALID, "Kafka reader: %s", reason);
    }
    tail->topic = rd_kafka_topic_new(tail->client, tail->name, NULL);
    if (tail->topic != NULL)
        return STATUS_OK;
    status = kafka_error_set(error, rd_kafka_last_error(), "Kafka reader: topic");
    close_client(tail, clock_deadline_us(DISCARD_WAIT_MS));
    return status;
}

enum status kafka_tail_new(const struct kafka_settings *settings, const char *topic,
                           struct kafka_tail **ret_tail, struct error *error)
{
    struct kafka_tail *tail = calloc(1, sizeof(*tail));
    if (tail == NULL)
        return error_set(error, STATUS_NO_MEMORY, "Kafka: out of memory");
    tail->settings = settings;
    tail->name = topic;
    enum status status = open_client(tail, error);
    if (status != STATUS_OK) {
        free(tail);
        return status;
    }
    *ret_tail = tail;
    return STATUS_OK;
}

void kafka_tail_free(struct kafka_tail *tail, int64_t deadline_us)
{
    if (tail == NULL)
        return;
    close_client(tail, deadline_us);
    free(tail);
}

enum status kafka_tail_partition_count(struct kafka_tail *tail, int64_t deadline_us, int *ret_count,
                                       struct error *error)
{
    int count = 0;
    enum status status = tail->client == NULL ? open_client(tail, error) : STATUS_OK;
    if (status == STATUS_OK)
        status = kafka_partition_count(tail->client, tail->topic, tail->name,
                                       kafka_wait_ms(deadline_us), &count, error);
    if (status == STATUS_OK && kafka_topic_ask(&tail->watch, tail->client, tail->name, 0,
                                               ID_WAIT_MS) == KAFKA_TOPIC_IS_ANOTHER) {
        close_client(tail, clock_deadline_us(DISCARD_WAIT_MS));
        status = open_client(tail, error);
    }
    if (status == STATUS_OK)
        *ret_count = count;
    return status;
}

/* rd_kafka_query_watermark_offsets() of 2.0.2 does not keep its time-out; this does. */
static enum status ask_offsets(struct kafka_tail *tail, int count, int64_t which,
                               int64_t deadline_us, struct kafka_bounds *bounds,
                               struct error *error)
{
    const char *topic = rd_kafka_topic_name(tail->topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int32_t p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = which;

    enum status status = STATUS_OK;
    rd_kafka_resp_err_t code =
        rd_kafka_offsets_for_times(tail->client, list, kafka_wait_ms(deadline_us));
    for (int p = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && p < count; p++) {
        const rd_kafka_topic_partition_t *found = &list->elems[p];
        code = found->err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && found->offset < 0)
            code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        if (which == RD_KAFKA_OFFSET_BEGINNING)
            bounds[found->partition].low = found->offset;
        else
            bounds[found->partition].high = found->offset;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = kafka_error_set(error, code, "Kafka: asking for the first and last offsets");
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

enum status kafka_tail_bounds(struct kafka_tail *tail, int count, int64_t deadline_us,
                              struct kafka_bounds *ret_bounds, struct error *error)
{
    struct kafka_bounds *bounds = calloc((size_t)count, sizeof(*bounds));
    if (bounds == NULL)
        return error_set(error, STATUS_NO_MEMORY, "Kafka: out of memory");
    enum status status =
        ask_offsets(tail, count, RD_KAFKA_OFFSET_BEGINNING, deadline_us, bounds, error);
    if (status == STATUS_OK)
        status = ask_offsets(tail, count, RD_KAFKA_OFFSET_END, deadline_us, bounds, error);
    if (status == STATUS_OK)
        memcpy(ret_bounds, bounds, (size_t)count * sizeof(*bounds));
    free(bounds);
    return status;
}

static enum status trim_result(rd_kafka_event_t *event, struct error *error)
{
    static const char action[] = "Kafka: deleting records";
    if (event == NULL)
        return error_set(error, STATUS_UNAVAILABLE, "%s: no answer in time", action);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, code, action);
    const rd_kafka_topic_partition_list_t *list =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_error_set(error, list->elems[i].err, action);
    return STATUS_OK;
}

enum status kafka_tail_trim(struct kafka_tail *tail, int count, const int64_t *offsets,
                            int64_t deadline_us, struct error *error)
{
    enum status status = tail->client == NULL ? open_client(tail, error) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int32_t p = 0; p < count; p++)
        if (offsets[p] > 0)
            rd_kafka_topic_partition_list_add(list, tail->name, p)->offset = offsets[p];
    rd_kafka_DeleteRecords_t *question = rd_kafka_DeleteRecords_new(list);
    rd_kafka_topic_partition_list_destroy(list);

    int wait_ms = kafka_wait_ms(deadline_us);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(tail->client, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, NULL, 0);
    rd_kafka_AdminOptions_set_operation_timeout(options, wait_ms, NULL, 0);
    rd_kafka_queue_t *answers = rd_kafka_queue_new(tail->client);
    rd_kafka_DeleteRecords(tail->client, &question, 1, options, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, kafka_wait_ms(deadline_us));
    status = trim_result(event, error);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteRecords_destroy(question);
    return status;
}

static void fill_record(const rd_kafka_message_t *message, struct kafka_tail_record *record)
{
    record->offset = message->offset;
    record->key = (struct str){message->key, message->key_len};
    record->value = (struct str){message->payload, message->len};
    record->header_count = 0;

    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0; i < CLOUD_EVENT_HEADERS_MAX; i++) {
        struct cloud_header *header = &record->headers[i];
        const void *value;
        if (rd_kafka_header_get_all(headers, i, &header->name, &value, &header->value.length) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            return;
        header->value.bytes = value;
        record->header_count++;
    }
}

static enum status read_until(struct kafka_tail *tail, int32_t partition, int64_t until,
                              int64_t deadline_us, kafka_tail_visit *visit, void *context,
                              struct error *error)
{
    for (;;) {
        int left_ms = kafka_wait_ms(deadline_us);
        if (left_ms == 0)
            return error_set(error, STATUS_UNAVAILABLE, "Kafka: partition %d was not read in time",
                             (int)partition);
        rd_kafka_message_t *message = rd_kafka_consume(
            tail->topic, partition, left_ms < POLL_STEP_MS ? left_ms : POLL_STEP_MS);
        if (message == NULL)
            continue;
        rd_kafka_resp_err_t code = message->err;
        int64_t offset = message->offset;
        bool more = false;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && offset < until) {
            struct kafka_tail_record record;
            fill_record(message, &record);
            more = visit(context, &record) && offset + 1 < until;
        }
        rd_kafka_message_destroy(message);
        if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            return STATUS_OK;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_error_set(error, code, "Kafka: reading a partition");
        if (!more)
            return STATUS_OK;
    }
}

enum status kafka_tail_read(struct kafka_tail *tail, int32_t partition, int64_t from, int64_t until,
                            int64_t deadline_us, kafka_tail_visit *visit, void *context,
                            struct error *error)
{
    if (from >= until)
        return STATUS_OK;
    if (rd_kafka_consume_start(tail->topic, partition, from) != 0)
        return kafka_error_set(error, rd_kafka_last_error(), "Kafka: reading a partition");
    enum status status = read_until(tail, partition, until, deadline_us, visit, context, error);
    rd_kafka_consume_stop(tail->topic, partition);
    return status;
}
