/*
 * What a leader does: find its place in the topic, then publish from there.
 */
#include "relay_internal.h"

#include "log.h"

#include <inttypes.h>
#include <time.h>

static void close_publisher(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    publisher->close(publisher->self, clock_deadline_us(RELAY_CLOSE_MS));
    relay->in_flight = 0;
    atomic_store(&relay->stats.in_flight, 0);
}

/* Also keeps the session of a waiting leader from ending. */
static bool look_at_log(struct relay *relay)
{
    const struct relay_log *log = relay->options.log;
    struct error error = {0};
    if (log->ends(log->self, clock_deadline_us(RELAY_LOG_CALL_MS), relay->positions, &error) !=
        STATUS_OK)
        return relay_lose_leadership(relay, &error);
    int64_t lag = 0;
    for (int p = 0; p < relay->options.partition_count; p++) {
        struct relay_partition *partition = &relay->partitions[p];
        int64_t behind = relay->positions[p] - atomic_load(&partition->published);
        if (behind > 0)
            lag += behind;
        else
            partition->progress_us = clock_monotonic_us();
    }
    atomic_store(&relay->stats.lag_events, lag);
    return true;
}

static void pause_leading(struct relay *relay, int wait_ms)
{
    int64_t until_us = clock_deadline_us(wait_ms);
    while (!relay_is_stopping(relay) && look_at_log(relay)) {
        relay_turn(relay);
        int64_t now_us = clock_monotonic_us();
        if (now_us >= until_us)
            return;
        int64_t next_us = now_us + (int64_t)RELAY_CHECK_MS * MICROSECONDS_PER_MILLISECOND;
        relay_wait(relay, next_us < until_us ? next_us : until_us);
    }
}

/* Events that wait now have not been waiting for Kafka. */
static void forget_stall(struct relay *relay)
{
    for (int p = 0; p < relay->options.partition_count; p++)
        relay->partitions[p].progress_us = clock_monotonic_us();
}

/* Reports why nothing is published, and waits before the next attempt. */
static bool stay_away(struct relay *relay, enum relay_state state, int wait_ms,
                      const struct error *error)
{
    relay_count_error(relay);
    close_publisher(relay);
    relay_report(relay, state, "%s", error->message);
    pause_leading(relay, wait_ms);
    forget_stall(relay);
    return false;
}

static bool topic_failed(struct relay *relay, enum status status, const struct error *error)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        return stay_away(relay, RELAY_TOPIC_MISSING, RELAY_RETRY_MS, error);
    case STATUS_CONFLICT:
        return stay_away(relay, RELAY_TOPIC_UNFIT, RELAY_RECHECK_MS, error);
    case STATUS_INVALID:
        return stay_away(relay, RELAY_REFUSED, RELAY_RECHECK_MS, error);
    default:
        return stay_away(relay, RELAY_TOPIC_UNREACHABLE, RELAY_RETRY_MS, error);
    }
}

enum status relay_compare(const struct relay_options *options, const struct relay_topic_end *ends,
                          int64_t *log_ends, struct error *error)
{
    const struct relay_log *log = options->log;
    int64_t deadline_us = clock_deadline_us(RELAY_LOG_CALL_MS);
    enum status status = log->ends(log->self, deadline_us, log_ends, error);
    for (int p = 0; status == STATUS_OK && p < options->partition_count; p++) {
        const struct relay_topic_end *end = &ends[p];
        if (end->position == 0)
            continue;
        struct uuid id;
        status = STATUS_NOT_FOUND;
        if (end->position <= log_ends[p])
            status = log->event_id(log->self, (int16_t)p, end->position, deadline_us, &id, error);
        if (status == STATUS_NOT_FOUND || (status == STATUS_OK && !uuid_equal(&id, &end->event_id)))
            status = error_set(error, STATUS_CONFLICT,
                               "partition %d: the topic's event at position %" PRId64
                               " is not the log's (which ends at %" PRId64
                               "); the log was restored to another course: re-create the topic and "
                               "rebuild the views",
                               p, end->position, log_ends[p]);
    }
    return status;
}

static void on_delivered(void *context, const struct relay_delivery *delivery)
{
    struct relay *relay = context;
    struct relay_partition *partition = &relay->partitions[delivery->partition];
    if (relay->failure.status != STATUS_OK)
        return;
    int64_t expected = atomic_load(&partition->published) + 1;
    if (delivery->position != expected) {
        error_set(&relay->failure, STATUS_INTERNAL,
                  "partition %d: position %" PRId64 " was delivered instead of %" PRId64,
                  delivery->partition, delivery->position, expected);
        return;
    }
    if (delivery->offset >= 0 && delivery->offset < partition->next_offset) {
        error_set(&relay->failure, STATUS_INTERNAL,
                  "partition %d went back from offset %" PRId64 " to %" PRId64
                  ": the topic was re-created or lost records",
                  delivery->partition, partition->next_offset, delivery->offset);
        return;
    }
    if (delivery->offset >= 0)
        partition->next_offset = delivery->offset + 1;
    if (partition->late_until == RELAY_LATE_AND_NO_BEGINNING)
        partition->late_until = delivery->offset > 0 ? delivery->offset : 0;
    atomic_store(&partition->published, delivery->position);
    partition->bytes -= delivery->bytes;
    relay->in_flight--;
    partition->progress_us = partition->delivered_us = clock_monotonic_us();
    atomic_fetch_add(&relay->stats.delivered_total, 1);
}

static bool find_place(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    struct error error = {0};
    enum status status = publisher->find_ends(publisher->self, clock_deadline_us(RELAY_FIND_MS),
                                              relay->ends, &error);
    if (status != STATUS_OK)
        return topic_failed(relay, status, &error);
    status = relay_compare(&relay->options, relay->ends, relay->positions, &error);
    if (status == STATUS_CONFLICT)
        return stay_away(relay, RELAY_DIVERGED, RELAY_RECHECK_MS, &error);
    if (status != STATUS_OK)
        return relay_lose_leadership(relay, &error);

    for (int p = 0; p < relay->options.partition_count; p++) {
        struct relay_partition *partition = &relay->partitions[p];
        partition->queued = relay->ends[p].position;
        partition->bytes = 0;
        partition->next_offset = relay->ends[p].next_offset;
        partition->delivered_us = 0;
        partition->late_until = relay->ends[p].late_until;
        atomic_store(&partition->published, relay->ends[p].position);
    }
    relay->trims_left = RELAY_TRIMS_MAX;
    relay->failure = (struct error){0};
    relay->in_flight = 0;
    relay->resume_at = 0;
    relay->retry_below = INT64_MAX;
    status = publisher->open(publisher->self, relay->notify_fd, on_delivered, relay, &error);
    if (status != STATUS_OK)
        return topic_failed(relay, status, &error);
    return true;
}

/* Nothing else shows that an idle topic was deleted and re-created. */
static bool check_topic(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    struct error error = {0};
    enum status status = publisher->next_offsets(
        publisher->self, clock_deadline_us(RELAY_GLANCE_MS), relay->positions, &error);
    if (status == STATUS_NOT_FOUND || status == STATUS_CONFLICT) {
        relay->failure = error;
        return false;
    }
    for (int p = 0; status == STATUS_OK && p < relay->options.partition_count; p++)
        if (relay->positions[p] < relay->partitions[p].next_offset) {
            error_set(&relay->failure, STATUS_INTERNAL,
                      "partition %d ends at offset %" PRId64 " and had %" PRId64
                      ": the topic was re-created or lost records",
                      p, relay->positions[p], relay->partitions[p].next_offset);
            return false;
        }
    return true;
}

/* Deletes late events that precede position 1. They are published again after it; left in place,
 * they would look like a gap to a new reader. Runs after a look at the log and at the topic, so
 * that the offsets are those of this topic and not of one that was re-created since. */
static void trim_topic(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    struct error error = {0};
    bool is_any_late = false;
    for (int p = 0; p < relay->options.partition_count; p++) {
        int64_t late_until = relay->partitions[p].late_until;
        relay->positions[p] = late_until > 0 ? late_until : 0;
        is_any_late = is_any_late || late_until > 0;
    }
    if (!is_any_late)
        return;
    enum status status = publisher->trim(publisher->self, relay->positions,
                                         clock_deadline_us(RELAY_TRIM_MS), &error);
    if (status != STATUS_OK)
        relay_count_error(relay);
    if (status != STATUS_OK && status != STATUS_INVALID && --relay->trims_left > 0)
        return;
    for (int p = 0; p < relay->options.partition_count; p++)
        if (relay->positions[p] > 0)
            relay->partitions[p].late_until = 0;
    if (status == STATUS_OK)
        log_info("relay", "late events before position 1 were deleted");
    else
        log_warning("relay", "the topic begins with late events: a new reader may stop at them",
                    LOG_STR("detail", error.message));
}

/* True, and reported: a partition has waited too long. Several producers that give up one after
 * another deliver as little as one that waits. */
static bool report_stall(struct relay *relay, const char *why)
{
    int64_t now_us = clock_monotonic_us();
    for (int p = 0; p < relay->options.partition_count; p++) {
        if (now_us - relay->partitions[p].progress_us <
            (int64_t)RELAY_STALL_MS * MICROSECONDS_PER_MILLISECOND)
            continue;
        relay_report(relay, RELAY_STALLED, "partition %d waits for Kafka to take its events%s%s", p,
                     why[0] == '\0' ? "" : ": ", why);
        return true;
    }
    return false;
}

/* After a refusal: whether anything was delivered since, or nothing waits. Until then the topic
 * most likely refuses again. */
static bool is_taken_again(const struct relay *relay)
{
    for (int p = 0; p < relay->options.partition_count; p++)
        if (relay->partitions[p].delivered_us != 0)
            return true;
    return atomic_load(&relay->stats.lag_events) == 0;
}

static void report_progress(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    bool is_stalled = report_stall(relay, publisher->complaint(publisher->self));
    if (!is_stalled && (relay->state != RELAY_REFUSED || is_taken_again(relay)))
        relay_report(relay, RELAY_PUBLISHING, "the topic follows the log");
}

static bool serve(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    struct error error = {0};
    if (publisher->serve(publisher->self, &error) != STATUS_OK &&
        relay->failure.status == STATUS_OK)
        relay->failure = error;
    atomic_store(&relay->stats.in_flight, relay->in_flight);
    return relay->failure.status == STATUS_OK;
}

/* However few events it has, a page costs the broker a request for each of their partitions, and
 * each reader another batch. An append answers the commands that waited for the previous one. The
 * more there are, the more they need the processors. */
static int64_t gather_us(int64_t commands, int64_t appends)
{
    const int64_t least_us = (int64_t)RELAY_GATHER_MS * MICROSECONDS_PER_MILLISECOND;
    const int64_t most_us = (int64_t)RELAY_GATHER_MAX_MS * MICROSECONDS_PER_MILLISECOND;
    int64_t each = appends == 0 ? 0 : commands / appends;
    int64_t pause_us = each * each * RELAY_GATHER_US;
    return pause_us < least_us ? least_us : pause_us > most_us ? most_us : pause_us;
}

/* A plain sleep on purpose: deliveries come one partition at a time and would wake us for each. */
static void rest(int64_t pause_us)
{
    const int64_t most_us = (int64_t)RELAY_POLL_MS * MICROSECONDS_PER_MILLISECOND;
    const struct timespec pause = {.tv_nsec = (pause_us < most_us ? pause_us : most_us) * 1000};
    nanosleep(&pause, NULL); /* a signal that cuts it short does no harm */
}

/* Runs until leadership is lost, the relay stops, or relay->failure says why the producer is no
 * good. */
static void publish(struct relay *relay)
{
    bool due = true;
    enum { ONE = 1024 };  /* the counts halve with each page, so they are kept in fractions */
    int64_t appends = 0;  /* recent ones, */
    int64_t commands = 0; /* and the commands that they answered */
    int64_t rest_until_us = 0;
    int64_t next_read_us = 0;
    int64_t next_check_us = 0;
    while (!relay_is_stopping(relay)) {
        relay_turn(relay);
        if (!serve(relay))
            return;
        int64_t now_us = clock_monotonic_us();
        if (now_us >= next_check_us) {
            if (!look_at_log(relay) || !check_topic(relay) || !relay_check_producer(relay))
                return;
            trim_topic(relay);
            report_progress(relay);
            next_check_us = clock_deadline_us(RELAY_CHECK_MS);
        }
        if (now_us < rest_until_us) {
            rest(rest_until_us - now_us);
            continue;
        }
        bool is_time = now_us >= next_read_us;
        int64_t woken = atomic_exchange(&relay->appends, 0);
        appends += woken * ONE;
        commands += atomic_exchange(&relay->commands, 0) * ONE;
        if (woken > 0 || is_time)
            due = true;
        if (due && (relay->in_flight <= relay->resume_at ||
                    (is_time && relay->in_flight < relay->retry_below))) {
            if (!relay_send_page(relay, &due))
                return;
            next_read_us = clock_deadline_us(RELAY_POLL_MS);
            if (due && relay->in_flight <= relay->resume_at) {
                appends = commands = 0; /* a backlog says nothing about them */
                continue;
            }
            if (!due && relay->page.count > 0) {
                rest_until_us = clock_monotonic_us() + gather_us(commands, appends);
                appends /= 2;
                commands /= 2;
                continue;
            }
        }
        bool is_full = relay->in_flight >= relay->retry_below;
        relay_wait(relay, is_full || next_check_us < next_read_us ? next_check_us : next_read_us);
    }
}

static void finish(struct relay *relay)
{
    const struct relay_publisher *publisher = relay->options.publisher;
    struct error error = {0};
    if (publisher->flush(publisher->self, atomic_load(&relay->stop_deadline_us), &error) !=
        STATUS_OK)
        log_info("relay", "the rest is left to the next leader", LOG_STR("detail", error.message));
}

void relay_lead(struct relay *relay)
{
    forget_stall(relay);
    while (relay->leading && !relay_is_stopping(relay)) {
        relay_turn(relay);
        if (!find_place(relay))
            continue;
        publish(relay);
        if (relay_is_stopping(relay) && relay->leading && relay->failure.status == STATUS_OK)
            finish(relay);
        close_publisher(relay);
        if (relay->failure.status == STATUS_OK)
            continue;
        atomic_fetch_add(&relay->stats.restarts_total, 1);
        if (relay->failure.status != STATUS_INTERNAL) {
            topic_failed(relay, relay->failure.status, &relay->failure);
            continue;
        }
        log_warning("relay", "finds its place again", LOG_STR("detail", relay->failure.message));
        (void)report_stall(relay, relay->failure.message);
        pause_leading(relay, RELAY_RETRY_MS);
    }
    close_publisher(relay);
}
