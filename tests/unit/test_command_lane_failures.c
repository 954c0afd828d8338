/* The lane when the log fails it: retries, uncertain commits, a store that is gone. */
#include "lane_story.h"

static struct cart_key A;
static struct cart_key B;

static void begin(void)
{
    A = fake_cart(1);
    B = fake_cart(2);
    story_begin();
    fake_created(&story.store, A);
    fake_created(&story.store, B);
}

static bool is_answered_before(const struct command_request *a, const struct command_request *b)
{
    for (size_t i = 0; i < story.answered; i++) {
        const struct command_request *answered = &story.requests[story.order[i]];
        if (answered == a || answered == b)
            return answered == a;
    }
    return false;
}

/* How often the store was asked for a connection from one answer to another. */
static size_t connects_between(const struct command_request *a, const struct command_request *b)
{
    return story.connects_before_answer[b - story.requests] -
           story.connects_before_answer[a - story.requests];
}

TestSuite(lane_failures, .init = begin, .timeout = 20);

Test(lane_failures, an_append_that_was_certainly_not_done_is_sent_again)
{
    story.store.appends[0] = FAKE_UNAVAILABLE;
    story.store.appends[1] = FAKE_UNAVAILABLE;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_version(a, 2);
    then_log_has(3);
    cr_expect_eq(story.store.append_calls, 3);
    cr_expect(uuid_equal(&story.store.append_first_ids[0], &story.store.append_first_ids[2]));
    cr_expect_eq(story.metrics[LANE_APPEND_RETRIES], 2);
}

Test(lane_failures, after_three_failures_the_commands_are_unavailable_and_leave_nothing)
{
    for (int i = 0; i < LANE_FAILURES_MAX; i++)
        story.store.appends[i] = FAKE_UNAVAILABLE;
    const struct command_request *add = when(A, story_add());
    const struct command_request *set = when(A, story_set(1));
    const struct command_request *refused = when(B, story_remove("tea"));
    story_start();
    story_wait();
    const struct command_request *later = when(A, story_add());
    story_wait();
    story_stop();
    then_status(add, STATUS_UNAVAILABLE);
    cr_expect_null(add->outcome.events);
    then_status(set, STATUS_UNAVAILABLE);
    then_refused(refused, CART_REFUSED_ITEM_NOT_IN_CART, 1);
    then_version(later, 2);
    then_log_has(3);
}

Test(lane_failures, a_failure_that_retrying_does_not_change_is_internal_at_once)
{
    story.store.appends[0] = FAKE_INTERNAL;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_INTERNAL);
    cr_expect_eq(story.store.append_calls, 1);
}

Test(lane_failures, a_conflict_that_no_cart_explains_is_internal)
{
    for (int i = 0; i < FAKE_CALLS_MAX; i++)
        story.store.appends[i] = FAKE_CONFLICTS;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_INTERNAL);
    cr_expect_eq(story.store.append_calls, LANE_FAILURES_MAX);
    then_log_has(2);
}

Test(lane_failures, a_commit_that_happened_unseen_is_answered_once)
{
    story.store.appends[0] = FAKE_DONE_UNKNOWN;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_version(a, 2);
    then_version(b, 2);
    then_log_has(4);
    cr_expect_eq(story.store.append_calls, 2);
    cr_expect_eq(story.store.append_sizes[1], 2, "the identical append");
    cr_expect_eq(story.store.find_calls, 2, "after the reconnect and after the conflict");
    cr_expect_eq(story.commits, 1);
    cr_expect_eq(story.metrics[LANE_COMMITS_UNCERTAIN], 1);
    cr_expect_eq(story.metrics[LANE_COMMITS_RESOLVED], 1);
    cr_expect_eq(story.metrics[LANE_COMMITS_UNKNOWN], 0);
}

Test(lane_failures, a_commit_that_did_not_happen_is_made)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.appends[1] = FAKE_UNDONE_UNKNOWN;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_version(a, 2);
    then_log_has(3);
    cr_expect_eq(story.store.append_calls, 3);
    cr_expect(uuid_equal(&story.store.append_first_ids[0], &story.store.append_first_ids[2]));
    cr_expect_eq(story.metrics[LANE_COMMITS_RESOLVED], 1);
}

static void write_a_before_second(struct fake_store *fake, size_t call)
{
    if (call == 1)
        fake_added(fake, A);
}

Test(lane_failures, a_lost_commit_that_now_clashes_is_decided_again)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.before_append = write_a_before_second;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_version(a, 3);
    then_version(b, 2);
    then_log_has(5);
    cr_expect_eq(story.store.find_calls, 2);
    cr_expect_eq(story.store.append_calls, 4);
    cr_expect(uuid_equal(&story.store.append_first_ids[2], &b->outcome.events[0].event_id));
    cr_expect_eq(story.metrics[LANE_COMMITS_RESOLVED], 1);
}

static void leave_at_second(struct fake_store *fake, size_t call)
{
    if (call > 0)
        fake->is_gone = true;
}

Test(lane_failures, a_commit_that_cannot_be_settled_in_time_is_uncertain)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = leave_at_second;
    const struct command_request *add = when(A, story_add());
    const struct command_request *same = when(A, story_set(1));
    const struct command_request *refused = when(B, story_remove("tea"));
    story_run();
    then_status(add, STATUS_UNCERTAIN);
    then_status(same, STATUS_UNAVAILABLE);
    then_refused(refused, CART_REFUSED_ITEM_NOT_IN_CART, 1);
    cr_expect_gt(milliseconds_to_answer(add), LANE_DEADLINE_MS - LANE_MINIMUM_MS,
                 "there was time to find out");
    cr_expect_eq(story.metrics[LANE_COMMITS_UNKNOWN], 1);
}

Test(lane_failures, while_a_commit_is_being_settled_the_queue_is_not_kept_waiting)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = leave_at_second;
    const struct command_request *add = when(A, story_add());
    story_start();
    WAIT_UNTIL(story.downs == 1, "the store is not missed");
    const struct command_request *queued = when(B, story_add());
    story_wait();
    story_stop();
    then_status(add, STATUS_UNCERTAIN);
    then_status(queued, STATUS_UNAVAILABLE);
    cr_expect(is_answered_before(queued, add));
}

static void return_at_third(struct fake_store *fake, size_t call)
{
    fake->is_gone = call == 1 || call == 2;
}

Test(lane_failures, a_commit_is_settled_when_the_store_comes_back_in_time)
{
    story.store.appends[0] = FAKE_DONE_UNKNOWN;
    story.store.on_connect = return_at_third;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_version(a, 2);
    then_log_has(3);
    cr_expect_eq(story.store.connect_calls, 4);
}

Test(lane_failures, an_uncertain_commit_stays_uncertain_when_the_retry_fails_for_good)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.appends[1] = FAKE_INTERNAL;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_UNCERTAIN);
}

Test(lane_failures, an_uncertain_commit_of_which_nothing_stands_in_the_way_of_a_repeat_is_uncertain)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.appends[1] = FAKE_CONFLICTS;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_UNCERTAIN);
    then_log_has(2);
}

static void put_another_in_the_place_of_b(struct fake_store *fake, size_t call)
{
    if (call == 1)
        fake_find(fake, &B, 2)->event.event_id = uuid_v7_now();
}

Test(lane_failures, a_transaction_of_which_a_part_is_in_the_log_is_not_called_committed)
{
    story.store.appends[0] = FAKE_DONE_UNKNOWN;
    story.store.before_append = put_another_in_the_place_of_b;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_status(a, STATUS_UNCERTAIN);
    then_status(b, STATUS_UNCERTAIN);
}

static void fail_a_read_at_second(struct fake_store *fake, size_t call)
{
    if (call == 1)
        fake->reads_failing = 1;
}

Test(lane_failures, a_commit_is_settled_when_the_first_question_about_it_fails)
{
    story.store.appends[0] = FAKE_DONE_UNKNOWN;
    story.store.before_append = fail_a_read_at_second;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_version(a, 2);
    then_log_has(3);
    cr_expect_eq(story.store.find_calls, 4);
}

static void write_a_and_refuse_versions(struct fake_store *fake, size_t call)
{
    (void)call;
    fake_added(fake, A);
    fake->versions_answer = STATUS_INTERNAL;
}

Test(lane_failures, a_conflict_that_cannot_be_looked_into_is_internal)
{
    story.store.before_append = write_a_and_refuse_versions;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_INTERNAL);
    cr_expect_eq(story.store.append_calls, 1);
}

static const struct command_request *hurried;

static void wait_until_left_ms(int milliseconds)
{
    while (hurried->deadline_us > clock_deadline_us(milliseconds))
        usleep(1000);
}

static void load_slowly(struct fake_store *fake, size_t call)
{
    (void)fake, (void)call;
    wait_until_left_ms(LANE_APPEND_MINIMUM_MS);
}

Test(lane_failures, a_read_that_leaves_no_time_to_append_ends_in_unavailable)
{
    story.store.before_load = load_slowly;
    hurried = when(A, story_add());
    story_run();
    then_status(hurried, STATUS_UNAVAILABLE);
    cr_expect_eq(story.store.load_calls, 1);
    cr_expect_eq(story.store.append_calls, 0);
}

static void write_a_and_leave_with_b(struct fake_store *fake, size_t call)
{
    if (call == 0)
        fake_added(fake, A);
    else
        fake->is_gone = true;
}

Test(lane_failures, a_command_to_be_decided_again_is_refused_when_the_store_goes_meanwhile)
{
    story.store.before_append = write_a_and_leave_with_b;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_status(a, STATUS_UNAVAILABLE);
    then_status(b, STATUS_UNAVAILABLE);
    cr_expect_leq(connects_between(b, a), 1, "at once: it waits for no other attempt");
}

static void refuse_to_look_at_second(struct fake_store *fake, size_t call)
{
    fake->find_answer = call == 0 ? STATUS_OK : STATUS_INTERNAL;
}

Test(lane_failures, after_a_reconnect_nothing_is_appended_without_the_carts_last_events)
{
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = refuse_to_look_at_second;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_UNCERTAIN);
    cr_expect_eq(story.store.append_calls, 1);
}

static void write_a_before_each(struct fake_store *fake, size_t call)
{
    (void)call;
    fake_elsewhere(fake, A, EVENT_ITEM_QUANTITY_CHANGED,
                   fake_version(fake, &A) % 2 == 0
                       ? "{\"sku\":\"cup\",\"quantity\":2,\"previousQuantity\":1}"
                       : "{\"sku\":\"cup\",\"quantity\":1,\"previousQuantity\":2}");
}

static void write_a_and_use_up_the_time_with_the_last_clash(struct fake_store *fake, size_t call)
{
    if (call + 1 == LANE_CLASHES_MAX)
        wait_until_left_ms(LANE_MINIMUM_MS - 1);
    write_a_before_each(fake, call);
}

Test(lane_failures, nothing_is_held_for_a_command_that_has_no_time_left)
{
    fake_added(&story.store, A);
    story.store.before_append = write_a_and_use_up_the_time_with_the_last_clash;
    hurried = when(A, story_add());
    story_run();
    then_status(hurried, STATUS_UNAVAILABLE);
    cr_expect_eq(story.store.append_calls, LANE_CLASHES_MAX);
    cr_expect_eq(story.store.hold_calls, 0);
}

Test(lane_failures, a_partition_that_cannot_be_held_leaves_nothing)
{
    fake_added(&story.store, A);
    story.store.before_append = write_a_before_each;
    story.store.hold_answer = STATUS_INTERNAL;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_INTERNAL);
    cr_expect_eq(story.store.hold_calls, 1);
}

static void forget_a_at_second(struct fake_store *fake, size_t call)
{
    if (call != 1)
        return;
    for (size_t i = 0; i < fake->event_count; i++)
        if (fake->events[i].event.version == 2)
            fake->events[i].event.cart.cart_id.bytes[0] = 99;
}

Test(lane_failures, nothing_is_appended_behind_a_hole_when_the_log_went_back)
{
    fake_added(&story.store, A);
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = forget_a_at_second;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_version(a, 2);
    then_version(b, 2);
}

static void replace_a_at_second(struct fake_store *fake, size_t call)
{
    forget_a_at_second(fake, call);
    if (call == 1)
        fake_elsewhere(fake, A, EVENT_CART_CANCELLED, "{}");
}

Test(lane_failures, nothing_is_appended_behind_an_event_that_another_has_taken_the_place_of)
{
    fake_added(&story.store, A);
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = replace_a_at_second;
    const struct command_request *a = when(A, story_add());
    const struct command_request *b = when(B, story_add());
    story_run();
    then_refused(a, CART_REFUSED_CLOSED, 2);
    then_version(b, 2);
}

/* The lane knows the events that it appended itself as well as those that it read. */
Test(lane_failures, nothing_is_appended_behind_an_event_of_its_own_that_is_gone)
{
    story.store.appends[1] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = replace_a_at_second;
    when(A, story_add());
    story_start();
    story_wait();
    const struct command_request *a = when(A, story_add());
    story_wait();
    story_stop();
    then_refused(a, CART_REFUSED_CLOSED, 2);
}

static void forget_a_and_do_not_look_at_second(struct fake_store *fake, size_t call)
{
    forget_a_at_second(fake, call);
    fake->find_answer = call == 0 ? STATUS_OK : STATUS_UNAVAILABLE;
}

Test(lane_failures, nothing_is_appended_behind_a_hole_that_cannot_be_seen)
{
    fake_added(&story.store, A);
    story.store.appends[0] = FAKE_UNDONE_UNKNOWN;
    story.store.on_connect = forget_a_and_do_not_look_at_second;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_status(a, STATUS_UNCERTAIN);
    cr_expect_eq(story.store.append_calls, 1);
}

Test(lane_failures, a_read_that_lost_its_connection_is_made_again)
{
    story.store.reads_failing = 1;
    const struct command_request *a = when(A, story_add());
    story_run();
    then_version(a, 2);
}

Test(lane_failures, carts_cached_before_a_reconnect_are_read_again)
{
    when(A, story_add());
    story_start();
    story_wait();
    story.store.is_gone = true;
    const struct command_request *down = when(A, story_add());
    story_wait();
    story.store.is_gone = false;
    WAIT_UNTIL(story.ups == 2, "the store is not found again");
    const struct command_request *up = when(A, story_add());
    story_wait();
    story_stop();
    then_status(down, STATUS_UNAVAILABLE);
    then_version(up, 3);
    cr_expect_eq(story.store.load_calls, 2);
}

Test(lane_failures, while_the_store_is_gone_commands_are_refused_at_once_and_work_when_it_is_back)
{
    enum { ATTEMPTS = 4 };
    size_t commands = 0;
    story.store.is_gone = true;
    story_start();
    for (; story.store.connect_calls < ATTEMPTS; commands++) {
        const struct command_request *refused = when(A, story_add());
        story_wait();
        then_status(refused, STATUS_UNAVAILABLE);
        usleep(LANE_PROBE_MS / 15 * 1000);
    }
    cr_expect_gt(commands, 2 * ATTEMPTS,
                 "a command neither waits for an attempt to reach the store nor causes one");
    story.store.is_gone = false;
    WAIT_UNTIL(story.ups == 1, "the store is not found again");
    const struct command_request *accepted = when(A, story_add());
    story_wait();
    story_stop();
    then_version(accepted, 2);
    cr_expect_eq(story.downs, 1, "said once");
    cr_expect_eq(story.ups, 1);
}

Test(lane_failures, an_idle_lane_notices_that_the_store_is_gone)
{
    story_start();
    WAIT_UNTIL(story.ups == 1, "the store is not reached");
    story.store.is_gone = true;
    WAIT_UNTIL(story.downs == 1, "the store is not missed");
    story_stop();
}
