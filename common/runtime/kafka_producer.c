#include "kafka_producer.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLUSH_STEP_MS = 50 };

struct kafka_producer {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *events;
    void (*delivered)(void *context, const struct kafka_delivery *delivery);
    void *context;
    struct error failure; /* status is STATUS_OK until it has failed */
    char complaint[ERROR_MESSAGE_MAX];
};

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    (void)client;
    struct kafka_producer *producer = context;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (producer->failure.status == STATUS_OK)
            kafka_error_set(&producer->failure, message->err, "a message was not delivered");
        return;
    }
    if (producer->failure.status != STATUS_OK)
        return;
    struct kafka_delivery delivery = {
        .partition = message->partition,
        .tag = (int64_t)(intptr_t)message->_private,
        .offset = message->offset >= 0 ? message->offset : -1,
        .bytes = message->len,
    };
    producer->complaint[0] = '\0';
    producer->delivered(producer->context, &delivery);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *context)
{
    struct kafka_producer *producer = context;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        char why[ERROR_MESSAGE_MAX];
        rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client, why, sizeof(why));
        bool is_refused = kafka_status(cause) == STATUS_INVALID; /* as the next one would be */
        /* A later report, of the message that left the gap, says more. */
        if (cause != RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE && producer->failure.status == STATUS_OK)
            error_set(&producer->failure, is_refused ? STATUS_INVALID : STATUS_INTERNAL,
                      "the Kafka producer gave up: %s: %s", rd_kafka_err2name(cause), why);
        return;
    }
    snprintf(producer->complaint, sizeof(producer->complaint), "%s", reason);
}

static enum status configure(const struct kafka_producer_options *options,
                             struct kafka_producer *producer, rd_kafka_conf_t *conf,
                             struct error *error)
{
    char messages[16];
    char kibibytes[16];
    char message_bytes[16];
    snprintf(messages, sizeof(messages), "%d", options->messages_max);
    snprintf(kibibytes, sizeof(kibibytes), "%d", options->kibibytes_max);
    snprintf(message_bytes, sizeof(message_bytes), "%d", options->message_bytes_max);
    const char *const pairs[][2] = {
        {"enable.idempotence", "true"},
        {"enable.gapless.guarantee", "true"},
        {"acks", "all"},
        {"message.timeout.ms", "0"},
        {"linger.ms", "0"},
        {"retry.backoff.ms", "50"},
        {"request.timeout.ms", "15000"},
        {"socket.timeout.ms", "20000"},
        {"socket.connection.setup.timeout.ms", "5000"},
        {"compression.type", options->compression},
        {"queue.buffering.max.messages", messages},
        {"queue.buffering.max.kbytes", kibibytes},
        {"message.max.bytes", message_bytes},
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        enum status status = kafka_conf_set(conf, pairs[i][0], pairs[i][1], error);
        if (status != STATUS_OK)
            return status;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, producer);
    return STATUS_OK;
}

static enum status start(struct kafka_producer *producer,
                         const struct kafka_producer_options *options, struct error *error)
{
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_new(options->settings, &conf, error);
    if (status != STATUS_OK)
        return status;
    status = configure(options, producer, conf, error);
    char reason[ERROR_MESSAGE_MAX];
    if (status == STATUS_OK) {
        producer->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
        if (producer->client == NULL)
            status = error_set(error, STATUS_INVALID, "Kafka producer: %s", reason);
    }
    if (producer->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    producer->topic = rd_kafka_topic_new(producer->client, options->topic, NULL);
    if (producer->topic == NULL)
        return kafka_error_set(error, rd_kafka_last_error(), "Kafka producer: topic");
    producer->events = rd_kafka_queue_get_main(producer->client);
    if (options->notify_fd >= 0) {
        static const uint64_t one = 1;
        rd_kafka_queue_io_event_enable(producer->events, options->notify_fd, &one, sizeof(one));
    }
    return STATUS_OK;
}

enum status kafka_producer_new(const struct kafka_producer_options *options,
                               struct kafka_producer **ret_producer, struct error *error)
{
    struct kafka_producer *producer = calloc(1, sizeof(*producer));
    if (producer == NULL)
        return error_set(error, STATUS_NO_MEMORY, "Kafka producer: out of memory");
    producer->delivered = options->delivered;
    producer->context = options->context;
    enum status status = start(producer, options, error);
    if (status != STATUS_OK) {
        kafka_producer_free(producer, clock_monotonic_us());
        return status;
    }
    *ret_producer = producer;
    return STATUS_OK;
}

void kafka_producer_free(struct kafka_producer *producer, int64_t deadline_us)
{
    if (producer == NULL)
        return;
    if (producer->events != NULL) {
        /* A client that is left behind must not write to a descriptor that is somebody else's. */
        rd_kafka_queue_io_event_enable(producer->events, -1, NULL, 0);
        rd_kafka_queue_destroy(producer->events);
    }
    if (producer->topic != NULL)
        rd_kafka_topic_destroy(producer->topic);
    kafka_discard(producer->client, deadline_us);
    free(producer);
}

static rd_kafka_headers_t *copy_headers(const struct cloud_header *headers, size_t count)
{
    rd_kafka_headers_t *copy = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(copy, headers[i].name, -1, headers[i].value.bytes,
                            (ssize_t)headers[i].value.length);
    return copy;
}

enum status kafka_producer_send(struct kafka_producer *producer, int32_t partition, struct str key,
                                struct str value, const struct cloud_header *headers,
                                size_t header_count, int64_t tag, struct error *error)
{
    if (producer->failure.status != STATUS_OK) {
        *error = producer->failure;
        return producer->failure.status;
    }
    rd_kafka_headers_t *copy = copy_headers(headers, header_count);
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = producer->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(char *)(uintptr_t)key.bytes, key.length}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(char *)(uintptr_t)value.bytes, value.length}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = copy},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(intptr_t)tag},
    };
    rd_kafka_error_t *failure = rd_kafka_produceva(producer->client, parts, ARRAY_SIZE(parts));
    if (failure == NULL)
        return STATUS_OK;
    enum status status = kafka_error_set(error, rd_kafka_error_code(failure), "Kafka send");
    rd_kafka_error_destroy(failure);
    rd_kafka_headers_destroy(copy);
    return status;
}

enum status kafka_producer_serve(struct kafka_producer *producer, struct error *error)
{
    rd_kafka_poll(producer->client, 0);
    if (producer->failure.status != STATUS_OK)
        *error = producer->failure;
    return producer->failure.status;
}

enum status kafka_producer_flush(struct kafka_producer *producer, int64_t deadline_us,
                                 struct error *error)
{
    for (;;) {
        enum status status = kafka_producer_serve(producer, error);
        if (status != STATUS_OK || rd_kafka_outq_len(producer->client) == 0)
            return status;
        int left_ms = kafka_wait_ms(deadline_us);
        if (left_ms == 0)
            return error_set(error, STATUS_UNAVAILABLE, "%d messages were not delivered in time",
                             rd_kafka_outq_len(producer->client));
        rd_kafka_poll(producer->client, left_ms < FLUSH_STEP_MS ? left_ms : FLUSH_STEP_MS);
    }
}

const char *kafka_producer_complaint(const struct kafka_producer *producer)
{
    return producer->complaint;
}
