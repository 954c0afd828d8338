/*
 * lane_story.h - tests of the writer lane: *given a log, when commands are queued, then answers*.
 *
 * Commands are queued before the lane starts, so that they make one batch.
 */
#pragma once

#include "clock.h"
#include "command_lane.h"
#include "fake_event_store.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define STORY_FUNCTION __attribute__((unused)) static

enum { STORY_REQUESTS_MAX = 600, PATIENCE_MS = 10000 };

static struct lane_story {
    struct fake_store store;
    struct command_lane *lane;
    struct command_lane_options options;
    struct command_request requests[STORY_REQUESTS_MAX];
    char metadata[STORY_REQUESTS_MAX][128];
    int64_t answered_at_us[STORY_REQUESTS_MAX];
    size_t order[STORY_REQUESTS_MAX]; /* the requests as they were answered */
    size_t connects_before_answer[STORY_REQUESTS_MAX];
    atomic_size_t request_count; /* the lane's thread may submit one too */
    atomic_size_t answered;
    double metrics[LANE_METRIC_COUNT];
    int commits;
    size_t commands_committed;     /* of the last of them */
    size_t answered_before_commit; /* when the last of them was told */
    atomic_int downs;
    atomic_int ups;
} story;

static const struct cart_line STORY_LINE = {
    .sku = {"tea", 3},
    .name = {"Green tea", 9},
    .quantity = 1,
    .unit_price = {1999, "EUR"},
};

static void story_done(struct command_request *request)
{
    size_t index = (size_t)(request - story.requests);
    cr_assert_eq(story.answered_at_us[index], 0, "answered twice");
    story.answered_at_us[index] = clock_monotonic_us();
    story.order[story.answered] = index;
    story.connects_before_answer[index] = story.store.connect_calls;
    atomic_fetch_add(&story.answered, 1);
}

static void story_observe(void *context, enum lane_metric metric, double value)
{
    (void)context;
    story.metrics[metric] = value + (metric == LANE_QUEUE_DEPTH ? 0 : story.metrics[metric]);
}

static void story_committed(void *context, size_t commands)
{
    (void)context;
    story.commands_committed = commands;
    story.commits++;
    story.answered_before_commit = atomic_load(&story.answered);
}

static void story_store_changed(void *context, bool is_up, const char *detail)
{
    (void)context;
    (void)detail;
    atomic_fetch_add(is_up ? &story.ups : &story.downs, 1);
}

STORY_FUNCTION void story_begin(void)
{
    story.options = (struct command_lane_options){
        .store = fake_port(&story.store),
        .limits = CART_LIMITS_DEFAULT,
        .queue_max = STORY_REQUESTS_MAX,
        .cache_bytes_max = 64 << 20,
        .observer = {.observe = story_observe,
                     .committed = story_committed,
                     .store_changed = story_store_changed},
    };
    story.lane = command_lane_new(&story.options);
    cr_assert_not_null(story.lane);
}

/* Commands */

STORY_FUNCTION struct cart_command story_create(void)
{
    return (struct cart_command){.type = CART_CREATE, .create = {.currency = "EUR"}};
}

STORY_FUNCTION struct cart_command story_add(void)
{
    return (struct cart_command){.type = CART_ADD_ITEMS,
                                 .add_items = {.lines = &STORY_LINE, .count = 1}};
}

STORY_FUNCTION struct cart_command story_remove(const char *sku)
{
    return (struct cart_command){.type = CART_REMOVE_ITEM, .remove_item = {.sku = str_from(sku)}};
}

STORY_FUNCTION struct cart_command story_set(int32_t quantity)
{
    return (struct cart_command){.type = CART_SET_QUANTITY,
                                 .set_quantity = {.sku = STORY_LINE.sku, .quantity = quantity}};
}

STORY_FUNCTION struct cart_command story_cancel(void)
{
    return (struct cart_command){.type = CART_CANCEL};
}

STORY_FUNCTION struct cart_command story_merge(struct cart_key target, struct cart_key source)
{
    return (struct cart_command){.type = CART_MERGE,
                                 .merge = {target.cart_id, source.cart_id, CART_MERGE_SUM}};
}

static struct command_request *story_submit(struct cart_key cart, struct cart_command command,
                                            int milliseconds, const char *key, const char *hash)
{
    cr_assert_lt(story.request_count, STORY_REQUESTS_MAX);
    struct command_request *request = &story.requests[story.request_count++];
    *request = (struct command_request){
        .cart_id = cart.cart_id,
        .partition = cart.partition,
        .command = command,
        .metadata = STR_LITERAL("{}"),
        .deadline_us = clock_monotonic_us() + (int64_t)milliseconds * MICROSECONDS_PER_MILLISECOND,
        .done = story_done,
    };
    if (command.type == CART_MERGE)
        request->source_partition = cart_partition(&command.merge.source_cart_id, FAKE_PARTITIONS);
    request->command.time_us = 1000000 + (int64_t)story.request_count;
    if (key != NULL) {
        char *metadata = story.metadata[story.request_count - 1];
        int length =
            snprintf(metadata, sizeof(story.metadata[0]),
                     "{\"commandKey\":{\"key\":\"%s\",\"requestHash\":\"%s\"}}", key, hash);
        request->metadata = (struct str){metadata, (size_t)length};
        request->key.key = str_from(key);
        snprintf(request->key.request_hash, sizeof(request->key.request_hash), "%s", hash);
    }
    cr_assert(command_lane_submit(story.lane, request));
    return request;
}

STORY_FUNCTION struct command_request *when_within(struct cart_key cart,
                                                   struct cart_command command, int milliseconds)
{
    return story_submit(cart, command, milliseconds, NULL, NULL);
}

/* With an Idempotency-Key, and what stands for the hash of the request. */
STORY_FUNCTION struct command_request *when_keyed(struct cart_key cart, struct cart_command command,
                                                  const char *key, const char *hash)
{
    return story_submit(cart, command, LANE_DEADLINE_MS, key, hash);
}

STORY_FUNCTION struct command_request *when(struct cart_key cart, struct cart_command command)
{
    return when_within(cart, command, LANE_DEADLINE_MS);
}

STORY_FUNCTION void story_start(void)
{
    struct error error = {.message = ""};
    cr_assert_eq(command_lane_start(story.lane, &error), STATUS_OK, "%s", error.message);
}

/* The message is formatted. */
#define WAIT_UNTIL(condition, ...)                                                                 \
    for (int64_t until_us = clock_deadline_us(PATIENCE_MS); !(condition); usleep(200))             \
    cr_assert_lt(clock_monotonic_us(), until_us, __VA_ARGS__)

/* Waits until everything queued so far has its answer. */
STORY_FUNCTION void story_wait(void)
{
    WAIT_UNTIL(atomic_load(&story.answered) == story.request_count, "%zu of %zu answered",
               atomic_load(&story.answered), story.request_count);
}

STORY_FUNCTION void story_stop(void)
{
    command_lane_stop(story.lane, clock_monotonic_us() + 2 * MICROSECONDS_PER_SECOND);
    cr_assert_eq(story.answered, story.request_count, "%zu of %zu answered", story.answered,
                 story.request_count);
    command_lane_free(story.lane);
    story.lane = NULL;
}

STORY_FUNCTION void story_run(void)
{
    story_start();
    story_wait();
    story_stop();
}

/* Answers */

STORY_FUNCTION int milliseconds_to_answer(const struct command_request *request)
{
    return (int)((story.answered_at_us[request - story.requests] - request->queued_at_us) /
                 MICROSECONDS_PER_MILLISECOND);
}

STORY_FUNCTION void then_status(const struct command_request *request, enum status expected)
{
    cr_expect_eq(request->outcome.status, expected, "command %td: %s, not %s",
                 request - story.requests, status_name(request->outcome.status),
                 status_name(expected));
    cr_expect_leq(story.answered_at_us[request - story.requests], request->deadline_us, "late");
}

/* One event, in the log at that version, once. */
STORY_FUNCTION void then_version(const struct command_request *request, int32_t version)
{
    then_status(request, STATUS_OK);
    cr_assert_eq(request->outcome.refusal, CART_ACCEPTED, "refused: %d",
                 (int)request->outcome.refusal);
    cr_assert_eq(request->outcome.version, version, "version %d, not %d",
                 (int)request->outcome.version, (int)version);
    cr_assert_eq(request->outcome.event_count, 1);
    const struct committed_event *answered = &request->outcome.events[0];
    const struct cart_key cart = {request->partition, request->cart_id};
    const struct fake_event *stored = fake_find(&story.store, &cart, version);
    cr_assert_not_null(stored);
    cr_expect(uuid_equal(&stored->event.event_id, &answered->event_id));
    cr_expect_eq(answered->version, version);
    cr_expect_eq(answered->type, stored->event.type);
    cr_expect_eq(answered->occurred_at_us, request->command.time_us);
    cr_expect_eq(request->outcome.position, stored->event.position);
}

/* The same answer as the first one's, and nothing done for it. */
STORY_FUNCTION void then_replayed(const struct command_request *request,
                                  const struct command_request *first)
{
    then_status(request, STATUS_OK);
    cr_assert_eq(request->outcome.refusal, CART_ACCEPTED, "refused: %d",
                 (int)request->outcome.refusal);
    cr_expect(request->outcome.is_replayed && !first->outcome.is_replayed);
    cr_expect_eq(request->outcome.version, first->outcome.version);
    cr_expect_eq(request->outcome.position, first->outcome.position);
    cr_assert_eq(request->outcome.event_count, first->outcome.event_count);
    for (size_t i = 0; i < first->outcome.event_count; i++) {
        const struct committed_event *event = &request->outcome.events[i];
        cr_expect(uuid_equal(&event->event_id, &first->outcome.events[i].event_id));
        cr_expect_eq(event->version, first->outcome.events[i].version);
        cr_expect_eq(event->type, first->outcome.events[i].type);
        cr_expect_eq(event->occurred_at_us, first->outcome.events[i].occurred_at_us);
    }
}

STORY_FUNCTION void then_refused(const struct command_request *request, enum cart_refusal refusal,
                                 int32_t version)
{
    then_status(request, STATUS_OK);
    cr_expect_eq(request->outcome.refusal, refusal, "refusal %d, not %d",
                 (int)request->outcome.refusal, (int)refusal);
    cr_expect_eq(request->outcome.version, version);
    cr_expect_eq(request->outcome.event_count, 0);
    cr_expect_null(request->outcome.events);
}

/* Positions and versions of the whole log. */
STORY_FUNCTION void then_log_has(size_t count)
{
    int64_t positions[FAKE_PARTITIONS] = {0};
    cr_assert_eq(story.store.event_count, count, "%zu events, not %zu", story.store.event_count,
                 count);
    for (size_t i = 0; i < count; i++) {
        const struct new_event *event = &story.store.events[i].event;
        cr_expect_eq(event->position, ++positions[event->cart.partition]);
        for (size_t j = 0; j < i; j++) {
            const struct new_event *other = &story.store.events[j].event;
            cr_expect(!uuid_equal(&event->event_id, &other->event_id));
            if (is_same_cart(&event->cart, &other->cart))
                cr_expect_lt(other->version, event->version);
        }
    }
}
