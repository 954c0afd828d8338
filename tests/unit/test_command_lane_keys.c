/* Idempotency keys in the lane: the same again is answered as the first time, and done once. */
#include "lane_story.h"

static struct cart_key A;
static struct cart_key B;

static void begin(void)
{
    A = fake_cart(1);
    B = fake_cart(2);
    story_begin();
}

TestSuite(command_lane_keys, .init = begin, .timeout = 60);

static const struct cart_line THREE_LINES[] = {
    {.sku = {"tea", 3}, .name = {"Tea", 3}, .quantity = 1, .unit_price = {100, "EUR"}},
    {.sku = {"cup", 3}, .name = {"Cup", 3}, .quantity = 2, .unit_price = {200, "EUR"}},
    {.sku = {"tea", 3}, .name = {"Tea", 3}, .quantity = 3, .unit_price = {100, "EUR"}},
};

static struct cart_command add_three(void)
{
    return (struct cart_command){.type = CART_ADD_ITEMS,
                                 .add_items = {.lines = THREE_LINES, .count = 3}};
}

/* Another process, or this one after its end: nothing is in memory. */
static void restart(void)
{
    story_stop();
    story.lane = command_lane_new(&story.options);
    story_start();
}

Test(command_lane_keys, twenty_at_once_in_one_batch_are_done_once)
{
    fake_created(&story.store, A);
    for (int i = 0; i < 20; i++)
        when_keyed(A, story_add(), "k", "hash");
    story_run();
    then_version(&story.requests[0], 2);
    for (int i = 1; i < 20; i++)
        then_replayed(&story.requests[i], &story.requests[0]);
    then_log_has(2);
    cr_expect_eq(story.store.append_calls, 1);
    cr_expect_eq(story.store.recall_calls, 1, "one question for all of them");
    cr_expect_eq(story.metrics[LANE_COMMANDS_REPLAYED], 19);
}

Test(command_lane_keys, more_repeats_than_one_question_may_have_are_all_answered)
{
    fake_created(&story.store, A);
    for (int i = 0; i < 3 * EVENT_STORE_RECALL_COMMANDS_MAX; i++)
        when_keyed(A, story_add(), "k", "hash");
    story_run();
    for (int i = 1; i < 3 * EVENT_STORE_RECALL_COMMANDS_MAX; i++)
        then_replayed(&story.requests[i], &story.requests[0]);
    then_log_has(2);
}

Test(command_lane_keys, the_first_time_nothing_is_asked)
{
    when_keyed(A, story_create(), "k1", "hash");
    when_keyed(A, story_add(), "k2", "hash");
    story_run();
    then_version(&story.requests[0], 1);
    then_version(&story.requests[1], 2);
    cr_expect_eq(story.store.recall_calls + story.store.load_calls, 0);
}

Test(command_lane_keys, a_creation_that_is_repeated_after_a_restart_gets_the_first_answer)
{
    const struct command_request *first = when_keyed(A, story_create(), "k", "hash");
    story_start();
    story_wait();
    restart();
    const struct command_request *again = when_keyed(A, story_create(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_log_has(1);
}

Test(command_lane_keys, later_and_from_a_warm_cache_the_answer_is_the_first_one)
{
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, add_three(), "k", "hash");
    story_start();
    story_wait();
    cr_assert_eq(first->outcome.event_count, 3);
    when(A, story_add());
    story_wait();
    const struct command_request *again = when_keyed(A, add_three(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_log_has(5);
    cr_expect_eq(story.store.load_calls, 1);
}

Test(command_lane_keys, after_a_restart_the_log_knows)
{
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, add_three(), "k", "hash");
    story_start();
    story_wait();
    restart();
    const struct command_request *again = when_keyed(A, add_three(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_log_has(4);
}

Test(command_lane_keys, a_cache_without_room_forgets_nothing)
{
    command_lane_free(story.lane);
    story.options.cache_bytes_max = 0;
    story.lane = command_lane_new(&story.options);
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    story_start();
    story_wait();
    const struct command_request *again = when_keyed(A, story_add(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_log_has(2);
}

Test(command_lane_keys, a_cart_that_no_cache_has_room_for_is_read_piece_by_piece)
{
    command_lane_free(story.lane);
    story.options.cache_bytes_max = 0;
    story.lane = command_lane_new(&story.options);
    story.store.cart_rows_max = 1;
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, add_three(), "k", "hash");
    story_start();
    story_wait();
    cr_assert_eq(first->outcome.version, 4);
    const struct command_request *again = when_keyed(A, add_three(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
}

Test(command_lane_keys, another_request_with_the_key_is_refused)
{
    fake_created(&story.store, A);
    when_keyed(A, story_add(), "k", "hash");
    const struct command_request *twin = when_keyed(A, story_set(5), "k", "other");
    story_start();
    story_wait();
    const struct command_request *later = when_keyed(A, story_set(5), "k", "other");
    story_wait();
    story_stop();
    then_version(&story.requests[0], 2);
    then_refused(twin, CART_REFUSED_KEY_REUSED, 0);
    then_refused(later, CART_REFUSED_KEY_REUSED, 0);
    then_log_has(2);
}

Test(command_lane_keys, a_key_belongs_to_its_cart)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    when_keyed(A, story_add(), "k", "hash");
    when_keyed(B, story_add(), "k", "other");
    story_run();
    then_version(&story.requests[0], 2);
    then_version(&story.requests[1], 2);
}

Test(command_lane_keys, a_repeat_is_answered_before_its_condition_and_on_a_closed_cart)
{
    const struct cart_condition at_one = {.given = true, .tags = STR_LITERAL("\"1\"")};
    fake_created(&story.store, A);
    struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    first->condition = at_one;
    when(A, story_cancel());
    when_keyed(A, story_add(), "k", "hash")->condition = at_one;
    story_run();
    then_version(first, 2);
    then_version(&story.requests[1], 3);
    then_replayed(&story.requests[2], first);
}

Test(command_lane_keys, a_refusal_and_a_success_without_an_event_are_not_remembered)
{
    fake_created(&story.store, A);
    const struct command_request *refused = when_keyed(A, story_remove("tea"), "k", "hash");
    const struct command_request *nothing = when_keyed(A, story_set(0), "n", "hash");
    story_start();
    story_wait();
    when(A, story_add());
    story_wait();
    const struct command_request *removed = when_keyed(A, story_remove("tea"), "k", "hash");
    story_wait();
    story_stop();
    then_refused(refused, CART_REFUSED_ITEM_NOT_IN_CART, 1);
    then_refused(nothing, CART_ACCEPTED, 1);
    then_version(removed, 3);
    cr_expect(!removed->outcome.is_replayed);
}

/* The other instance gets the same request, and is faster. */
static struct uuid elsewhere_id;

static void add_elsewhere(struct fake_store *fake, size_t call)
{
    if (call > 0)
        return;
    elsewhere_id = uuid_v7_now();
    fake_put(
        fake,
        &(struct new_event){
            .cart = A,
            .version = 2,
            .event_id = elsewhere_id,
            .type = EVENT_ITEM_ADDED,
            .occurred_at_us = 1000000,
            .data = STR_LITERAL("{\"sku\":\"tea\",\"name\":\"Green tea\",\"quantity\":1,"
                                "\"unitPrice\":{\"amountMinor\":1999,\"currency\":\"EUR\"},"
                                "\"lineQuantity\":1}"),
            .metadata = STR_LITERAL("{\"commandKey\":{\"key\":\"k\",\"requestHash\":\"hash\"}}")});
}

Test(command_lane_keys, when_another_instance_was_faster_its_answer_is_given)
{
    fake_created(&story.store, A);
    story.store.before_append = add_elsewhere;
    for (int i = 0; i < 5; i++)
        when_keyed(A, story_add(), "k", "hash");
    story_run();
    for (int i = 0; i < 5; i++) {
        const struct command_outcome *outcome = &story.requests[i].outcome;
        then_status(&story.requests[i], STATUS_OK);
        cr_assert_eq(outcome->event_count, 1);
        cr_expect(outcome->is_replayed);
        cr_expect(uuid_equal(&outcome->events[0].event_id, &elsewhere_id));
        cr_expect_eq(outcome->version, 2);
    }
    then_log_has(2);
}

Test(command_lane_keys, when_the_first_one_failed_its_twin_is_done)
{
    fake_created(&story.store, A);
    story.store.appends[0] = FAKE_INTERNAL;
    when_keyed(A, story_add(), "k", "hash");
    when_keyed(A, story_add(), "k", "hash");
    story_run();
    then_status(&story.requests[0], STATUS_INTERNAL);
    then_version(&story.requests[1], 2);
    cr_expect(!story.requests[1].outcome.is_replayed);
    then_log_has(2);
}

Test(command_lane_keys, when_the_first_answer_was_lost_the_repeat_finds_what_was_done)
{
    fake_created(&story.store, A);
    story.store.appends[0] = FAKE_DONE_UNKNOWN;
    const struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    const struct command_request *twin = when_keyed(A, story_add(), "k", "hash");
    story_run();
    then_version(first, 2);
    then_replayed(twin, first);
    then_log_has(2);
}

Test(command_lane_keys, a_repeat_holds_when_the_rest_of_its_batch_fails)
{
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    story_start();
    story_wait();
    restart();
    story_stop();
    story.lane = command_lane_new(&story.options);
    story.store.appends[1] = FAKE_INTERNAL;
    const struct command_request *fails = when(A, story_add());
    const struct command_request *again = when_keyed(A, story_add(), "k", "hash");
    story_run();
    then_status(fails, STATUS_INTERNAL);
    then_replayed(again, first);
    then_log_has(2);
}

static void write_before_second(struct fake_store *fake, size_t call)
{
    if (call == 1)
        fake_added(fake, A);
}

Test(command_lane_keys, a_repeat_holds_when_the_rest_of_its_batch_clashes)
{
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    story_run();
    story.lane = command_lane_new(&story.options);
    story.store.before_append = write_before_second;
    const struct command_request *clashes = when(A, story_add());
    const struct command_request *again = when_keyed(A, story_add(), "k", "hash");
    story_run();
    then_version(clashes, 4);
    then_replayed(again, first);
    cr_expect_eq(story.order[1], (size_t)(again - story.requests), "it waits for the rest");
    cr_expect_eq(story.metrics[LANE_COMMANDS_REPLAYED], 1);
}

Test(command_lane_keys, a_question_that_fails_is_asked_again)
{
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    story_start();
    story_wait();
    story.store.reads_failing = 1;
    const struct command_request *again = when_keyed(A, story_add(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_log_has(2);
    cr_expect_geq(story.store.recall_calls, 2);
}

Test(command_lane_keys, on_a_cart_that_is_read_piece_by_piece_it_is_asked_in_the_end)
{
    fake_created(&story.store, A);
    const struct command_request *first = when_keyed(A, story_add(), "k", "hash");
    story_start();
    story_wait();
    restart();
    story.store.cart_rows_max = 1;
    const struct command_request *again = when_keyed(A, story_add(), "k", "hash");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_log_has(2);
    cr_expect_eq(story.store.recall_calls, 1);
}

Test(command_lane_keys, a_merge_is_a_command_on_its_target_and_the_source_knows_no_key)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    const struct command_request *first = when_keyed(A, story_merge(A, B), "k", "hash");
    story_start();
    story_wait();
    restart();
    const struct command_request *again = when_keyed(A, story_merge(A, B), "k", "hash");
    const struct command_request *other = when_keyed(B, story_add(), "k", "other");
    story_wait();
    story_stop();
    then_replayed(again, first);
    then_refused(other, CART_REFUSED_CLOSED, 2);
    then_log_has(4);
}

Test(command_lane_keys, a_key_of_the_source_that_the_merge_has_too_stands_for_what_it_stood_for)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    const struct command_request *first = when_keyed(B, story_add(), "k", "hash");
    const struct command_request *merge = when_keyed(A, story_merge(A, B), "k", "other");
    story_start();
    story_wait();
    const struct command_request *again = when_keyed(B, story_add(), "k", "hash");
    story_wait();
    story_stop();
    then_version(merge, 2);
    then_replayed(again, first);
    then_log_has(5);
}
