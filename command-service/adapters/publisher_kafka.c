#include "publisher_kafka.h"

#include "kafka_producer.h"
#include "kafka_tail.h"

#include <stdlib.h>

enum {
    LOOK_BACK_FIRST = 1,  /* records from the end to look at first ... */
    LOOK_BACK_FACTOR = 8, /* ... and how many times more, each time none of them was an event */
};

/* What watch() saw last, so that it reads only what has changed. */
struct watched {
    int64_t high;
    int64_t position;
};

/* What find_ends() has found. If it runs out of time, the next call continues from here. */
struct found_end {
    bool is_known;
    struct kafka_bounds bounds;
    struct relay_topic_end end;
};

struct publisher_kafka {
    struct publisher_kafka_options options;
    struct kafka_tail *tail;
    struct kafka_producer *producer; /* NULL: not open */
    relay_delivered_fn *delivered;
    void *context;
    struct kafka_bounds *bounds;
    struct watched *watched;
    struct found_end *found;
    struct cloud_event record; /* large: not on the stack */
    struct text metadata;
};

enum status publisher_kafka_check_topic(struct publisher_kafka *publisher, int64_t deadline_us,
                                        struct error *error)
{
    int count;
    enum status status = kafka_tail_partition_count(publisher->tail, deadline_us, &count, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "topic %s does not exist: create it with %d partitions",
                         publisher->options.topic, publisher->options.partition_count);
    if (status == STATUS_OK && count != publisher->options.partition_count)
        return error_set(error, STATUS_CONFLICT,
                         "topic %s has %d partitions and the log %d: re-create the topic",
                         publisher->options.topic, count, publisher->options.partition_count);
    return status;
}

static enum status find_bounds(struct publisher_kafka *publisher, int64_t deadline_us,
                               struct error *error)
{
    enum status status = publisher_kafka_check_topic(publisher, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    return kafka_tail_bounds(publisher->tail, publisher->options.partition_count, deadline_us,
                             publisher->bounds, error);
}

struct search {
    struct publisher_kafka *publisher;
    int16_t partition;
    bool found;
    bool is_late; /* an event of another position came before position 1 */
    int64_t offset;
    int64_t position;
    struct uuid event_id;
};

/* Skips records that are not our events: somebody else wrote them. */
static bool look_at(struct search *search, const struct kafka_tail_record *record)
{
    struct recorded_event event;
    if (cloud_event_read(search->partition, record->key, record->value, record->headers,
                         record->header_count, &search->publisher->metadata, &event,
                         NULL) != STATUS_OK)
        return false;
    search->found = true;
    search->offset = record->offset;
    search->position = event.position;
    search->event_id = event.event_id;
    return true;
}

static bool remember_last(void *context, const struct kafka_tail_record *record)
{
    look_at(context, record);
    return true;
}

static bool stop_at_first_position(void *context, const struct kafka_tail_record *record)
{
    struct search *search = context;
    if (!look_at(search, record))
        return true;
    if (search->position == 1)
        return false;
    search->is_late = true;
    return true;
}

static bool stop_at_once(void *context, const struct kafka_tail_record *record)
{
    struct search *search = context;
    search->found = look_at(search, record);
    search->offset = record->offset;
    return false;
}

/* The last event of a partition. The last offset need not have a record (transactions, compaction
 * and other writers leave holes), so each look goes further back. */
static enum status find_last(struct search *search, const struct kafka_bounds *bounds,
                             int64_t deadline_us, struct error *error)
{
    int64_t until = bounds->high;
    int64_t span = LOOK_BACK_FIRST;
    while (until > bounds->low && !search->found) {
        int64_t from = until - span < bounds->low ? bounds->low : until - span;
        enum status status = kafka_tail_read(search->publisher->tail, search->partition, from,
                                             until, deadline_us, remember_last, search, error);
        if (status != STATUS_OK)
            return status;
        until = from;
        span *= LOOK_BACK_FACTOR;
    }
    return STATUS_OK;
}

/*
 * If a topic is re-created while events are on their way to the old one, it may begin with these
 * events and lack its beginning. So a topic that still has its first record must have position 1:
 * at the start, or after no more events than can have been on their way. *ret_late_until stays as
 * it is when nothing is late.
 */
static enum status find_beginning(struct publisher_kafka *publisher, int16_t partition,
                                  const struct kafka_bounds *bounds, int64_t deadline_us,
                                  int64_t *ret_late_until, struct error *error)
{
    if (bounds->low > 0)
        return STATUS_OK;
    struct search first = {.publisher = publisher, .partition = partition};
    enum status status = kafka_tail_read(publisher->tail, partition, 0, bounds->high, deadline_us,
                                         stop_at_once, &first, error);
    if (status != STATUS_OK || first.offset > 0 || (first.found && first.position == 1))
        return status;
    int64_t until = bounds->high <= RELAY_IN_FLIGHT_MAX ? bounds->high : RELAY_IN_FLIGHT_MAX + 1;
    struct search one = {.publisher = publisher, .partition = partition};
    status = kafka_tail_read(publisher->tail, partition, 0, until, deadline_us,
                             stop_at_first_position, &one, error);
    if (status != STATUS_OK)
        return status;
    if (!one.found || one.position != 1)
        *ret_late_until = RELAY_LATE_AND_NO_BEGINNING;
    else if (one.is_late)
        *ret_late_until = one.offset;
    return STATUS_OK;
}

static enum status find_end(struct publisher_kafka *publisher, int16_t partition,
                            int64_t deadline_us, struct relay_topic_end *ret_end,
                            struct error *error)
{
    const struct kafka_bounds *bounds = &publisher->bounds[partition];
    struct search last = {.publisher = publisher, .partition = partition};
    enum status status = find_last(&last, bounds, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    int64_t late_until = 0;
    if (last.found)
        status = find_beginning(publisher, partition, bounds, deadline_us, &late_until, error);
    if (status != STATUS_OK)
        return status;
    *ret_end = (struct relay_topic_end){.next_offset = bounds->high, .late_until = late_until};
    if (last.found && late_until != RELAY_LATE_AND_NO_BEGINNING) {
        ret_end->position = last.position;
        ret_end->event_id = last.event_id;
    }
    return STATUS_OK;
}

static bool is_found(const struct found_end *found, const struct kafka_bounds *bounds)
{
    return found->is_known && found->bounds.low == bounds->low &&
           found->bounds.high == bounds->high;
}

static void forget_found(struct publisher_kafka *publisher)
{
    for (int p = 0; p < publisher->options.partition_count; p++)
        publisher->found[p].is_known = false;
}

/* Each partition is read separately. With many partitions that takes longer than one deadline. */
static enum status find_ends(void *self, int64_t deadline_us, struct relay_topic_end *ret_ends,
                             struct error *error)
{
    struct publisher_kafka *publisher = self;
    enum status status = find_bounds(publisher, deadline_us, error);
    bool is_broken_off = false;
    for (int p = 0; status == STATUS_OK && p < publisher->options.partition_count; p++) {
        struct found_end *found = &publisher->found[p];
        if (!is_found(found, &publisher->bounds[p])) {
            found->is_known = false;
            found->bounds = publisher->bounds[p];
            status = find_end(publisher, (int16_t)p, deadline_us, &found->end, error);
            found->is_known = status == STATUS_OK;
            is_broken_off = status == STATUS_UNAVAILABLE;
        }
        ret_ends[p] = found->end;
    }
    if (!is_broken_off)
        forget_found(publisher);
    return status;
}

static enum status watch(void *self, int64_t deadline_us, int64_t *ret_positions,
                         struct error *error)
{
    struct publisher_kafka *publisher = self;
    enum status status = find_bounds(publisher, deadline_us, error);
    for (int p = 0; status == STATUS_OK && p < publisher->options.partition_count; p++) {
        struct watched *watched = &publisher->watched[p];
        if (watched->high != publisher->bounds[p].high) {
            struct search last = {.publisher = publisher, .partition = (int16_t)p};
            status = find_last(&last, &publisher->bounds[p], deadline_us, error);
            if (status != STATUS_OK)
                return status;
            watched->high = publisher->bounds[p].high;
            watched->position = last.found ? last.position : 0;
        }
        ret_positions[p] = watched->position;
    }
    return status;
}

static enum status next_offsets(void *self, int64_t deadline_us, int64_t *ret_offsets,
                                struct error *error)
{
    struct publisher_kafka *publisher = self;
    enum status status = find_bounds(publisher, deadline_us, error);
    for (int p = 0; status == STATUS_OK && p < publisher->options.partition_count; p++)
        ret_offsets[p] = publisher->bounds[p].high;
    return status;
}

static enum status trim(void *self, const int64_t *offsets, int64_t deadline_us,
                        struct error *error)
{
    struct publisher_kafka *publisher = self;
    return kafka_tail_trim(publisher->tail, publisher->options.partition_count, offsets,
                           deadline_us, error);
}

static void close_producer(void *self, int64_t deadline_us)
{
    struct publisher_kafka *publisher = self;
    kafka_producer_free(publisher->producer, deadline_us);
    publisher->producer = NULL;
}

static void on_delivered(void *context, const struct kafka_delivery *delivery)
{
    struct publisher_kafka *publisher = context;
    const struct relay_delivery relay_delivery = {
        .partition = (int16_t)delivery->partition,
        .position = delivery->tag,
        .offset = delivery->offset,
        .bytes = delivery->bytes,
    };
    publisher->delivered(publisher->context, &relay_delivery);
}

static enum status open_producer(void *self, int notify_fd, relay_delivered_fn *delivered,
                                 void *context, struct error *error)
{
    struct publisher_kafka *publisher = self;
    close_producer(publisher, 0);
    publisher->delivered = delivered;
    publisher->context = context;
    const struct kafka_producer_options options = {
        .settings = publisher->options.settings,
        .topic = publisher->options.topic,
        .compression = publisher->options.compression,
        .messages_max = RELAY_IN_FLIGHT_MAX,
        .kibibytes_max = RELAY_IN_FLIGHT_KIB_MAX,
        .message_bytes_max = PUBLISHER_MESSAGE_BYTES_MAX,
        .notify_fd = notify_fd,
        .delivered = on_delivered,
        .context = publisher,
    };
    return kafka_producer_new(&options, &publisher->producer, error);
}

static enum status send_event(void *self, const struct recorded_event *event, struct error *error)
{
    struct publisher_kafka *publisher = self;
    struct cloud_event *record = &publisher->record;
    enum status status = cloud_event_from(event, record, error);
    if (status != STATUS_OK)
        return status;
    return kafka_producer_send(publisher->producer, event->partition, str_from(record->key),
                               record->value, record->headers, record->header_count,
                               event->position, error);
}

static enum status serve(void *self, struct error *error)
{
    struct publisher_kafka *publisher = self;
    return kafka_producer_serve(publisher->producer, error);
}

static enum status flush(void *self, int64_t deadline_us, struct error *error)
{
    struct publisher_kafka *publisher = self;
    return kafka_producer_flush(publisher->producer, deadline_us, error);
}

static const char *complaint(void *self)
{
    struct publisher_kafka *publisher = self;
    return publisher->producer == NULL ? "" : kafka_producer_complaint(publisher->producer);
}

enum status publisher_kafka_new(const struct publisher_kafka_options *options,
                                struct publisher_kafka **ret_publisher, struct error *error)
{
    struct publisher_kafka *publisher = calloc(1, sizeof(*publisher));
    if (publisher == NULL)
        return error_set(error, STATUS_NO_MEMORY, "publisher: out of memory");
    publisher->options = *options;
    publisher->metadata = TEXT_INIT(CLOUD_EVENT_METADATA_MAX);
    size_t count = (size_t)options->partition_count;
    publisher->bounds = calloc(count, sizeof(*publisher->bounds));
    publisher->watched = calloc(count, sizeof(*publisher->watched));
    publisher->found = calloc(count, sizeof(*publisher->found));
    enum status status = STATUS_OK;
    if (publisher->bounds == NULL || publisher->watched == NULL || publisher->found == NULL)
        status = error_set(error, STATUS_NO_MEMORY, "publisher: out of memory");
    else
        status = kafka_tail_new(options->settings, options->topic, &publisher->tail, error);
    if (status != STATUS_OK) {
        publisher_kafka_free(publisher, 0);
        return status;
    }
    *ret_publisher = publisher;
    return STATUS_OK;
}

void publisher_kafka_free(struct publisher_kafka *publisher, int64_t deadline_us)
{
    if (publisher == NULL)
        return;
    close_producer(publisher, deadline_us);
    kafka_tail_free(publisher->tail, deadline_us);
    text_done(&publisher->metadata);
    free(publisher->bounds);
    free(publisher->watched);
    free(publisher->found);
    free(publisher);
}

struct relay_publisher publisher_kafka_port(struct publisher_kafka *publisher)
{
    return (struct relay_publisher){
        .self = publisher,
        .find_ends = find_ends,
        .watch = watch,
        .next_offsets = next_offsets,
        .trim = trim,
        .open = open_producer,
        .send = send_event,
        .serve = serve,
        .flush = flush,
        .close = close_producer,
        .complaint = complaint,
    };
}
