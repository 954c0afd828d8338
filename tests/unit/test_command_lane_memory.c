/* Given a lane, when any one allocation of a batch fails, then the command is answered as done or
 * as not done, never as impossible, and the next one finds the cart whole. */
#include "failing_memory.h"
#include "lane_story.h"

static int nth;
static bool has_failed;

/* Both on the lane's thread, which alone runs short. */
static void run_short_of_memory(struct fake_store *fake, size_t call)
{
    (void)fake;
    if (call == 0)
        allocations_until_failure = nth;
}

static void answered(struct command_request *request)
{
    has_failed = allocations_until_failure < 0;
    allocations_until_failure = -1;
    story_done(request);
}

static void then_done_or_not_done(struct cart_key cart, struct cart_command command)
{
    const struct cart_key read = fake_cart(9); /* in any case */
    fake_created(&story.store, read);
    story.store.before_load = run_short_of_memory;
    story_begin();
    when(read, story_add());
    struct command_request *first = when(cart, command);
    first->done = answered;
    story_start();
    story_wait();
    const struct command_request *next = when(cart, story_add());
    story_wait();
    story_stop();
    if (!has_failed || first->outcome.status != STATUS_UNAVAILABLE)
        then_status(first, STATUS_OK);
    then_status(next, STATUS_OK);
    for (size_t i = 0; i < story.request_count; i++)
        free(story.requests[i].outcome.events);
    memset(&story, 0, sizeof(story));
}

Test(lane_memory, a_cart_that_could_not_be_read_is_read_again)
{
    const struct cart_key cart = fake_cart(1);
    has_failed = true;
    for (nth = 0; has_failed; nth++) {
        fake_created(&story.store, cart);
        fake_added(&story.store, cart);
        then_done_or_not_done(cart, story_add());
    }
    cr_expect_gt(nth, 5);
}

Test(lane_memory, a_creation_that_could_not_be_written_may_come_again)
{
    const struct cart_key cart = fake_cart(1);
    for (int is_there = 0; is_there < 2; is_there++) {
        has_failed = true;
        for (nth = 0; has_failed; nth++) {
            if (is_there)
                fake_created(&story.store, cart);
            then_done_or_not_done(cart, story_create());
        }
        cr_expect_gt(nth, 5);
    }
}

Test(lane_memory, a_merge_of_a_source_that_could_not_be_read_may_come_again)
{
    const struct cart_key target = fake_cart(1);
    const struct cart_key source = fake_cart(2);
    has_failed = true;
    for (nth = 0; has_failed; nth++) {
        fake_created(&story.store, target);
        fake_created(&story.store, source);
        fake_added(&story.store, source);
        then_done_or_not_done(target, story_merge(target, source));
    }
    cr_expect_gt(nth, 5);
}
