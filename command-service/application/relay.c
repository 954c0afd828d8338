#include "relay_internal.h"

#include "log.h"

#include <assert.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *relay_state_name(enum relay_state state)
{
    static const char *const names[] = {
        [RELAY_STARTING] = "starting",
        [RELAY_FOLLOWING] = "following",
        [RELAY_PUBLISHING] = "publishing",
        [RELAY_STALLED] = "stalled",
        [RELAY_LOG_UNREACHABLE] = "log-unreachable",
        [RELAY_TOPIC_UNREACHABLE] = "topic-unreachable",
        [RELAY_TOPIC_MISSING] = "topic-missing",
        [RELAY_TOPIC_UNFIT] = "topic-unfit",
        [RELAY_DIVERGED] = "diverged",
        [RELAY_REFUSED] = "refused",
        [RELAY_STOPPED] = "stopped",
    };
    assert((size_t)state < ARRAY_SIZE(names));
    return names[state];
}

static enum log_level level_of(enum relay_state state)
{
    switch (state) {
    case RELAY_STARTING:
    case RELAY_FOLLOWING:
    case RELAY_PUBLISHING:
    case RELAY_STOPPED:
        return LOG_INFO;
    case RELAY_DIVERGED:
    case RELAY_REFUSED:
        return LOG_ERROR;
    default:
        return LOG_WARNING;
    }
}

void relay_report(struct relay *relay, enum relay_state state, const char *format, ...)
{
    char detail[RELAY_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);

    if (state == relay->state && strcmp(detail, relay->detail) == 0)
        return;
    if (state != relay->state)
        log_write(level_of(state), "relay", relay_state_name(state), LOG_STR("detail", detail),
                  LOG_END);
    relay->state = state;
    memcpy(relay->detail, detail, sizeof(detail));
    atomic_store(&relay->stats.state, (int64_t)state);
    bool ok = state == RELAY_FOLLOWING || state == RELAY_PUBLISHING;
    if (relay->options.on_state != NULL)
        relay->options.on_state(relay->options.context, state, ok, detail);
}

void relay_turn(struct relay *relay)
{
    atomic_store_explicit(&relay->stats.turned_at_us, clock_monotonic_us(), memory_order_relaxed);
}

void relay_count_error(struct relay *relay)
{
    atomic_fetch_add(&relay->stats.errors_total, 1);
}

void relay_wait(struct relay *relay, int64_t until_us)
{
    int64_t left_us = until_us - clock_monotonic_us();
    int wait_ms = 0;
    if (left_us > 0)
        wait_ms =
            (int)((left_us + MICROSECONDS_PER_MILLISECOND - 1) / MICROSECONDS_PER_MILLISECOND);
    struct pollfd notified = {.fd = relay->notify_fd, .events = POLLIN};
    if (poll(&notified, 1, wait_ms) == 1) {
        eventfd_t count;
        (void)eventfd_read(relay->notify_fd, &count); /* an empty counter is fine */
    }
}

bool relay_lose_leadership(struct relay *relay, const struct error *error)
{
    relay_count_error(relay);
    relay->leading = false;
    relay_report(relay, RELAY_LOG_UNREACHABLE, "%s", error->message);
    return false;
}

static bool try_to_lead(struct relay *relay)
{
    const struct relay_log *log = relay->options.log;
    struct error error = {0};
    enum status status = log->lead(log->self, clock_deadline_us(RELAY_LOG_CALL_MS), &error);
    if (status == STATUS_OK)
        return true;
    if (status == STATUS_CONFLICT) {
        relay_report(relay, RELAY_FOLLOWING, "another process publishes");
        return false;
    }
    relay_count_error(relay);
    relay_report(relay, RELAY_LOG_UNREACHABLE, "%s", error.message);
    return false;
}

/* For the metrics of a follower: what the leader has published. */
static void watch(struct relay *relay)
{
    const struct relay_log *log = relay->options.log;
    const struct relay_publisher *publisher = relay->options.publisher;
    struct error error = {0};
    int64_t *published = relay->positions;
    if (publisher->watch(publisher->self, clock_deadline_us(RELAY_FIND_MS), published, &error) !=
        STATUS_OK)
        return;
    for (int p = 0; p < relay->options.partition_count; p++)
        atomic_store(&relay->partitions[p].published, published[p]);

    int64_t *ends = relay->positions;
    if (log->ends(log->self, clock_deadline_us(RELAY_LOG_CALL_MS), ends, &error) != STATUS_OK)
        return;
    int64_t lag = 0;
    for (int p = 0; p < relay->options.partition_count; p++) {
        int64_t behind = ends[p] - atomic_load(&relay->partitions[p].published);
        lag += behind > 0 ? behind : 0;
    }
    atomic_store(&relay->stats.lag_events, lag);
}

static void *run(void *argument)
{
    struct relay *relay = argument;
    const struct relay_log *log = relay->options.log;
    int64_t next_watch_us = 0;
    while (!relay_is_stopping(relay)) {
        relay_turn(relay);
        if (try_to_lead(relay)) {
            relay->leading = true;
            atomic_store(&relay->stats.leading, 1);
            atomic_fetch_add(&relay->stats.takeovers_total, 1);
            relay_lead(relay);
            atomic_store(&relay->stats.leading, 0);
            log->resign(log->self);
        } else if (relay->state == RELAY_FOLLOWING && clock_monotonic_us() >= next_watch_us) {
            watch(relay);
            next_watch_us = clock_deadline_us(RELAY_WATCH_MS);
        }
        if (!relay_is_stopping(relay))
            relay_wait(relay, clock_deadline_us(RELAY_FOLLOW_MS));
    }
    log->resign(log->self);
    relay_report(relay, RELAY_STOPPED, "stopped");
    return NULL;
}

struct relay *relay_new(const struct relay_options *options)
{
    assert(options->partition_count > 0);
    size_t count = (size_t)options->partition_count;
    struct relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL)
        return NULL;
    relay->options = *options;
    relay->partitions = calloc(count, sizeof(*relay->partitions));
    relay->positions = calloc(count, sizeof(*relay->positions));
    relay->limits = calloc(count, sizeof(*relay->limits));
    relay->ends = calloc(count, sizeof(*relay->ends));
    relay->notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (relay->partitions == NULL || relay->positions == NULL || relay->limits == NULL ||
        relay->ends == NULL || relay->notify_fd < 0) {
        relay_free(relay);
        return NULL;
    }
    return relay;
}

enum status relay_start(struct relay *relay, struct error *error)
{
    assert(!relay->started);
    relay_turn(relay);
    if (pthread_create(&relay->thread, NULL, run, relay) != 0)
        return error_set(error, STATUS_UNAVAILABLE, "relay: cannot start a thread");
    relay->started = true;
    return STATUS_OK;
}

static void notify(struct relay *relay)
{
    /* A full counter has not been read yet, so it still wakes. */
    (void)eventfd_write(relay->notify_fd, 1);
}

void relay_stop(struct relay *relay, int64_t deadline_us)
{
    if (!relay->started)
        return;
    atomic_store(&relay->stop_deadline_us, deadline_us);
    atomic_store(&relay->stopping, true);
    notify(relay);
    pthread_join(relay->thread, NULL);
    relay->started = false;
}

void relay_free(struct relay *relay)
{
    if (relay == NULL)
        return;
    assert(!relay->started);
    if (relay->notify_fd >= 0)
        close(relay->notify_fd);
    free(relay->partitions);
    free(relay->positions);
    free(relay->limits);
    free(relay->ends);
    free(relay);
}

void relay_wake(struct relay *relay, size_t commands)
{
    if (atomic_load(&relay->stats.leading) == 0)
        return;
    atomic_fetch_add(&relay->commands, (int64_t)commands);
    if (atomic_fetch_add(&relay->appends, 1) == 0)
        notify(relay);
}

int64_t relay_published_position(const struct relay *relay, int partition)
{
    assert(partition >= 0 && partition < relay->options.partition_count);
    return atomic_load(&relay->partitions[partition].published);
}

const struct relay_stats *relay_stats(const struct relay *relay)
{
    return &relay->stats;
}
