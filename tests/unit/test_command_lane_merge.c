/* The lane when a command spans two carts, which others may write too. */
#include "lane_story.h"

#include <stdio.h>

static struct cart_key A; /* the target */
static struct cart_key B; /* the source, in another partition */
static struct cart_key C;

static void begin(void)
{
    A = fake_cart(1);
    for (uint8_t number = 2; B.partition == A.partition || number == 2; number++)
        B = fake_cart(number);
    C = fake_cart(99);
    story_begin();
}

TestSuite(lane_merge, .init = begin, .timeout = 20);

static struct command_request *when_merged(void)
{
    return when(A, story_merge(A, B));
}

static void given_both(void)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    fake_added(&story.store, B);
}

/* The source's last event, right after the one that the target's event says it had. */
static void then_merged_away(int32_t version)
{
    const struct fake_event *away = fake_find(&story.store, &B, version);
    cr_assert_not_null(away);
    cr_expect_eq(away->event.type, EVENT_CART_MERGED_AWAY);
    cr_expect_eq(fake_version(&story.store, &B), version);
    char expected[64];
    snprintf(expected, sizeof(expected), "\"sourceVersion\":%d,", (int)version - 1);
    const struct fake_event *merged = fake_find(&story.store, &A, fake_version(&story.store, &A));
    cr_expect_eq(merged->event.type, EVENT_CART_MERGED);
    cr_expect_not_null(strstr(merged->data, expected), "%s", merged->data);
}

Test(lane_merge, both_streams_are_appended_together_and_the_answer_is_the_targets)
{
    given_both();
    const struct command_request *merge = when_merged();
    story_run();
    then_version(merge, 2);
    cr_expect_eq(merge->outcome.events[0].type, EVENT_CART_MERGED);
    then_merged_away(3);
    then_log_has(5);
    cr_expect_eq(story.store.append_calls, 1);
    cr_expect_eq(story.store.load_calls, 1, "one question for both");
    cr_expect_eq(story.commits, 1);
}

Test(lane_merge, carts_that_were_there_already_are_read_once_their_creation_has_clashed)
{
    given_both();
    const struct command_request *source = when(B, story_create());
    const struct command_request *merge = when_merged();
    const struct command_request *target = when(A, story_create());
    const struct command_request *other = when(C, story_create());
    story_run();
    then_refused(source, CART_ACCEPTED, 2);
    then_version(merge, 2);
    then_refused(target, CART_ACCEPTED, 2);
    then_version(other, 1);
    then_merged_away(3);
    then_log_has(6);
}

Test(lane_merge, commands_of_one_batch_see_it_on_both_carts)
{
    given_both();
    const struct command_request *before = when(B, story_add());
    const struct command_request *merge = when_merged();
    const struct command_request *after = when(B, story_add());
    const struct command_request *target = when(A, story_remove("cup"));
    const struct command_request *again = when_merged();
    story_run();
    then_version(before, 3);
    then_version(merge, 2);
    then_refused(after, CART_REFUSED_CLOSED, 4);
    cr_expect_eq(after->outcome.cart_status, CART_MERGED);
    then_version(target, 3);
    then_refused(again, CART_REFUSED_CLOSED, 3);
    cr_expect_eq(again->outcome.cart_status, CART_MERGED, "the source's");
    cr_expect_eq(story.store.append_calls, 1);
}

Test(lane_merge, refusals_change_neither_cart)
{
    fake_created(&story.store, A);
    const struct command_request *missing = when_merged();
    const struct command_request *itself = when(A, story_merge(A, A));
    struct command_request *condition = when_merged();
    condition->condition = (struct cart_condition){.given = true, .tags = STR_LITERAL("\"7\"")};
    story_run();
    then_refused(missing, CART_REFUSED_NOT_FOUND, 1);
    then_refused(itself, CART_REFUSED_MERGE_WITH_ITSELF, 1);
    then_refused(condition, CART_REFUSED_VERSION_MISMATCH, 1);
    cr_expect_eq(story.store.append_calls, 0);
}

static void write_b_before_first(struct fake_store *fake, size_t call)
{
    if (call == 0)
        fake_elsewhere(fake, B, EVENT_ITEM_QUANTITY_CHANGED,
                       "{\"sku\":\"cup\",\"quantity\":9,\"previousQuantity\":1}");
}

Test(lane_merge, a_source_written_elsewhere_takes_the_target_with_it_and_no_other_cart)
{
    given_both();
    fake_created(&story.store, C);
    story.store.before_append = write_b_before_first;
    const struct command_request *first = when(A, story_add());
    const struct command_request *other = when(C, story_add());
    const struct command_request *merge = when_merged();
    const struct command_request *last = when(A, story_set(5));
    story_run();
    then_version(other, 2);
    then_version(first, 2);
    then_version(merge, 3);
    then_version(last, 4);
    cr_expect_eq(story.order[0], 1, "the other cart did not wait");
    cr_expect_eq(fake_find(&story.store, &B, 4)->event.type, EVENT_CART_MERGED_AWAY);
    cr_expect_not_null(strstr(fake_find(&story.store, &A, 3)->data,
                              "\"sku\":\"cup\",\"name\":\"A cup\",\"quantity\":9"));
    then_log_has(4 + 1 + 1 + 4);
    cr_expect_eq(story.store.append_sizes[0], 5);
    cr_expect_eq(story.store.append_sizes[1], 1, "the other cart's");
    cr_expect_eq(story.store.append_sizes[2], 4);
    cr_expect_eq(merge->attempts, 1);
    cr_expect_eq(first->attempts, 1);
}

static void write_a_before_first(struct fake_store *fake, size_t call)
{
    if (call == 0)
        fake_added(fake, A);
}

Test(lane_merge, a_target_written_elsewhere_takes_the_source_with_it)
{
    given_both();
    story.store.before_append = write_a_before_first;
    const struct command_request *merge = when_merged();
    const struct command_request *late = when(B, story_add());
    story_run();
    then_version(merge, 3);
    then_merged_away(3);
    then_refused(late, CART_REFUSED_CLOSED, 3);
    then_log_has(6);
}

static void cancel_b_before_first(struct fake_store *fake, size_t call)
{
    if (call == 0)
        fake_elsewhere(fake, B, EVENT_CART_CANCELLED, "{}");
}

Test(lane_merge, a_source_closed_elsewhere_meanwhile_refuses_it)
{
    given_both();
    story.store.before_append = cancel_b_before_first;
    const struct command_request *merge = when_merged();
    story_run();
    then_refused(merge, CART_REFUSED_CLOSED, 1);
    cr_expect_eq(merge->outcome.cart_status, CART_CANCELLED);
    cr_expect_eq(fake_version(&story.store, &A), 1);
}

/* While the lane appends, the source comes into being and two commands come that make one batch. */
static void create_b_and_ask_again(struct fake_store *fake, size_t call)
{
    if (call > 0)
        return;
    fake_created(fake, B);
    when(A, story_add());
    when_merged();
}

Test(lane_merge, a_refusal_that_rests_on_a_stale_source_is_not_given)
{
    fake_created(&story.store, A);
    fake_created(&story.store, C);
    const struct command_request *early = when_merged();
    story_start();
    story_wait();
    story.store.before_append = create_b_and_ask_again;
    when(C, story_add());
    story_wait();
    story_stop();
    then_refused(early, CART_REFUSED_NOT_FOUND, 1);
    then_version(&story.requests[2], 2);
    then_version(&story.requests[3], 3);
    then_merged_away(2);
    then_log_has(7);
    cr_expect_eq(story.requests[2].attempts, 0, "nobody has won a race");
}

static void write_b_before_each(struct fake_store *fake, size_t call)
{
    (void)call;
    fake_elsewhere(fake, B, EVENT_ITEM_QUANTITY_CHANGED,
                   fake_version(fake, &B) % 2 == 0
                       ? "{\"sku\":\"cup\",\"quantity\":2,\"previousQuantity\":1}"
                       : "{\"sku\":\"cup\",\"quantity\":1,\"previousQuantity\":2}");
}

Test(lane_merge, a_source_that_another_lane_writes_all_the_time_is_held_in_the_end)
{
    given_both();
    story.store.before_append = write_b_before_each;
    const struct command_request *merge = when_merged();
    story_run();
    then_version(merge, 2);
    then_merged_away(5);
    cr_expect_eq(merge->attempts, LANE_CLASHES_MAX);
    cr_expect_eq(story.store.hold_calls, 1);
}

Test(lane_merge, a_commit_that_happened_unseen_is_answered_once)
{
    given_both();
    story.store.appends[0] = FAKE_DONE_UNKNOWN;
    const struct command_request *merge = when_merged();
    story_run();
    then_version(merge, 2);
    then_merged_away(3);
    then_log_has(5);
    cr_expect_eq(story.store.find_calls, 2);
}

Test(lane_merge, a_refusal_that_rests_on_a_source_that_could_not_be_appended_is_not_given)
{
    given_both();
    for (int i = 0; i < LANE_FAILURES_MAX; i++)
        story.store.appends[i] = FAKE_UNAVAILABLE;
    const struct command_request *cancel = when(B, story_cancel());
    const struct command_request *merge = when_merged();
    story_start();
    story_wait();
    const struct command_request *later = when_merged();
    story_wait();
    story_stop();
    then_status(cancel, STATUS_UNAVAILABLE);
    then_status(merge, STATUS_UNAVAILABLE);
    then_version(later, 2);
    then_merged_away(3);
}

Test(lane_merge, a_source_whose_log_cannot_be_read_harms_nothing_but_the_merge)
{
    fake_created(&story.store, A);
    fake_created(&story.store, B);
    fake_elsewhere(&story.store, B, EVENT_TYPE_COUNT, "{}");
    const struct command_request *merge = when_merged();
    const struct command_request *add = when(A, story_add());
    story_run();
    then_status(merge, STATUS_INTERNAL);
    then_version(add, 2);
}

Test(lane_merge, a_chain_of_merges_is_one_batch)
{
    given_both();
    fake_created(&story.store, C);
    const struct command_request *first = when_merged();
    const struct command_request *second = when(C, story_merge(C, A));
    const struct command_request *third = when(B, story_merge(B, C));
    story_run();
    then_version(first, 2);
    then_version(second, 2);
    then_refused(third, CART_REFUSED_CLOSED, 3);
    cr_expect_eq(fake_find(&story.store, &A, 3)->event.type, EVENT_CART_MERGED_AWAY);
    cr_expect_not_null(strstr(fake_find(&story.store, &C, 2)->data, "\"sourceVersion\":2"));
    cr_expect_eq(story.store.append_calls, 1);
}

Test(lane_merge, it_waits_for_a_source_that_is_read_piece_by_piece)
{
    given_both();
    for (int i = 0; i < 4; i++)
        fake_elsewhere(&story.store, B, EVENT_ITEM_QUANTITY_CHANGED,
                       i % 2 == 0 ? "{\"sku\":\"cup\",\"quantity\":2,\"previousQuantity\":1}"
                                  : "{\"sku\":\"cup\",\"quantity\":1,\"previousQuantity\":2}");
    story.store.cart_rows_max = 2;
    const struct command_request *merge = when_merged();
    story_run();
    then_version(merge, 2);
    then_merged_away(7);
    cr_expect_eq(story.store.append_calls, 1);
    cr_expect_gt(story.store.load_calls, 2);
}

Test(lane_merge, a_full_batch_of_merges_of_separate_carts_is_taken)
{
    for (int i = 0; i < 250; i++)
        fake_created(&story.store, fake_cart((uint8_t)i));
    for (int i = 0; i < 250; i += 2)
        when(fake_cart((uint8_t)i),
             story_merge(fake_cart((uint8_t)i), fake_cart((uint8_t)(i + 1))));
    story_run();
    for (int i = 0; i < 125; i++)
        then_version(&story.requests[i], 2);
    then_log_has(500);
}
