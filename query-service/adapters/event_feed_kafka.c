#include "event_feed_kafka.h"

#include "cart_partition.h"
#include "clock.h"
#include "kafka_consumer.h"

#include <assert.h>
#include <stdlib.h>

/* A rebalance takes all partitions and gives some back. Changes beyond that wait for the next
 * poll. */
enum { FEED_CHANGES_MAX = 4 * PARTITION_COUNT_MAX };

struct event_feed_kafka {
    struct event_feed port;
    struct kafka_consumer *consumer;

    size_t change_count;
    struct feed_change changes[FEED_CHANGES_MAX];

    size_t record_count;
    size_t record_bytes;
    rd_kafka_message_t *messages[FEED_RECORDS_MAX]; /* owned; what the records borrow from */
    struct feed_record records[FEED_RECORDS_MAX];
    struct cloud_header headers[FEED_RECORDS_MAX][FEED_HEADERS_MAX];
};

/* Drops records of a partition that is no longer ours. If they were delivered, they would look like
 * a gap when the partition comes back. */
static void drop_records(struct event_feed_kafka *feed, int32_t partition)
{
    for (size_t i = 0; i < feed->record_count; i++)
        if (feed->records[i].partition == partition)
            feed->records[i].partition = -1;
}

static void on_change(void *context, int32_t partition, bool is_ours)
{
    struct event_feed_kafka *feed = context;
    drop_records(feed, partition);
    assert(feed->change_count < FEED_CHANGES_MAX);
    feed->changes[feed->change_count++] =
        (struct feed_change){is_ours ? FEED_ASSIGNED : FEED_REVOKED, (int16_t)partition};
}

static struct str str_of(const void *bytes, size_t length)
{
    return bytes == NULL ? STR_NONE : (struct str){bytes, length};
}

static size_t read_headers(const rd_kafka_message_t *message, struct cloud_header *ret_headers)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    size_t count = 0;
    const void *value;
    size_t length;
    while (count < FEED_HEADERS_MAX &&
           rd_kafka_header_get_all(headers, count, &ret_headers[count].name, &value, &length) ==
               RD_KAFKA_RESP_ERR_NO_ERROR)
        ret_headers[count++].value = str_of(value, length);
    return count;
}

static void add_record(struct event_feed_kafka *feed, rd_kafka_message_t *message)
{
    size_t index = feed->record_count++;
    feed->messages[index] = message;
    feed->records[index] = (struct feed_record){
        .partition = (int16_t)message->partition,
        .offset = message->offset,
        .key = str_of(message->key, message->key_len),
        .value = str_of(message->payload, message->len),
        .headers = feed->headers[index],
        .header_count = read_headers(message, feed->headers[index]),
    };
    feed->record_bytes += message->len + message->key_len;
    for (size_t i = 0; i < feed->records[index].header_count; i++)
        feed->record_bytes +=
            strlen(feed->headers[index][i].name) + feed->headers[index][i].value.length;
}

static void release_records(struct event_feed_kafka *feed)
{
    for (size_t i = 0; i < feed->record_count; i++)
        rd_kafka_message_destroy(feed->messages[i]);
    feed->record_count = 0;
    feed->record_bytes = 0;
    feed->change_count = 0;
}

static bool has_room(const struct event_feed_kafka *feed)
{
    return feed->record_count < FEED_RECORDS_MAX && feed->record_bytes < FEED_BATCH_BYTES_MAX;
}

static enum status poll(void *self, int wait_ms, struct feed_batch *ret_batch, struct error *error)
{
    struct event_feed_kafka *feed = self;
    release_records(feed);
    kafka_consumer_tend(feed->consumer);
    rd_kafka_message_t *message = kafka_consumer_poll(feed->consumer, wait_ms);
    /* A change ends the batch: for the records after it, the partition must be started first. */
    while (message != NULL) {
        add_record(feed, message);
        message = has_room(feed) && feed->change_count == 0 ? kafka_consumer_poll(feed->consumer, 0)
                                                            : NULL;
    }
    *ret_batch = (struct feed_batch){
        .changes = feed->changes,
        .change_count = feed->change_count,
        .records = feed->records,
        .record_count = feed->record_count,
        .is_full = !has_room(feed),
    };
    /* Records that have come must be taken, whatever has gone wrong since. */
    if (feed->record_count > 0 || feed->change_count > 0)
        return STATUS_OK;
    return kafka_consumer_check(feed->consumer, error);
}

static enum status start(void *self, int16_t partition, int64_t offset, struct error *error)
{
    struct event_feed_kafka *feed = self;
    return kafka_consumer_start(feed->consumer, partition,
                                offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : offset, error);
}

static void stop(void *self, int16_t partition)
{
    struct event_feed_kafka *feed = self;
    kafka_consumer_stop(feed->consumer, partition);
}

static void commit(void *self, int16_t partition, int64_t next_offset)
{
    struct event_feed_kafka *feed = self;
    kafka_consumer_commit(feed->consumer, partition, next_offset);
}

static int64_t end_offset(void *self, int16_t partition)
{
    struct event_feed_kafka *feed = self;
    return kafka_consumer_end_offset(feed->consumer, partition);
}

enum status event_feed_kafka_new(const struct event_feed_kafka_options *options,
                                 struct event_feed_kafka **ret_feed, struct error *error)
{
    struct event_feed_kafka *feed = calloc(1, sizeof(*feed));
    if (feed == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    feed->port = (struct event_feed){feed, poll, start, stop, commit, end_offset};
    enum status status = kafka_consumer_new(
        &(struct kafka_consumer_options){
            .kafka = options->kafka,
            .topic = options->topic,
            .group = options->group,
            .session_timeout_ms = options->session_timeout_ms,
            .changed = on_change,
            .context = feed,
        },
        &feed->consumer, error);
    if (status != STATUS_OK) {
        free(feed);
        return status;
    }
    *ret_feed = feed;
    return STATUS_OK;
}

void event_feed_kafka_free(struct event_feed_kafka *feed, int64_t deadline_us)
{
    if (feed == NULL)
        return;
    release_records(feed);
    kafka_consumer_free(feed->consumer, deadline_us);
    free(feed);
}

const struct event_feed *event_feed_kafka_port(struct event_feed_kafka *feed)
{
    return &feed->port;
}

enum status event_feed_kafka_partition_count(struct event_feed_kafka *feed, int64_t deadline_us,
                                             int *ret_count, struct error *error)
{
    return kafka_consumer_partition_count(feed->consumer, deadline_us, ret_count, error);
}
