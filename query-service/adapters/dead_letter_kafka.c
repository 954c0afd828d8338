#include "dead_letter_kafka.h"

#include "clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SEND_TIMEOUT_MS = 30000, /* then it counts as failed and is sent again later */
    QUEUE_KIB_MAX = 8 * 1024,
    NUMBER_MAX = 24,
};

struct dead_letter_kafka {
    struct dead_letter_topic port;
    rd_kafka_t *client;
    char *topic;
    char *source_topic;
    size_t in_flight;
    size_t delivered_count;
    int64_t delivered[DEAD_LETTERS_MAX];
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct dead_letter_kafka *topic = opaque;
    assert(topic->in_flight > 0 && topic->delivered_count < DEAD_LETTERS_MAX);
    topic->in_flight--;
    int64_t *record_id = message->_private;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        topic->delivered[topic->delivered_count++] = *record_id;
    free(record_id);
}

static void add_header(rd_kafka_headers_t *headers, const char *name, struct str value)
{
    rd_kafka_header_add(headers, name, -1, value.bytes, (ssize_t)value.length);
}

static rd_kafka_headers_t *make_headers(const struct dead_letter_kafka *topic,
                                        const struct parked_record *record)
{
    char number[NUMBER_MAX];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count + 4);
    for (size_t i = 0; i < record->header_count; i++)
        add_header(headers, record->headers[i].name, record->headers[i].value);
    add_header(headers, DEAD_LETTER_REASON_HEADER, str_from(record->reason));
    add_header(headers, DEAD_LETTER_TOPIC_HEADER, str_from(topic->source_topic));
    snprintf(number, sizeof(number), "%d", record->partition);
    add_header(headers, DEAD_LETTER_PARTITION_HEADER, str_from(number));
    if (record->kafka_offset != KAFKA_OFFSET_UNKNOWN) {
        snprintf(number, sizeof(number), "%lld", (long long)record->kafka_offset);
        add_header(headers, DEAD_LETTER_OFFSET_HEADER, str_from(number));
    }
    return headers;
}

static enum status send_record(void *self, const struct parked_record *record, struct error *error)
{
    struct dead_letter_kafka *topic = self;
    if (topic->in_flight + topic->delivered_count >= DEAD_LETTERS_MAX)
        return error_set(error, STATUS_UNAVAILABLE, "enough dead letters are on their way");
    int64_t *record_id = malloc(sizeof(*record_id));
    if (record_id == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    *record_id = record->record_id;
    rd_kafka_headers_t *headers = make_headers(topic, record);
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(char *)(uintptr_t)record->key.bytes, record->key.length}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(char *)(uintptr_t)record->value.bytes, record->value.length}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = record_id},
    };
    rd_kafka_error_t *failure = rd_kafka_produceva(topic->client, parts, ARRAY_SIZE(parts));
    if (failure == NULL) {
        topic->in_flight++;
        return STATUS_OK;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(failure);
    rd_kafka_error_destroy(failure);
    rd_kafka_headers_destroy(headers);
    free(record_id);
    return kafka_error_set(error, code, "sending a dead letter");
}

static size_t delivered(void *self, int64_t *ret_record_ids, size_t capacity, size_t *ret_in_flight)
{
    struct dead_letter_kafka *topic = self;
    rd_kafka_poll(topic->client, 0);
    size_t count = topic->delivered_count < capacity ? topic->delivered_count : capacity;
    memcpy(ret_record_ids, topic->delivered, count * sizeof(*ret_record_ids));
    topic->delivered_count -= count;
    memmove(topic->delivered, topic->delivered + count,
            topic->delivered_count * sizeof(*topic->delivered));
    *ret_in_flight = topic->in_flight + topic->delivered_count;
    return count;
}

static enum status configure(rd_kafka_conf_t *conf, struct error *error)
{
    char timeout[NUMBER_MAX];
    char queue[NUMBER_MAX];
    char largest[NUMBER_MAX];
    snprintf(timeout, sizeof(timeout), "%d", SEND_TIMEOUT_MS);
    snprintf(queue, sizeof(queue), "%d", QUEUE_KIB_MAX);
    snprintf(largest, sizeof(largest), "%d", QUEUE_KIB_MAX * 1024);
    const char *const pairs[][2] = {
        {"message.max.bytes", largest}, /* the broker says what is too large */
        /* Not idempotent: an idempotent producer can fail for good and then needs a new client.
         * Records that the table does not know to be delivered are sent twice anyway. */
        {"acks", "all"},
        {"message.timeout.ms", timeout},
        {"queue.buffering.max.kbytes", queue},
        {"partitioner", "murmur2_random"}, /* as Kafka's own clients do */
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        enum status status = kafka_conf_set(conf, pairs[i][0], pairs[i][1], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status open_client(struct dead_letter_kafka *topic,
                               const struct kafka_settings *settings, struct error *error)
{
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_new(settings, &conf, error);
    if (status != STATUS_OK)
        return status;
    status = configure(conf, error);
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    rd_kafka_conf_set_opaque(conf, topic);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    char reason[ERROR_MESSAGE_MAX];
    topic->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (topic->client != NULL)
        return STATUS_OK;
    rd_kafka_conf_destroy(conf);
    return error_set(error, STATUS_INVALID, "Kafka producer: %s", reason);
}

enum status dead_letter_kafka_new(const struct kafka_settings *settings, const char *topic,
                                  const char *source_topic, struct dead_letter_kafka **ret_topic,
                                  struct error *error)
{
    struct dead_letter_kafka *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    made->port = (struct dead_letter_topic){made, send_record, delivered};
    made->topic = strdup(topic);
    made->source_topic = strdup(source_topic);
    enum status status = made->topic != NULL && made->source_topic != NULL
                             ? open_client(made, settings, error)
                             : error_set(error, STATUS_NO_MEMORY, "out of memory");
    if (status != STATUS_OK) {
        dead_letter_kafka_free(made, 0);
        return status;
    }
    *ret_topic = made;
    return STATUS_OK;
}

void dead_letter_kafka_free(struct dead_letter_kafka *topic, int64_t deadline_us)
{
    if (topic == NULL)
        return;
    if (topic->client != NULL) {
        /* Dropped messages are handed back here, so that nothing is left behind. */
        rd_kafka_purge(topic->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        topic->delivered_count = 0;
        rd_kafka_poll(topic->client, 0);
        kafka_discard(topic->client, deadline_us);
    }
    free(topic->topic);
    free(topic->source_topic);
    free(topic);
}

const struct dead_letter_topic *dead_letter_kafka_port(struct dead_letter_kafka *topic)
{
    return &topic->port;
}
