#include "clock.h"
#include "dead_letter_kafka.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

enum { PRODUCE = 0, WAIT_MS = 10000 }; /* Kafka's number of the request */

static rd_kafka_t *host; /* of the broker in memory */
static rd_kafka_mock_cluster_t *brokers;
static struct dead_letter_kafka *topic;
static const struct dead_letter_topic *port;

static void begin(void)
{
    char reason[ERROR_MESSAGE_MAX];
    host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof(reason));
    brokers = rd_kafka_mock_cluster_new(host, 1);
    struct kafka_settings settings = {
        .bootstrap_servers = rd_kafka_mock_cluster_bootstraps(brokers),
        .client_id = "test",
        .security = "",
    };
    struct error error;
    cr_assert_eq(dead_letter_kafka_new(&settings, "dead", "events", &topic, &error), STATUS_OK);
    port = dead_letter_kafka_port(topic);
}

static void end(void)
{
    dead_letter_kafka_free(topic, clock_monotonic_us() + MICROSECONDS_PER_SECOND);
    rd_kafka_mock_cluster_destroy(brokers);
    rd_kafka_destroy(host);
}
TestSuite(dead_letter_kafka, .init = begin, .fini = end);

/* Whether the record has been delivered when nothing is in flight any more. */
static bool is_delivered(int64_t record_id)
{
    const struct parked_record record = {
        .record_id = record_id, .value = STR_LITERAL("{}"), .reason = "no such type"};
    struct error error;
    if (port->send(port->self, &record, &error) != STATUS_OK)
        return false;
    bool found = false;
    size_t in_flight = 1;
    for (int waited_ms = 0; in_flight > 0 && waited_ms < WAIT_MS; waited_ms += 10) {
        int64_t ids[DEAD_LETTERS_MAX];
        size_t count = port->delivered(port->self, ids, ARRAY_SIZE(ids), &in_flight);
        found = found || (count == 1 && ids[0] == record_id);
        usleep(10000);
    }
    return found;
}

Test(dead_letter_kafka, given_a_broker_of_an_older_state_then_what_it_refused_can_be_sent_again)
{
    cr_assert(is_delivered(1));
    rd_kafka_mock_push_request_errors(brokers, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    (void)is_delivered(2);
    cr_assert(is_delivered(2));
}
