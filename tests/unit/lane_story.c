#include "lane_story.h"

#include <stdio.h>

struct lane_story story;

const struct cart_line STORY_LINE = {
    .sku = {"tea", 3},
    .name = {"Green tea", 9},
    .quantity = 1,
    .unit_price = {1999, "EUR"},
};

void story_done(struct command_request *request)
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

void story_begin(void)
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

struct cart_command story_create(void)
{
    return (struct cart_command){.type = CART_CREATE, .create = {.currency = "EUR"}};
}

struct cart_command story_add(void)
{
    return (struct cart_command){.type = CART_ADD_ITEMS,
                                 .add_items = {.lines = &STORY_LINE, .count = 1}};
}

struct cart_command story_remove(const char *sku)
{
    return (struct cart_command){.type = CART_REMOVE_ITEM, .remove_item = {.sku = str_from(sku)}};
}

struct cart_command story_set(int32_t quantity)
{
    return (struct cart_command){.type = CART_SET_QUANTITY,
                                 .set_quantity = {.sku = STORY_LINE.sku, .quantity = quantity}};
}

struct cart_command story_cancel(void)
{
    return (struct cart_command){.type = CART_CANCEL};
}

struct cart_command story_merge(struct cart_key target, struct cart_key source)
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

struct command_request *when_within(struct cart_key cart, struct cart_command command,
                                    int milliseconds)
{
    return story_submit(cart, command, milliseconds, NULL, NULL);
}

struct command_request *when_keyed(struct cart_key cart, struct cart_command command,
                                   const char *key, const char *hash)
{
    return story_submit(cart, command, LANE_DEADLINE_MS, key, hash);
}

struct command_request *when(struct cart_key cart, struct cart_command command)
{
    return when_within(cart, command, LANE_DEADLINE_MS);
}

void story_start(void)
{
    struct error error = {.message = ""};
    cr_assert_eq(command_lane_start(story.lane, &error), STATUS_OK, "%s", error.message);
}

void story_wait(void)
{
    WAIT_UNTIL(atomic_load(&story.answered) == story.request_count, "%zu of %zu answered",
               atomic_load(&story.answered), story.request_count);
}

void story_stop(void)
{
    command_lane_stop(story.lane, clock_monotonic_us() + 2 * MICROSECONDS_PER_SECOND);
    cr_assert_eq(story.answered, story.request_count, "%zu of %zu answered", story.answered,
                 story.request_count);
    command_lane_free(story.lane);
    story.lane = NULL;
}

void story_run(void)
{
    story_start();
    story_wait();
    story_stop();
}

/* Answers */

int milliseconds_to_answer(const struct command_request *request)
{
    return (int)((story.answered_at_us[request - story.requests] - request->queued_at_us) /
                 MICROSECONDS_PER_MILLISECOND);
}

void then_status(const struct command_request *request, enum status expected)
{
    cr_expect_eq(request->outcome.status, expected, "command %td: %s, not %s",
                 request - story.requests, status_name(request->outcome.status),
                 status_name(expected));
    cr_expect_leq(story.answered_at_us[request - story.requests], request->deadline_us, "late");
}

void then_version(const struct command_request *request, int32_t version)
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

void then_replayed(const struct command_request *request, const struct command_request *first)
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

void then_refused(const struct command_request *request, enum cart_refusal refusal, int32_t version)
{
    then_status(request, STATUS_OK);
    cr_expect_eq(request->outcome.refusal, refusal, "refusal %d, not %d",
                 (int)request->outcome.refusal, (int)refusal);
    cr_expect_eq(request->outcome.version, version);
    cr_expect_eq(request->outcome.event_count, 0);
    cr_expect_null(request->outcome.events);
}

void then_log_has(size_t count)
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
