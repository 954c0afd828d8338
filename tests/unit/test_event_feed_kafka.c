#include "clock.h"
#include "event_feed_kafka.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

/* More records than one batch may hold, and no more than the broker in memory keeps, 5 MiB. */
enum { PARTITION = 0, RECORDS = 50, HEADER_BYTES = 100000, JOIN_MS = 10000, FILL_MS = 1000 };

static rd_kafka_t *host; /* of the broker in memory */
static rd_kafka_mock_cluster_t *brokers;
static struct event_feed_kafka *made;
static const struct event_feed *feed;

static void begin(void)
{
    char reason[ERROR_MESSAGE_MAX];
    host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof(reason));
    brokers = rd_kafka_mock_cluster_new(host, 1);
    rd_kafka_mock_topic_create(brokers, "events", 1, 1);
    struct error error;
    cr_assert_eq(event_feed_kafka_new(
                     &(struct event_feed_kafka_options){
                         .kafka = {.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(brokers),
                                   .client_id = "test",
                                   .security = ""},
                         .topic = "events",
                         .group = "views",
                         .session_timeout_ms = 6000,
                     },
                     &made, &error),
                 STATUS_OK, "%s", error.message);
    feed = event_feed_kafka_port(made);
}

static void end(void)
{
    event_feed_kafka_free(made, clock_deadline_us(1000));
    rd_kafka_mock_cluster_destroy(brokers);
    rd_kafka_destroy(host);
}
TestSuite(event_feed_kafka, .init = begin, .fini = end);

static void produce_with_large_headers(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[ERROR_MESSAGE_MAX];
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(brokers), reason,
                      sizeof(reason));
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    char *value = calloc(1, HEADER_BYTES);
    const rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = "events"},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = PARTITION},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"odd", value, HEADER_BYTES}},
    };
    for (int i = 0; i < RECORDS; i++)
        cr_assert_null(rd_kafka_produceva(producer, record, ARRAY_SIZE(record)));
    cr_assert_eq(rd_kafka_flush(producer, JOIN_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    free(value);
    rd_kafka_destroy(producer);
}

static void start(void)
{
    struct feed_batch batch = {0};
    struct error error = {0};
    for (int waited_ms = 0; batch.change_count == 0 && waited_ms < JOIN_MS; waited_ms += 100)
        (void)!feed->poll(feed->self, 100, &batch, &error);
    cr_assert_eq(batch.change_count, 1);
    enum status status = STATUS_UNAVAILABLE;
    for (int waited_ms = 0; status != STATUS_OK && waited_ms < JOIN_MS; waited_ms += 100) {
        (void)!feed->poll(feed->self, 100, &batch, &error);
        status = feed->start(feed->self, PARTITION, FEED_OFFSET_BEGINNING, &error);
    }
    cr_assert_eq(status, STATUS_OK, "%s", error.message);
}

Test(event_feed_kafka, given_large_headers_then_a_batch_is_no_larger_than_it_may_be)
{
    produce_with_large_headers();
    start();
    usleep(FILL_MS * MICROSECONDS_PER_MILLISECOND);
    size_t most = FEED_BATCH_BYTES_MAX / HEADER_BYTES + 1;
    size_t count = 0;
    for (int waited_ms = 0; count < RECORDS && waited_ms < JOIN_MS; waited_ms += 100) {
        struct feed_batch batch = {0};
        struct error error;
        cr_assert_eq(feed->poll(feed->self, 100, &batch, &error), STATUS_OK);
        cr_assert_leq(batch.record_count, most);
        for (size_t i = 0; i < batch.record_count; i++)
            cr_assert_eq(batch.records[i].headers[0].value.length, HEADER_BYTES);
        count += batch.record_count;
    }
    cr_assert_eq(count, RECORDS);
}
