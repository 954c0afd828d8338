#include "relay_story.h"

/* Who leads, and where it goes on. */
TestSuite(relay, .init = set_up, .fini = tear_down, .timeout = 30);

static void answer_topic(enum status status)
{
    fake_lock(fake);
    fake->topic_answer = status;
    fake_unlock(fake);
}

static void wait_for_a_turn(void)
{
    int64_t begin_us = clock_monotonic_us();
    while (atomic_load(&relay_stats(relay)->turned_at_us) <= begin_us) {
        cr_assert_lt(clock_monotonic_us(), begin_us + 5 * (int64_t)MICROSECONDS_PER_SECOND);
        usleep(1000);
    }
}

/* This is the service manager's only sign that the relay does not hang. */
Test(relay, given_a_topic_or_a_log_out_of_reach_then_it_still_turns)
{
    start();
    wait_state(RELAY_PUBLISHING);
    wait_for_a_turn();
    fake_lock(fake);
    fake->topic_answer = STATUS_UNAVAILABLE;
    fake->session = false;
    fake_unlock(fake);
    wait_state(RELAY_TOPIC_UNREACHABLE);
    wait_for_a_turn();
    fake_lock(fake);
    fake->lead_answer = STATUS_UNAVAILABLE;
    fake->session = false;
    fake_unlock(fake);
    wait_state(RELAY_LOG_UNREACHABLE);
    wait_for_a_turn();
}

Test(relay, given_an_empty_topic_when_it_leads_then_everything_is_published_in_order)
{
    append(0, 2500);
    append(1, 3);
    start();
    wait_published(0, 2500);
    wait_published(1, 3);
    expect_records(0, 0, 1, 2500);
    expect_records(1, 0, 1, 3);
    wait_state(RELAY_PUBLISHING);
    cr_assert_eq(atomic_load(&relay_stats(relay)->delivered_total), 2503);
    cr_assert_eq(atomic_load(&relay_stats(relay)->leading), 1);
}

Test(relay, given_a_topic_that_has_the_beginning_when_it_leads_then_it_goes_on_after_it)
{
    append(0, 10);
    for (int64_t position = 1; position <= 4; position++)
        fake_write(fake, 0, position, fake_id(0, 0, position));
    start();
    wait_published(0, 10);
    expect_records(0, 0, 1, 10);
}

Test(relay, given_a_leader_when_events_are_appended_then_they_follow_with_and_without_a_wake)
{
    start();
    wait_state(RELAY_PUBLISHING);
    append(1, 1);
    wait_published(1, 1);
    for (int i = 2; i <= 50; i++) {
        append(1, 1);
        relay_wake(relay, 1);
        wait_published(1, i);
    }
    expect_records(1, 0, 1, 50);
}

/* One append after the other, each of so many events and commands; for how many milliseconds. */
static int64_t publish_appends_of(int events_each, size_t commands_each)
{
    enum { APPENDS = 400, APPEND_US = 250 };
    start();
    wait_state(RELAY_PUBLISHING);
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < APPENDS; i++) {
        append(1, events_each);
        relay_wake(relay, commands_each);
        usleep(APPEND_US);
    }
    wait_published(1, APPENDS * events_each);
    int64_t took_ms = (clock_monotonic_us() - begin_us) / MICROSECONDS_PER_MILLISECOND;
    expect_records(1, 0, 1, APPENDS * events_each);
    return took_ms;
}

Test(relay, given_a_leader_when_events_come_one_by_one_then_they_are_published_some_at_a_time)
{
    int64_t took_ms = publish_appends_of(1, 1);
    /* Nothing rests after the first one, and the last one comes before its rest has passed. */
    cr_assert_leq(see(fake->pages), took_ms / RELAY_GATHER_MS + 2, "%d pages in %ld ms",
                  see(fake->pages), (long)took_ms);
}

Test(relay, given_a_leader_when_appends_answer_many_commands_then_more_of_them_gather)
{
    enum { COMMANDS = 20, GATHER_MS = COMMANDS * COMMANDS * RELAY_GATHER_US / 1000 };
    int64_t took_ms = publish_appends_of(1, COMMANDS);
    cr_assert_leq(see(fake->pages), took_ms / GATHER_MS + 2, "%d pages in %ld ms", see(fake->pages),
                  (long)took_ms);
}

/* The relay's rests, counted when they begin. Nothing else here calls nanosleep(). */
static _Atomic int64_t rested_ms;
static _Atomic int64_t longest_rest_ms;
static _Atomic int64_t rests;

int __real_nanosleep(const struct timespec *pause, struct timespec *ret_left);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *ret_left);

int __wrap_nanosleep(const struct timespec *pause, struct timespec *ret_left)
{
    int64_t rest_ms = pause->tv_sec * 1000 + pause->tv_nsec / 1000000;
    rested_ms += rest_ms;
    if (rest_ms > longest_rest_ms)
        longest_rest_ms = rest_ms;
    rests++;
    return __real_nanosleep(pause, ret_left);
}

/* How long it rested from one append of so many events and commands to the delivery of the one
 * after it, however slow the machine is. */
static int64_t ms_rested_to_the_next_one(int events, size_t commands)
{
    start();
    wait_state(RELAY_PUBLISHING);
    append(1, 1);
    wait_published(1, 1);
    int64_t before_ms = rested_ms;
    append(1, events);
    relay_wake(relay, commands);
    wait_published(1, 1 + events);
    append(1, 1);
    relay_wake(relay, 1);
    wait_published(1, 2 + events);
    return rested_ms - before_ms;
}

/* Each append has a page of its own, so that its rest is what it alone answered. */
Test(relay, given_appends_that_come_one_by_one_then_each_is_rested_for_by_its_own_commands)
{
    enum { COMMANDS = 40, REST_MS = COMMANDS * COMMANDS * RELAY_GATHER_US / 1000, APPENDS = 12 };
    start();
    wait_state(RELAY_PUBLISHING);
    append(1, 1);
    wait_published(1, 1);
    int64_t before_ms = rested_ms;
    for (int i = 0; i < APPENDS; i++) {
        append(1, 1);
        relay_wake(relay, COMMANDS);
        wait_published(1, 2 + i);
        usleep(2 * REST_MS * 1000);
    }
    int64_t each_ms = (rested_ms - before_ms) / APPENDS;
    cr_assert_geq(each_ms, REST_MS / 2, "%ld ms", (long)each_ms);
    cr_assert_leq(each_ms, REST_MS * 5 / 4, "%ld ms", (long)each_ms);
}

Test(relay, given_one_command_of_many_events_when_it_is_published_then_nothing_rests_for_it)
{
    int64_t ms = ms_rested_to_the_next_one(RELAY_PAGE_EVENTS - 1, 1);
    cr_assert_leq(ms, 4 * RELAY_GATHER_MS, "%ld ms", (long)ms); /* and of four pages at most */
}

Test(relay, given_an_append_that_answered_very_many_commands_then_the_next_event_is_not_far)
{
    enum { COMMANDS = RELAY_PAGE_EVENTS - 1 };
    int64_t ms = ms_rested_to_the_next_one(COMMANDS, COMMANDS);
    cr_assert_leq(ms, 3 * RELAY_GATHER_MAX_MS, "%ld ms", (long)ms); /* of three pages at most */
}

/* The best of three: what rests after a delivery that we see late is not one before it. */
Test(relay, given_a_leader_that_rests_then_deliveries_are_still_counted)
{
    enum { COMMANDS = RELAY_PAGE_EVENTS - 1, TRIES = 3 };
    int64_t least = INT64_MAX;
    start();
    wait_state(RELAY_PUBLISHING);
    append(1, 1);
    wait_published(1, 1); /* nothing rests before a partition's first delivery */
    for (int i = 2; i <= 1 + TRIES; i++) {
        hold_deliveries(true);
        append(1, 1);
        relay_wake(relay, COMMANDS);
        wait_in_flight(1);
        int64_t before = rests;
        hold_deliveries(false);
        wait_published(1, i);
        int64_t begun = rests - before;
        least = begun < least ? begun : least;
    }
    cr_assert_leq(least, 1, "%ld rests begun before a delivery was counted", (long)least);
    cr_assert_leq(longest_rest_ms, RELAY_POLL_MS, "a rest of %ld ms", (long)longest_rest_ms);
    cr_assert_gt(rested_ms, RELAY_GATHER_MAX_MS / 2, "it rests after each of them");
}

Test(relay, given_another_leader_when_it_follows_then_it_publishes_nothing_and_watches)
{
    fake->lead_answer = STATUS_CONFLICT;
    append(0, 5);
    fake_write(fake, 0, 1, fake_id(0, 0, 1));
    start();
    wait_state(RELAY_FOLLOWING);
    wait_published(0, 1);
    cr_assert_eq(record_count(0), 1);
    cr_assert_eq(atomic_load(&relay_stats(relay)->leading), 0);

    fake_lock(fake);
    fake->lead_answer = STATUS_OK;
    fake_unlock(fake);
    wait_published(0, 5);
    expect_records(0, 0, 1, 5);
}

Test(relay, given_a_follower_that_cannot_see_what_is_published_then_it_follows)
{
    fake->lead_answer = STATUS_CONFLICT;
    fake->ends_answer = STATUS_UNAVAILABLE;
    append(0, 5);
    fake_write(fake, 0, 1, fake_id(0, 0, 1));
    start();
    wait_published(0, 1);
    cr_assert_eq(atomic_load(&relay_stats(relay)->lag_events), 0, "not known");
    answer_topic(STATUS_UNAVAILABLE);
    usleep((RELAY_WATCH_MS + RELAY_FOLLOW_MS) * 1000);
    cr_assert_eq(atomic_load(&relay_stats(relay)->state), RELAY_FOLLOWING);
    fake_lock(fake);
    fake->ends_answer = fake->topic_answer = STATUS_OK;
    fake_unlock(fake);
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->lag_events) == 4, "the lag is not known");
}

Test(relay, given_a_topic_with_another_event_at_its_end_when_it_leads_then_nothing_is_mixed)
{
    append(0, 5);
    fake_write(fake, 0, 3, fake_id(77, 0, 3));
    start();
    wait_state(RELAY_DIVERGED);
    usleep(QUIET_MS * 1000);
    cr_assert_eq(record_count(0), 1);
    cr_assert(!see(fake->open));
}

Test(relay, given_a_topic_that_goes_beyond_the_log_when_it_leads_then_nothing_is_mixed)
{
    append(0, 5);
    fake_write(fake, 0, 6, fake_id(0, 0, 6));
    start();
    wait_state(RELAY_DIVERGED);
    cr_assert_eq(record_count(0), 1);
}

Test(relay, given_no_topic_when_it_is_created_then_everything_is_published)
{
    fake->topic_answer = STATUS_NOT_FOUND;
    append(0, 3);
    start();
    wait_state(RELAY_TOPIC_MISSING);
    fake_lock(fake);
    fake->topic_answer = STATUS_OK;
    fake_unlock(fake);
    wait_published(0, 3);
    wait_state(RELAY_PUBLISHING);
}

Test(relay, given_a_topic_with_another_number_of_partitions_then_nothing_is_published)
{
    fake->topic_answer = STATUS_CONFLICT;
    append(0, 3);
    start();
    wait_state(RELAY_TOPIC_UNFIT);
    cr_assert_eq(record_count(0), 0);
}

Test(relay, given_an_idle_topic_when_it_is_re_created_then_everything_is_published_again)
{
    append(0, 20);
    append(1, 5);
    start();
    wait_published(0, 20);
    wait_published(1, 5);
    fake_lock(fake);
    fake_wipe(fake);
    fake_unlock(fake);
    wait_restart();
    wait_delivered(50);
    expect_records(0, 0, 1, 20);
    expect_records(1, 0, 1, 5);
}

Test(relay, given_an_idle_topic_when_it_is_deleted_or_changed_then_it_says_so_and_goes_on_later)
{
    append(0, 3);
    start();
    wait_published(0, 3);
    answer_topic(STATUS_NOT_FOUND);
    wait_state(RELAY_TOPIC_MISSING);
    answer_topic(STATUS_OK);
    append(0, 1);
    wait_published(0, 4);
    answer_topic(STATUS_CONFLICT);
    wait_state(RELAY_TOPIC_UNFIT);
    expect_records(0, 0, 1, 4);
}

Test(relay, given_a_topic_that_refuses_an_event_for_good_then_it_starts_again)
{
    fake->send_answer = STATUS_INTERNAL;
    append(0, 3);
    start();
    wait_restart();
    cr_assert_eq(record_count(0), 0);
}

static atomic_int times_publishing;

static void count_publishing(void *context, enum relay_state state, bool ok, const char *detail)
{
    (void)context, (void)ok, (void)detail;
    times_publishing += state == RELAY_PUBLISHING;
}

Test(relay, given_a_topic_that_refuses_an_event_then_it_publishes_when_that_was_taken)
{
    options.on_state = count_publishing;
    fake->send_answer = STATUS_INVALID;
    append(0, 3);
    start();
    wait_state(RELAY_REFUSED);
    int times_before = times_publishing;
    WAIT_UNTIL(see(fake->opens) >= 2, "it is not tried again");
    wait_state(RELAY_REFUSED);
    cr_assert_eq(times_publishing, times_before, "nothing was published");
    fake_lock(fake);
    fake->send_answer = STATUS_OK;
    fake_unlock(fake);
    wait_state(RELAY_PUBLISHING);
    wait_published(0, 3);
}

Test(relay, given_a_producer_that_has_given_up_then_another_one_is_opened)
{
    append(0, 3);
    start();
    wait_published(0, 3);
    fake_lock(fake);
    fake->serve_answer = STATUS_INTERNAL;
    fake_unlock(fake);
    wait_restart();
    fake_lock(fake);
    fake->serve_answer = STATUS_OK;
    fake->log_end[0] = 4;
    fake_unlock(fake);
    wait_published(0, 4);
    expect_records(0, 0, 1, 4);
    cr_assert_geq(see(fake->opens), 2);
}

Test(relay, given_producers_that_give_up_one_after_another_then_it_does_not_say_that_it_publishes)
{
    append(0, 3);
    start();
    wait_published(0, 3);
    fake_lock(fake);
    fake->serve_answer = STATUS_INTERNAL;
    fake->log_end[0] = 4;
    fake_unlock(fake);
    wait_state(RELAY_STALLED);
    cr_assert_geq(see(fake->opens), 3);
    fake_lock(fake);
    fake->serve_answer = STATUS_OK;
    fake_unlock(fake);
    wait_state(RELAY_PUBLISHING);
    wait_published(0, 4);
}

Test(relay, given_deliveries_without_their_offsets_then_they_count)
{
    fake->hide_offsets = true;
    append(0, 3);
    start();
    wait_published(0, 3);
    append(0, 2);
    wait_published(0, 5);
}

Test(relay, given_a_delivery_of_another_position_than_the_next_then_it_is_not_believed)
{
    fake->skewed_position = 2;
    append(0, 3);
    start();
    wait_restart();
    cr_assert_leq(relay_published_position(relay, 0), 3);
}

Test(relay, given_events_on_their_way_when_the_topic_is_re_created_then_it_starts_again)
{
    append(0, 20);
    start();
    wait_published(0, 20);
    fake_lock(fake);
    fake->hold = true;
    fake->log_end[0] += 5;
    fake_unlock(fake);
    usleep(QUIET_MS * 1000);
    fake_lock(fake);
    fake_wipe(fake);
    fake->hold = false;
    fake_unlock(fake);
    /* 21 to 25 come first. The fake finds its end after them, unlike a topic without its beginning
     * (publisher_kafka.c). What matters here is that their delivery is not believed. */
    wait_restart();
}

Test(relay, given_a_leader_when_the_session_ends_then_it_stops_and_takes_over_again)
{
    append(0, 3);
    start();
    wait_published(0, 3);
    fake_lock(fake);
    fake->hold = true;
    fake->log_end[0] = 6;
    fake_unlock(fake);
    usleep(QUIET_MS * 1000);
    fake_lock(fake);
    fake->lead_answer = STATUS_CONFLICT;
    fake->session = false;
    fake_unlock(fake);
    wait_state(RELAY_FOLLOWING);
    cr_assert(!see(fake->open), "it kept its producer");
    cr_assert_eq(record_count(0), 3);

    fake_lock(fake);
    fake->hold = false;
    fake->lead_answer = STATUS_OK;
    fake_unlock(fake);
    wait_published(0, 6);
    expect_records(0, 0, 1, 6);
    cr_assert_eq(atomic_load(&relay_stats(relay)->takeovers_total), 2);
}

Test(relay, given_a_hole_in_the_log_then_nothing_is_skipped)
{
    fake->hole[0] = 4;
    append(0, 10);
    start();
    wait_state(RELAY_REFUSED);
    cr_assert_leq(record_count(0), 3);
}

Test(relay, given_events_on_their_way_when_it_stops_then_they_are_delivered_first)
{
    append(0, 1);
    start();
    wait_published(0, 1);
    hold_deliveries(true);
    append(0, 10);
    wait_in_flight(10);
    stop();
    expect_records(0, 0, 1, 11);
    cr_assert(!see(fake->open));
    cr_assert(!see(fake->session), "it kept its right to publish");
}
