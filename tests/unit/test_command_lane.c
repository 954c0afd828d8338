/* The lane at work: order, batches, the cache, clashes with another instance. */
#include "lane_story.h"

static struct cart_key A;
static struct cart_key B;
static struct cart_key C;

static void begin(void)
{
    A = fake_cart(1);
    B = fake_cart(2);
    C = fake_cart(3);
    story_begin();
}

TestSuite(command_lane, .init = begin, .timeout = 20);

Test(command_lane, commands_on_separate_carts_are_appended_together)
{
    const struct command_request *a = when(A, story_create());
    const struct command_request *b = when(B, story_create());
    const struct command_request *c = when(C, story_create());
    story_run();
    then_version(a, 1);
    then_version(b, 1);
    then_version(c, 1);
    then_log_has(3);
    cr_expect_eq(story.store.append_calls, 1);
    cr_expect_eq(story.commits, 1);
    cr_expect_eq(story.commands_committed, 3);
    cr_expect_eq(story.answered_before_commit, 3, "the relay must not get in the answers' way");
}

Test(command_lane, carts_are_created_without_asking_whether_they_are_there)
{
    const struct command_request *a = when(A, story_create());
    const struct command_request *add = when(A, story_add());
    const struct command_request *b = when(B, story_create());
    story_run();
    then_version(a, 1);
    then_version(add, 2);
    then_version(b, 1);
    cr_expect_eq(story.store.load_calls + story.store.versions_calls, 0);
    cr_expect_eq(story.store.append_calls, 1);
}

Test(command_lane, a_cart_that_was_there_already_is_read_once_its_creation_has_clashed)
{
    fake_created(&story.store, A);
    const struct command_request *a = when(A, story_create());
    const struct command_request *b = when(B, story_create());
    const struct command_request *add = when(A, story_add());
    story_run();
    then_refused(a, CART_ACCEPTED, 1);
    then_version(add, 2);
    then_version(b, 1);
    then_log_has(3);
    cr_expect_eq(story.order[0], 1, "the others need not wait for it");
    cr_expect_eq(story.store.load_calls, 1);
    cr_expect_eq(story.store.append_calls, 3);
    cr_expect_eq(story.store.append_sizes[0], 3);
    cr_expect_eq(story.store.append_sizes[1], 1, "the other cart's");
    cr_expect_eq(story.metrics[LANE_CART_CLASHES], 1);
}

Test(command_lane, after_a_wrong_guess_carts_are_read_before_they_are_created_for_a_while)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    when(A, story_create());
    story_start();
    story_wait();
    cr_assert_eq(story.store.append_calls, 1);
    const struct command_request *b = when(B, story_create());
    story_wait();
    then_refused(b, CART_ACCEPTED, 1);
    cr_expect_eq(story.store.append_calls, 1, "no clash");
    cr_expect_eq(story.store.load_calls, 2);
    for (int i = 2; i < LANE_DOUBT_BATCHES - 1; i++) {
        when(A, story_create()); /* as it is */
        story_wait();
    }
    const struct command_request *c = when(C, story_create());
    story_wait();
    then_version(c, 1);
    cr_expect_eq(story.store.load_calls, 3, "the last doubt");
    const struct command_request *d = when(fake_cart(4), story_create());
    story_wait();
    story_stop();
    then_version(d, 1);
    cr_expect_eq(story.store.load_calls, 3);
}

Test(command_lane, what_was_refused_by_a_wrong_guess_is_decided_again)
{
    fake_created(&story.store, A);
    const struct command_request *add = when(A, story_add());
    const struct command_request *create = when(A, story_create());
    story_run();
    then_version(add, 2);
    then_refused(create, CART_ACCEPTED, 2);
    then_log_has(2);
}

Test(command_lane, a_wrong_guess_whose_append_gets_no_answer_is_found_out)
{
    fake_created(&story.store, A);
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    const struct command_request *a = when(A, story_create());
    const struct command_request *b = when(B, story_create());
    story_run();
    then_refused(a, CART_ACCEPTED, 1);
    then_version(b, 1);
    then_log_has(2);
}

Test(command_lane, a_cart_whose_first_event_cannot_be_read_cannot_be_created)
{
    fake_elsewhere(&story.store, A, EVENT_TYPE_COUNT, "{}");
    const struct command_request *a = when(A, story_create());
    story_start();
    story_wait();
    const struct command_request *again = when(A, story_create());
    story_wait();
    story_stop();
    then_status(a, STATUS_INTERNAL);
    then_status(again, STATUS_INTERNAL);
    then_log_has(1);
}

Test(command_lane, a_creation_with_a_condition_asks_first)
{
    struct command_request *a = when(A, story_create());
    a->condition = (struct cart_condition){.given = true, .any = true};
    story_run();
    then_refused(a, CART_REFUSED_NOT_FOUND, 0);
    cr_expect_eq(story.store.load_calls, 1);
    cr_expect_eq(story.store.versions_calls, 0);
}

Test(command_lane, forty_commands_on_one_cart_in_one_batch_all_succeed)
{
    fake_created(&story.store, A);
    for (int i = 0; i < 40; i++)
        when(A, story_add());
    story_run();
    for (int i = 0; i < 40; i++)
        then_version(&story.requests[i], i + 2);
    then_log_has(41);
    cr_expect_eq(story.store.append_calls, 1);
    cr_expect_eq(story.metrics[LANE_BATCH_EVENTS], 40);
}

Test(command_lane, a_command_sees_the_effect_of_those_before_it_in_the_batch)
{
    const struct command_request *create = when(A, story_create());
    const struct command_request *absent = when(A, story_remove("tea"));
    const struct command_request *add = when(A, story_add());
    const struct command_request *same = when(A, story_set(1));
    const struct command_request *cancel = when(A, story_cancel());
    const struct command_request *late = when(A, story_add());
    story_run();
    then_version(create, 1);
    then_refused(absent, CART_REFUSED_ITEM_NOT_IN_CART, 1);
    then_version(add, 2);
    then_refused(same, CART_ACCEPTED, 2);
    then_version(cancel, 3);
    then_refused(late, CART_REFUSED_CLOSED, 3);
    cr_expect_eq(late->outcome.cart_status, CART_CANCELLED);
    cr_expect_eq(create->outcome.cart_status, CART_ABSENT);
    for (size_t i = 0; i < story.request_count; i++)
        cr_expect_eq(story.order[i], i);
    cr_expect_eq(story.store.append_calls, 1);
}

Test(command_lane, of_two_commands_with_the_same_condition_one_holds)
{
    fake_created(&story.store, A);
    when(A, story_add())->condition =
        (struct cart_condition){.given = true, .tags = STR_LITERAL("\"1\"")};
    when(A, story_add())->condition =
        (struct cart_condition){.given = true, .tags = STR_LITERAL("\"1\"")};
    story_run();
    then_version(&story.requests[0], 2);
    then_refused(&story.requests[1], CART_REFUSED_VERSION_MISMATCH, 2);
}

Test(command_lane, a_command_on_a_cart_that_does_not_exist_is_refused_without_an_append)
{
    const struct command_request *add = when(A, story_add());
    story_run();
    then_refused(add, CART_REFUSED_NOT_FOUND, 0);
    cr_expect_eq(story.store.append_calls, 0);
    cr_expect_eq(story.store.versions_calls, 0, "it was read from the log just now");
}

Test(command_lane, carts_are_read_once_and_kept)
{
    fake_created(&story.store, A);
    when(A, story_add());
    story_start();
    story_wait();
    when(A, story_add());
    story_wait();
    story_stop();
    then_version(&story.requests[1], 3);
    cr_expect_eq(story.store.load_calls, 1);
    cr_expect_eq(story.metrics[LANE_CACHE_HITS], 1);
    cr_expect_eq(story.metrics[LANE_CACHE_MISSES], 1);
}

Test(command_lane, a_cache_without_room_reads_each_time)
{
    command_lane_free(story.lane);
    story.options.cache_bytes_max = 0;
    story.lane = command_lane_new(&story.options);
    fake_created(&story.store, A);
    when(A, story_add());
    story_start();
    story_wait();
    when(A, story_add());
    story_wait();
    story_stop();
    then_version(&story.requests[1], 3);
    cr_expect_eq(story.store.load_calls, 2);
}

Test(command_lane, a_refusal_from_the_cache_is_not_given_when_another_instance_has_written)
{
    fake_created(&story.store, A);
    when(A, story_add());
    story_start();
    story_wait();
    fake_added(&story.store, A);
    const struct command_request *remove = when(A, story_remove("cup"));
    story_wait();
    story_stop();
    then_version(remove, 4);
    then_log_has(4);
    cr_expect_eq(story.store.versions_calls, 1);
    cr_expect_eq(story.store.load_calls, 2);
}

Test(command_lane, nothing_to_do_from_the_cache_is_not_believed_either)
{
    fake_created(&story.store, A);
    when(A, story_add());
    story_start();
    story_wait();
    fake_elsewhere(&story.store, A, EVENT_ITEM_QUANTITY_CHANGED,
                   "{\"sku\":\"tea\",\"quantity\":7,\"previousQuantity\":1}");
    const struct command_request *set = when(A, story_set(1));
    story_wait();
    story_stop();
    then_version(set, 4);
}

Test(command_lane, a_refusal_from_the_cache_stands_when_the_log_agrees)
{
    fake_created(&story.store, A);
    when(A, story_add());
    story_start();
    story_wait();
    const struct command_request *remove = when(A, story_remove("cup"));
    story_wait();
    story_stop();
    then_refused(remove, CART_REFUSED_ITEM_NOT_IN_CART, 2);
    cr_expect_eq(story.store.versions_calls, 1);
    cr_expect_eq(story.store.load_calls, 1);
}

/* Another instance writes cart A between our reading and our first append. */
static void write_a_before_first(struct fake_store *fake, size_t call)
{
    if (call == 0)
        fake_added(fake, A);
}

Test(command_lane, only_the_commands_of_a_clashing_cart_are_decided_again)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    story.store.before_append = write_a_before_first;
    const struct command_request *b1 = when(B, story_add());
    const struct command_request *a1 = when(A, story_add());
    const struct command_request *a2 = when(A, story_remove("cup"));
    const struct command_request *b2 = when(B, story_add());
    story_run();
    then_version(b1, 2);
    then_version(b2, 3);
    then_version(a1, 3);
    then_version(a2, 4);
    then_log_has(7);
    cr_expect_eq(story.store.append_calls, 3);
    cr_expect_eq(story.store.append_sizes[0], 3, "the removal was refused at first");
    cr_expect_eq(story.store.append_sizes[1], 2, "the other cart's events");
    cr_expect_eq(story.store.append_sizes[2], 2, "the clashing cart's");
    cr_expect(uuid_equal(&story.store.append_first_ids[0], &story.store.append_first_ids[1]),
              "the other cart's events stay as they were");
    cr_expect_lt(story.answered_at_us[0], story.answered_at_us[1],
                 "the other cart does not wait for it");
    cr_expect_eq(story.metrics[LANE_CART_CLASHES], 1);
}

static void write_a_before_each(struct fake_store *fake, size_t call)
{
    (void)call;
    fake_elsewhere(fake, A, EVENT_ITEM_QUANTITY_CHANGED,
                   fake_version(fake, &A) % 2 == 0
                       ? "{\"sku\":\"cup\",\"quantity\":2,\"previousQuantity\":1}"
                       : "{\"sku\":\"cup\",\"quantity\":1,\"previousQuantity\":2}");
}

Test(command_lane, a_cart_that_another_instance_writes_all_the_time_is_held_in_the_end)
{
    fake_created(&story.store, A);
    fake_added(&story.store, A);
    fake_created(&story.store, B);
    story.store.before_append = write_a_before_each;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_version(b, 2);
    then_status(a, STATUS_OK);
    cr_expect_eq(a->attempts, LANE_CLASHES_MAX);
    cr_expect_eq(story.store.hold_calls, 1);
    cr_expect_eq(story.order[0], 1);
    for (int i = 0; i < FAKE_PARTITIONS; i++)
        cr_expect(!story.store.held[i]);
}

static void change_then_cancel_a(struct fake_store *fake, size_t call)
{
    if (call == 0)
        fake_added(fake, A);
    else
        fake_elsewhere(fake, A, EVENT_CART_CANCELLED, "{}");
}

Test(command_lane, a_held_batch_that_appends_nothing_lets_go)
{
    fake_created(&story.store, A);
    story.store.before_append = change_then_cancel_a;
    const struct command_request *add = when(A, story_add());
    story_run();
    then_refused(add, CART_REFUSED_CLOSED, 3);
    cr_expect_eq(story.store.hold_calls, 1);
    cr_expect(!story.store.held[A.partition]);
}

Test(command_lane, newer_commands_wait_while_those_that_clashed_are_decided)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    story.store.before_append = write_a_before_first;
    for (int i = 0; i < 10; i++)
        when(i % 2 == 0 ? A : B, story_add());
    story_run();
    for (int i = 0; i < 10; i++)
        then_version(&story.requests[i], i / 2 + (i % 2 == 0 ? 3 : 2));
    cr_expect_eq(story.store.append_sizes[0], 10);
    cr_expect_eq(story.store.append_sizes[1], 5);
    cr_expect_eq(story.store.append_sizes[2], 5);
}

Test(command_lane, commands_on_a_clashing_cart_keep_their_order_before_newer_ones)
{
    fake_created(&story.store, A);
    story.store.before_append = write_a_before_first;
    when(A, story_add());
    for (int i = 2; i < 20; i++)
        when(A, story_set(i));
    story_run();
    for (int i = 0; i < 19; i++)
        then_version(&story.requests[i], i + 3);
    for (size_t i = 0; i < story.request_count; i++)
        cr_expect_eq(story.order[i], i);
}

Test(command_lane, with_a_condition_a_clash_is_a_version_mismatch)
{
    fake_created(&story.store, A);
    story.store.before_append = write_a_before_first;
    struct command_request *add = when(A, story_add());
    add->condition = (struct cart_condition){.given = true, .tags = STR_LITERAL("\"1\"")};
    story_run();
    then_refused(add, CART_REFUSED_VERSION_MISMATCH, 2);
}

static struct cart_command add_many(size_t count)
{
    static struct cart_line lines[CART_COMMAND_ITEMS_MAX];
    for (size_t i = 0; i < count; i++)
        lines[i] = STORY_LINE;
    return (struct cart_command){.type = CART_ADD_ITEMS,
                                 .add_items = {.lines = lines, .count = count}};
}

Test(command_lane, a_batch_larger_than_the_limit_is_split_without_changing_the_order)
{
    struct cart_command many = add_many(90);
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    enum { COMMANDS = 90 };
    for (int i = 0; i < COMMANDS; i++)
        when(i % 2 == 0 ? A : B, i % 3 == 2 ? story_remove("tea") : many);
    story_run();
    for (int i = 0; i < COMMANDS; i++) {
        const struct command_outcome *outcome = &story.requests[i].outcome;
        then_status(&story.requests[i], STATUS_OK);
        cr_expect_eq(outcome->refusal, CART_ACCEPTED);
        if (i >= 2)
            cr_expect_eq(outcome->version,
                         story.requests[i - 2].outcome.version + (int)outcome->event_count);
    }
    for (size_t i = 0; i < story.store.append_calls; i++)
        cr_expect_lt(story.store.append_sizes[i], LANE_BATCH_EVENTS_MAX + CART_DECISION_EVENTS_MAX);
    cr_expect_eq(story.store.append_calls, 2);
}

Test(command_lane, a_wrong_guess_is_noticed_without_a_clash_too)
{
    fake_created(&story.store, A);
    const struct command_request *add = when(A, story_add());
    for (int count = 0; count < LANE_BATCH_EVENTS_MAX; count += CART_COMMAND_ITEMS_MAX) {
        struct cart_key cart = fake_cart((uint8_t)(10 + count / CART_COMMAND_ITEMS_MAX));
        fake_created(&story.store, cart);
        when(cart, add_many(CART_COMMAND_ITEMS_MAX));
    }
    const struct command_request *late = when(A, story_create());
    story_run();
    then_version(add, 2);
    then_refused(late, CART_ACCEPTED, 2);
    cr_expect_eq(story.store.append_calls, 2, "of the full batch, and of the rest");
    cr_expect_eq(story.store.load_calls, 2);
}

/* A cart of 1,000 events. */
static void given_a_long_cart(struct cart_key cart)
{
    fake_created(&story.store, cart);
    fake_added(&story.store, cart);
    for (int i = 0; i < 998; i++)
        fake_elsewhere(&story.store, cart, EVENT_ITEM_QUANTITY_CHANGED,
                       i % 2 == 0 ? "{\"sku\":\"cup\",\"quantity\":2,\"previousQuantity\":1}"
                                  : "{\"sku\":\"cup\",\"quantity\":1,\"previousQuantity\":2}");
}

Test(command_lane, a_long_cart_is_read_piece_by_piece_and_delays_no_other)
{
    story.store.cart_rows_max = 100;
    given_a_long_cart(A);
    fake_created(&story.store, B);
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    const struct command_request *a2 = when(A, story_add());
    story_run();
    then_version(b, 2);
    then_version(a, 1001);
    then_version(a2, 1002);
    cr_expect_eq(story.order[0], 1);
    cr_expect_eq(story.store.load_calls, 11);
    cr_expect_eq(story.store.append_calls, 2);
}

static void ask_for_b(struct fake_store *fake, size_t call)
{
    (void)fake;
    if (call == 1)
        when(B, story_add());
}

Test(command_lane, a_cart_that_has_just_come_is_read_before_a_long_one_goes_on)
{
    story.store.cart_rows_max = 100;
    story.store.load_rows_max = 100;
    story.store.before_load = ask_for_b;
    given_a_long_cart(A);
    fake_created(&story.store, B);
    const struct command_request *a = when(A, story_add());
    story_run();
    then_version(a, 1001);
    cr_assert_eq(story.order[0], 1);
    then_version(&story.requests[1], 2);
    cr_expect_leq(story.store.load_calls, 12);
}

Test(command_lane, more_carts_than_one_question_takes_are_read_in_the_next_batches)
{
    for (int i = 0; i < 512; i++) {
        struct cart_key cart = fake_cart(7);
        cart.cart_id.bytes[1] = (uint8_t)(i / 256);
        cart.cart_id.bytes[2] = (uint8_t)(i % 256);
        cart.partition = cart_partition(&cart.cart_id, FAKE_PARTITIONS);
        fake_created(&story.store, cart);
        when(cart, story_add());
    }
    story_run();
    for (size_t i = 0; i < 512; i++)
        then_version(&story.requests[i], 2);
    cr_expect_eq(story.store.load_calls, 512 / EVENT_STORE_LOAD_CARTS_MAX);
}

Test(command_lane, a_cart_whose_log_cannot_be_read_takes_no_command_and_harms_no_other)
{
    fake_created(&story.store, A);
    fake_elsewhere(&story.store, A, EVENT_TYPE_COUNT, "{}");
    fake_created(&story.store, B);
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_start();
    story_wait();
    const struct command_request *again = when(A, story_add());
    story_wait();
    story_stop();
    then_status(a, STATUS_INTERNAL);
    then_status(again, STATUS_INTERNAL);
    then_version(b, 2);
    then_log_has(4);
}

Test(command_lane, a_hole_in_a_carts_versions_is_a_damaged_log)
{
    fake_created(&story.store, A);
    fake_added(&story.store, A);
    story.store.events[1].event.version = 3;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_INTERNAL);
}

Test(command_lane, a_full_queue_refuses_at_once)
{
    struct command_request extra = {.partition = 0, .done = story_done};
    for (int i = 0; i < STORY_REQUESTS_MAX; i++)
        when(A, story_create());
    cr_expect(!command_lane_submit(story.lane, &extra));
    story_run();
    cr_expect_eq(story.metrics[LANE_COMMANDS_REFUSED_BUSY], 1);
}

Test(command_lane, stopping_answers_what_was_accepted_and_accepts_no_more)
{
    const int accepted = 50; /* far from a full queue */
    for (int i = 0; i < accepted; i++)
        when(A, i == 0 ? story_create() : story_add());
    story_start();
    command_lane_close(story.lane, clock_monotonic_us() + MICROSECONDS_PER_SECOND);
    struct command_request late = {.partition = 0, .done = story_done};
    cr_expect(!command_lane_submit(story.lane, &late));
    command_lane_stop(story.lane, clock_monotonic_us() + MICROSECONDS_PER_SECOND);
    cr_expect_eq(story.answered, (size_t)accepted);
    for (int i = 0; i < accepted; i++)
        then_version(&story.requests[i], i + 1);
    command_lane_free(story.lane);
}

Test(command_lane, after_the_stop_deadline_nothing_is_begun)
{
    for (int i = 0; i < 10; i++)
        when(A, story_create());
    command_lane_close(story.lane, clock_monotonic_us() - 1);
    story_start();
    command_lane_stop(story.lane, clock_monotonic_us() - 1);
    for (int i = 0; i < 10; i++)
        then_status(&story.requests[i], STATUS_UNAVAILABLE);
    then_log_has(0);
    command_lane_free(story.lane);
}

Test(command_lane, a_command_that_waited_too_long_is_not_begun)
{
    const struct command_request *late = when_within(A, story_create(), LANE_MINIMUM_MS / 2);
    const struct command_request *other = when(B, story_create());
    story_run();
    then_status(late, STATUS_UNAVAILABLE);
    then_version(other, 1);
    then_log_has(1);
    cr_expect_eq(story.metrics[LANE_COMMANDS_REFUSED_BUSY], 1);
}

Test(command_lane, a_cart_that_another_instance_touches_meanwhile_does_not_expire)
{
    fake_created(&story.store, A);
    story.store.before_append = write_a_before_first;
    story.store.events[0].event.occurred_at_us = 999999;
    const struct command_request *expire =
        when(A, (struct cart_command){.type = CART_EXPIRE, .expire = {999999, 999999}});
    story_run();
    then_refused(expire, CART_ACCEPTED, 2);
    then_log_has(2);
    cr_expect_eq(story.store.append_calls, 1, "it was old enough at first");
}

static _Atomic bool is_hanging;
static _Atomic bool is_let_go;

static void hang(struct fake_store *fake, size_t call)
{
    (void)fake;
    (void)call;
    is_hanging = true;
    while (!is_let_go)
        usleep(1000);
}

static void wait_for_a_turn_after(int64_t time_us)
{
    WAIT_UNTIL(command_lane_turned_at_us(story.lane) > time_us, "the lane turns no more");
}

/* The service manager ends a process whose lane hangs; this is its only sign. */
Test(command_lane, a_lane_that_hangs_turns_no_more_and_an_idle_one_does)
{
    story.store.before_append = hang;
    story_start();
    wait_for_a_turn_after(clock_monotonic_us());
    const struct command_request *request = when_within(A, story_create(), PATIENCE_MS);
    WAIT_UNTIL(is_hanging, "nothing is appended");
    int64_t turned_at_us = command_lane_turned_at_us(story.lane);
    usleep((LANE_HEARTBEAT_MS + 300) * MICROSECONDS_PER_MILLISECOND);
    cr_expect_eq(command_lane_turned_at_us(story.lane), turned_at_us);
    is_let_go = true;
    story_wait();
    then_version(request, 1);
    wait_for_a_turn_after(turned_at_us);
    story_stop();
}

Test(command_lane, an_idle_lane_says_that_nothing_waits)
{
    story_start();
    when(A, story_create());
    story_wait();
    wait_for_a_turn_after(clock_monotonic_us());
    wait_for_a_turn_after(clock_monotonic_us());
    story_stop();
    cr_expect_eq(story.metrics[LANE_QUEUE_DEPTH], 0);
}
