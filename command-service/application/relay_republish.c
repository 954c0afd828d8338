#include "relay_republish.h"

#include "relay_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READ_FAILURES_MAX = 10,
    READ_PAUSE_MS = 500,
    FIND_ALL_MS = 30000, /* finding the place in one attempt, however many partitions there are */
};

struct republish {
    const struct relay_options *options;
    struct relay_topic_end *ends;
    int64_t *sent;      /* by partition: the last position sent */
    int64_t *positions; /* room for an answer */
    int32_t *limits;
    struct relay_page page; /* of all reads together */
};

static void ignore_delivery(void *context, const struct relay_delivery *delivery)
{
    (void)context, (void)delivery;
}

static bool send_again(void *context, const struct recorded_event *event)
{
    struct republish *republish = context;
    return relay_send_next(republish->options->publisher, event, &republish->sent[event->partition],
                           &republish->page);
}

/* How many events of each partition to read next; false when there are none left. */
static bool plan_page(struct republish *republish)
{
    bool any = false;
    for (int p = 0; p < republish->options->partition_count; p++) {
        int64_t left = republish->ends[p].position - republish->sent[p];
        republish->limits[p] = (int32_t)(left <= 0                  ? 0
                                         : left > RELAY_PAGE_EVENTS ? RELAY_PAGE_EVENTS
                                                                    : left);
        any = any || left > 0;
    }
    return any;
}

/* The session may have been ended while it was idle and a full queue emptied itself. */
static enum status read_page(struct republish *republish, int64_t deadline_us, struct error *error)
{
    const struct relay_log *log = republish->options->log;
    for (int failures = 0;;) {
        bool more;
        enum status status =
            log->read(log->self, republish->sent, republish->limits,
                      clock_deadline_us(RELAY_LOG_CALL_MS), send_again, republish, &more, error);
        if (status != STATUS_UNAVAILABLE || ++failures == READ_FAILURES_MAX ||
            clock_monotonic_us() >= deadline_us)
            return status;
        if (failures > 1)
            usleep(READ_PAUSE_MS * MICROSECONDS_PER_MILLISECOND);
        status = log->connect(log->self, clock_deadline_us(RELAY_LOG_CALL_MS), error);
        if (status != STATUS_OK && status != STATUS_UNAVAILABLE)
            return status;
    }
}

static enum status send_all(struct republish *republish, int64_t deadline_us, struct error *error)
{
    const struct relay_publisher *publisher = republish->options->publisher;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && plan_page(republish)) {
        int64_t before = republish->page.count;
        status = read_page(republish, deadline_us, error);
        if (status == STATUS_OK && republish->page.failure.status != STATUS_OK) {
            *error = republish->page.failure;
            return error->status;
        }
        if (status == STATUS_OK && republish->page.count == before && !republish->page.full)
            return error_set(error, STATUS_INVALID, "the log ends before the topic does");
        /* Gives a full queue the time to empty itself. */
        if (status == STATUS_OK && republish->page.full)
            status = publisher->flush(publisher->self, deadline_us, error);
        else if (status == STATUS_OK)
            status = publisher->serve(publisher->self, error);
        republish->page.full = false;
        if (status == STATUS_OK && clock_monotonic_us() >= deadline_us)
            status = error_set(error, STATUS_UNAVAILABLE, "not everything was sent in time");
    }
    return status == STATUS_OK ? publisher->flush(publisher->self, deadline_us, error) : status;
}

static enum status republish_from(struct republish *republish, int partition, int64_t from,
                                  int64_t deadline_us, struct error *error)
{
    const struct relay_options *options = republish->options;
    const struct relay_log *log = options->log;
    const struct relay_publisher *publisher = options->publisher;
    enum status status = publisher->find_ends(publisher->self, clock_deadline_us(FIND_ALL_MS),
                                              republish->ends, error);
    if (status == STATUS_OK)
        status = log->connect(log->self, clock_deadline_us(RELAY_LOG_CALL_MS), error);
    if (status == STATUS_OK)
        status = relay_compare(options, republish->ends, republish->positions, error);
    if (status == STATUS_OK)
        status = publisher->open(publisher->self, -1, ignore_delivery, NULL, error);
    if (status != STATUS_OK)
        return status;
    for (int p = 0; p < options->partition_count; p++)
        republish->sent[p] =
            partition == -1 || partition == p ? from - 1 : republish->ends[p].position;
    return send_all(republish, deadline_us, error);
}

enum status relay_republish(const struct relay_options *options, int partition, int64_t from,
                            int64_t deadline_us, int64_t *ret_count, struct error *error)
{
    if (partition < -1 || partition >= options->partition_count || from < 1)
        return error_set(error, STATUS_INVALID, "there is no partition %d with a position %" PRId64,
                         partition, from);
    size_t count = (size_t)options->partition_count;
    struct republish republish = {
        .options = options,
        .ends = calloc(count, sizeof(*republish.ends)),
        .sent = calloc(count, sizeof(*republish.sent)),
        .positions = calloc(count, sizeof(*republish.positions)),
        .limits = calloc(count, sizeof(*republish.limits)),
    };
    enum status status;
    if (republish.ends == NULL || republish.sent == NULL || republish.positions == NULL ||
        republish.limits == NULL)
        status = error_set(error, STATUS_NO_MEMORY, "republish: out of memory");
    else
        status = republish_from(&republish, partition, from, deadline_us, error);
    options->publisher->close(options->publisher->self, clock_deadline_us(RELAY_CLOSE_MS));
    options->log->resign(options->log->self);
    free(republish.ends);
    free(republish.sent);
    free(republish.positions);
    free(republish.limits);
    if (status == STATUS_OK)
        *ret_count = republish.page.count;
    return status;
}
