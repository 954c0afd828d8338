#include "clock.h"
#include "kafka_consumer.h"
#include "kafka_fetching.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

enum {
    PARTITION = 0,
    RECORDS = 3 * KAFKA_FETCHING_QUEUE_RECORDS_MAX,
    JOIN_MS = 10000,
    FILL_MS = 200,
    POLL_MS = 50,
    STANDSTILL_MS = 500, /* librdkafka alone stands still for a second */
    JOIN_GROUP = 11,     /* Kafka's number of the request */
};

static rd_kafka_t *host; /* of the broker in memory */
static rd_kafka_mock_cluster_t *brokers;
static bool is_assigned;

static void begin(void)
{
    char reason[ERROR_MESSAGE_MAX];
    host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof(reason));
    brokers = rd_kafka_mock_cluster_new(host, 1);
    rd_kafka_mock_topic_create(brokers, "events", 1, 1);
    is_assigned = false;
}

static void end(void)
{
    rd_kafka_mock_cluster_destroy(brokers);
    rd_kafka_destroy(host);
}
TestSuite(kafka_consumer, .init = begin, .fini = end);

static void produce(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[ERROR_MESSAGE_MAX];
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(brokers), reason,
                      sizeof(reason));
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, "events", NULL);
    for (int i = 0; i < RECORDS; i++)
        cr_assert_eq(rd_kafka_produce(topic, PARTITION, RD_KAFKA_MSG_F_COPY, (char[]){"event"}, 5,
                                      NULL, 0, NULL),
                     0);
    cr_assert_eq(rd_kafka_flush(producer, JOIN_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
}

static void on_change(void *context, int32_t partition, bool is_ours)
{
    (void)context, (void)partition;
    is_assigned = is_ours;
}

static struct kafka_consumer *new_consumer(int session_timeout_ms)
{
    struct kafka_consumer *consumer;
    struct error error;
    const struct kafka_consumer_options options = {
        .kafka = {.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(brokers),
                  .client_id = "test",
                  .security = ""},
        .topic = "events",
        .group = "views",
        .session_timeout_ms = session_timeout_ms,
        .changed = on_change,
    };
    cr_assert_eq(kafka_consumer_new(&options, &consumer, &error), STATUS_OK, "%s", error.message);
    return consumer;
}

static struct kafka_consumer *join(void)
{
    struct kafka_consumer *consumer = new_consumer(6000);
    struct error error;
    for (int waited_ms = 0; !is_assigned && waited_ms < JOIN_MS; waited_ms += 100)
        cr_assert_null(kafka_consumer_poll(consumer, 100));
    cr_assert(is_assigned);
    /* A busy client may not be ready yet; the caller has to retry. */
    enum status status = kafka_consumer_start(consumer, PARTITION, 0, &error);
    for (int waited_ms = 0; status == STATUS_UNAVAILABLE && waited_ms < JOIN_MS; waited_ms += 100) {
        cr_assert_null(kafka_consumer_poll(consumer, 100));
        status = kafka_consumer_start(consumer, PARTITION, 0, &error);
    }
    cr_assert_eq(status, STATUS_OK, "%s", error.message);
    return consumer;
}

Test(kafka_consumer, given_a_group_without_a_name_then_it_says_so)
{
    struct kafka_consumer *consumer;
    struct error error;
    const struct kafka_consumer_options options = {
        .kafka = {.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(brokers)},
        .topic = "events",
        .group = "",
        .session_timeout_ms = 6000,
        .changed = on_change,
    };
    cr_assert_eq(kafka_consumer_new(&options, &consumer, &error), STATUS_UNAVAILABLE);
    cr_expect_str_eq(error.message, "subscribing: Local: Unknown group");
}

/* NULL: none came in time. */
static rd_kafka_message_t *next(struct kafka_consumer *consumer)
{
    rd_kafka_message_t *message = kafka_consumer_poll(consumer, 0);
    for (int waited_ms = 0; message == NULL && waited_ms < STANDSTILL_MS; waited_ms += POLL_MS) {
        kafka_consumer_tend(consumer);
        message = kafka_consumer_poll(consumer, POLL_MS);
    }
    return message;
}

Test(kafka_consumer, given_more_than_its_queue_holds_then_reading_never_stands_still)
{
    produce();
    struct kafka_consumer *consumer = join();
    usleep(FILL_MS * MICROSECONDS_PER_MILLISECOND);
    for (int i = 0; i < RECORDS; i++) {
        rd_kafka_message_t *message = next(consumer);
        cr_assert_not_null(message, "after %d records", i);
        cr_assert_eq(message->offset, i);
        rd_kafka_message_destroy(message);
    }
    kafka_consumer_free(consumer, clock_monotonic_us() + MICROSECONDS_PER_SECOND);
}

Test(kafka_consumer, given_a_partition_that_is_not_read_then_it_is_known_how_far_it_goes)
{
    struct kafka_consumer *consumer = join();
    kafka_consumer_stop(consumer, PARTITION);
    produce();
    for (int waited_ms = 0; kafka_consumer_end_offset(consumer, PARTITION) != RECORDS;
         waited_ms += POLL_MS) {
        cr_assert_lt(waited_ms, JOIN_MS);
        kafka_consumer_tend(consumer);
        cr_assert_null(kafka_consumer_poll(consumer, POLL_MS));
    }
    kafka_consumer_free(consumer, clock_deadline_us(1000));
}

Test(kafka_consumer, given_a_group_that_refuses_us_then_that_is_the_problem_until_it_takes_us)
{
    struct error error = {.status = STATUS_OK};
    rd_kafka_mock_push_request_errors(brokers, JOIN_GROUP, 2,
                                      RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT,
                                      RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT);
    struct kafka_consumer *consumer = new_consumer(6000);
    bool is_told = false;
    for (int waited_ms = 0; !is_assigned && waited_ms < 2 * JOIN_MS; waited_ms += POLL_MS) {
        cr_assert_null(kafka_consumer_poll(consumer, POLL_MS));
        bool is_fine = kafka_consumer_check(consumer, &error) == STATUS_OK;
        cr_assert(is_assigned || !is_fine || !is_told, "it is forgotten");
        is_told = is_told || !is_fine;
    }
    cr_assert(is_assigned && is_told);
    cr_assert_not_null(strstr(error.message, "session timeout"), "%s", error.message);
    cr_assert_eq(kafka_consumer_check(consumer, &error), STATUS_OK);
    kafka_consumer_free(consumer, clock_deadline_us(1000));
}

Test(kafka_consumer, given_the_longest_session_that_may_be_set_then_librdkafka_takes_it)
{
    kafka_consumer_free(new_consumer(600000), clock_deadline_us(1000));
}
