#include "lane_internal.h"

#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct command_lane *command_lane_new(const struct command_lane_options *options)
{
    struct command_lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return NULL;
    lane->options = *options;
    lane->cache = cart_cache_new(options->cache_bytes_max);
    lane->batch = lane_batch_new();
    if (lane->cache == NULL || lane->batch == NULL) {
        cart_cache_free(lane->cache);
        lane_batch_free(lane->batch);
        free(lane);
        return NULL;
    }
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->work, NULL);
    return lane;
}

void command_lane_free(struct command_lane *lane)
{
    if (lane == NULL)
        return;
    assert(!lane->has_thread && lane->queue.count + lane->again.count == 0);
    cart_cache_free(lane->cache);
    lane_batch_free(lane->batch);
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

bool command_lane_submit(struct command_lane *lane, struct command_request *request)
{
    request->attempts = 0;
    request->queued_at_us = clock_monotonic_us();
    request->outcome = (struct command_outcome){.status = STATUS_OK};
    pthread_mutex_lock(&lane->lock);
    bool is_taken = !lane->is_stopping && lane->queue.count < lane->options.queue_max;
    bool wake = is_taken && lane->is_asleep;
    if (is_taken) {
        request_queue_add(&lane->queue, request);
        lane->is_asleep = false;
    }
    pthread_mutex_unlock(&lane->lock);
    if (wake)
        pthread_cond_signal(&lane->work);
    if (!is_taken)
        lane_observe(lane, LANE_COMMANDS_REFUSED_BUSY, 1);
    return is_taken;
}

void lane_refuse_queue(struct command_lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    struct request_queue queue = lane->queue;
    lane->queue = (struct request_queue){.first = NULL};
    pthread_mutex_unlock(&lane->lock);
    struct command_request *request;
    while ((request = request_queue_take(&queue)) != NULL) {
        request->outcome.status = STATUS_UNAVAILABLE;
        request->done(request);
    }
}

static void store_changed(struct command_lane *lane, bool is_up, const char *detail)
{
    if (lane->is_state_known && lane->is_up == is_up)
        return;
    lane->is_state_known = true;
    lane->is_up = is_up;
    if (is_up)
        log_info("event-store", "reached", LOG_INT("lane", lane->options.index));
    else
        log_error("event-store", "out of reach", LOG_INT("lane", lane->options.index),
                  LOG_STR("error", detail));
    const struct command_lane_observer *observer = &lane->options.observer;
    if (observer->store_changed != NULL)
        observer->store_changed(observer->context, is_up, detail);
}

bool lane_reach_store(struct command_lane *lane, int64_t limit_us)
{
    const struct event_store *store = &lane->options.store;
    struct error error = {.message = ""};
    bool is_new = false;
    int64_t deadline_us = lane_deadline(clock_monotonic_us(), LANE_CONNECT_MS, limit_us);
    enum status status = store->connect(store->context, deadline_us, &is_new, &error);
    lane->last_contact_us = clock_monotonic_us();
    if (status != STATUS_OK) {
        lane->next_probe_us = lane_deadline(lane->last_contact_us, LANE_PROBE_MS, INT64_MAX);
        store_changed(lane, false, error.message);
        return false;
    }
    if (is_new)
        lane->is_cache_suspect = true;
    store_changed(lane, true, "connected");
    return true;
}

bool lane_may_retry(struct command_lane *lane, enum status status, int *failures, int64_t limit_us)
{
    if (status != STATUS_UNAVAILABLE && status != STATUS_UNCERTAIN)
        return false;
    if (++*failures >= LANE_FAILURES_MAX || clock_monotonic_us() >= limit_us)
        return false;
    return lane_reach_store(lane, limit_us);
}

void lane_log_failure(struct command_lane *lane, const char *message, const struct error *error)
{
    int64_t now_us = clock_monotonic_us();
    if (lane->last_failure_log_us != 0 &&
        now_us - lane->last_failure_log_us < MICROSECONDS_PER_SECOND)
        return;
    lane->last_failure_log_us = now_us;
    log_error("event-store", message, LOG_INT("lane", lane->options.index),
              LOG_STR("status", status_name(error->status)), LOG_STR("error", error->message));
}

/* Periodic work of an idle lane. */
static void look_after_store(struct command_lane *lane)
{
    const struct event_store *store = &lane->options.store;
    struct error error;
    int64_t now_us = clock_monotonic_us();
    if (lane->is_up && store->ping(store->context, lane_deadline(now_us, LANE_READ_MS, INT64_MAX),
                                   &error) == STATUS_OK) {
        lane->last_contact_us = clock_monotonic_us();
        return;
    }
    (void)!lane_reach_store(lane, INT64_MAX); /* the observer has been told */
}

static int64_t next_look_us(const struct command_lane *lane)
{
    return lane->is_up ? lane_deadline(lane->last_contact_us, LANE_HEARTBEAT_MS, INT64_MAX)
                       : lane->next_probe_us;
}

enum wake { WAKE_WORK, WAKE_LOOK, WAKE_END };

static enum wake wait_for_work(struct command_lane *lane)
{
    int64_t look_us = next_look_us(lane);
    enum wake wake = WAKE_WORK;
    pthread_mutex_lock(&lane->lock);
    while (lane->queue.count + lane->again.count == 0 && wake == WAKE_WORK) {
        if (lane->is_stopping) {
            wake = WAKE_END;
            break;
        }
        lane->is_asleep = true;
        if (clock_cond_wait(&lane->work, &lane->lock, look_us) != 0)
            wake = WAKE_LOOK;
        lane->is_asleep = false;
    }
    pthread_mutex_unlock(&lane->lock);
    return wake;
}

static void *run(void *argument)
{
    struct command_lane *lane = argument;
    look_after_store(lane);
    for (;;) {
        atomic_store_explicit(&lane->turned_at_us, clock_monotonic_us(), memory_order_relaxed);
        enum wake wake = wait_for_work(lane);
        if (wake == WAKE_END)
            return NULL;
        if (wake == WAKE_WORK && (lane->is_up || lane->again.count > 0)) {
            lane_round(lane);
        } else {
            if (wake == WAKE_WORK)
                lane_refuse_queue(lane);
            lane_observe(lane, LANE_QUEUE_DEPTH, 0);
        }
        /* This runs under a constant stream of commands too. */
        if (wake == WAKE_LOOK || (!lane->is_up && clock_monotonic_us() >= lane->next_probe_us))
            look_after_store(lane);
    }
}

enum status command_lane_start(struct command_lane *lane, struct error *error)
{
    atomic_store(&lane->turned_at_us, clock_monotonic_us());
    if (pthread_create(&lane->thread, NULL, run, lane) != 0)
        return error_set(error, STATUS_UNAVAILABLE, "no thread for the writer lane");
    char name[16];
    snprintf(name, sizeof(name), "lane-%d", lane->options.index);
    pthread_setname_np(lane->thread, name);
    lane->has_thread = true;
    return STATUS_OK;
}

int64_t command_lane_turned_at_us(const struct command_lane *lane)
{
    return atomic_load_explicit(&lane->turned_at_us, memory_order_relaxed);
}

void command_lane_close(struct command_lane *lane, int64_t deadline_us)
{
    pthread_mutex_lock(&lane->lock);
    lane->is_stopping = true;
    lane->stop_deadline_us = deadline_us;
    pthread_mutex_unlock(&lane->lock);
    pthread_cond_signal(&lane->work);
}

void command_lane_stop(struct command_lane *lane, int64_t deadline_us)
{
    command_lane_close(lane, deadline_us);
    if (lane->has_thread)
        pthread_join(lane->thread, NULL);
    else
        lane_refuse_queue(lane);
    lane->has_thread = false;
}
