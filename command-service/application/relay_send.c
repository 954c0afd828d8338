/*
 * Sends one page after the other, from the log to the producer.
 */
#include "relay_internal.h"

#include "cart_partition.h"

#include <inttypes.h>

_Static_assert(RELAY_IN_FLIGHT_MAX / PARTITION_COUNT_MAX > 0, "a share is an event at least");

bool relay_send_next(const struct relay_publisher *publisher, const struct recorded_event *event,
                     int64_t *position, struct relay_page *page)
{
    if (event->position != *position + 1) {
        error_set(&page->failure, STATUS_INVALID,
                  "partition %d: the log has no event at position %" PRId64 " but one at %" PRId64
                  ": nothing is skipped",
                  event->partition, *position + 1, event->position);
        return false;
    }
    enum status status = publisher->send(publisher->self, event, &page->failure);
    if (status == STATUS_UNAVAILABLE) {
        page->failure = (struct error){0};
        page->full = true;
        return false;
    }
    if (status != STATUS_OK)
        return false;
    *position = event->position;
    page->count++;
    return true;
}

static bool send_event(void *context, const struct recorded_event *event)
{
    struct relay *relay = context;
    struct relay_partition *partition = &relay->partitions[event->partition];
    if (!relay_send_next(relay->options.publisher, event, &partition->queued, &relay->page))
        return false;
    partition->bytes += event->data.length;
    return true;
}

/*
 * A broker that does not know a producer in a partition takes its batches whatever their sequence
 * numbers are (ProducerAppendInfo.checkSequence). It might refuse one batch, take the batch after
 * it, and leave a hole. So nothing follows the first event of a partition until that one is
 * delivered.
 */
static bool is_producer_known(const struct relay_partition *partition, int64_t now_us)
{
    return partition->delivered_us != 0 &&
           now_us - partition->delivered_us <
               (int64_t)RELAY_KNOWN_MS * MICROSECONDS_PER_MILLISECOND;
}

static int64_t count_in_flight(const struct relay_partition *partition)
{
    return partition->queued - atomic_load(&partition->published);
}

bool relay_check_producer(struct relay *relay)
{
    int64_t now_us = clock_monotonic_us();
    for (int p = 0; p < relay->options.partition_count; p++) {
        const struct relay_partition *partition = &relay->partitions[p];
        if (count_in_flight(partition) > 1 && !is_producer_known(partition, now_us)) {
            error_set(&relay->failure, STATUS_INTERNAL,
                      "partition %d: nothing was delivered for so long that a broker may have "
                      "forgotten the producer",
                      p);
            return false;
        }
    }
    return true;
}

/* How many events may follow. Each partition has its share of the events in flight, which large
 * events exceed by a page at most. So a partition that takes nothing leaves the others their
 * share. */
static int64_t room_of(const struct relay *relay, const struct relay_partition *partition,
                       int64_t now_us)
{
    int64_t share = RELAY_IN_FLIGHT_MAX / relay->options.partition_count;
    size_t bytes_max =
        (size_t)RELAY_IN_FLIGHT_KIB_MAX * 1024 / (size_t)relay->options.partition_count;
    int64_t most = is_producer_known(partition, now_us) ? share : 1;
    int64_t in_flight = count_in_flight(partition);
    return in_flight < most && partition->bytes < bytes_max ? most - in_flight : 0;
}

static bool has_room_everywhere(const struct relay *relay)
{
    int64_t now_us = clock_monotonic_us();
    for (int p = 0; p < relay->options.partition_count; p++)
        if (room_of(relay, &relay->partitions[p], now_us) == 0)
            return false;
    return true;
}

/* What to read of each partition. */
static void plan_page(struct relay *relay)
{
    int64_t now_us = clock_monotonic_us();
    for (int p = 0; p < relay->options.partition_count; p++) {
        const struct relay_partition *partition = &relay->partitions[p];
        int64_t room = room_of(relay, partition, now_us);
        relay->positions[p] = partition->queued;
        relay->limits[p] = (int32_t)(room < RELAY_PAGE_EVENTS ? room : RELAY_PAGE_EVENTS);
    }
}

bool relay_send_page(struct relay *relay, bool *ret_more)
{
    const struct relay_log *log = relay->options.log;
    plan_page(relay);
    relay->page = (struct relay_page){0};
    struct error error = {0};
    bool more = false;
    enum status status =
        log->read(log->self, relay->positions, relay->limits, clock_deadline_us(RELAY_LOG_CALL_MS),
                  send_event, relay, &more, &error);
    relay->in_flight += relay->page.count;
    atomic_store(&relay->stats.in_flight, relay->in_flight);
    if (status != STATUS_OK)
        return relay_lose_leadership(relay, &error);
    if (relay->page.failure.status != STATUS_OK) {
        relay->failure = relay->page.failure;
        return false;
    }
    bool has_room = has_room_everywhere(relay);
    relay->resume_at = relay->page.full ? relay->in_flight / 2
                       : has_room       ? RELAY_IN_FLIGHT_MAX
                                        : relay->in_flight * 3 / 4;
    relay->retry_below = relay->page.full ? relay->in_flight : INT64_MAX;
    *ret_more = more || relay->page.full || !has_room;
    return true;
}
