#include "relay_story.h"

/* How much may be in flight, and what must be delivered before more follows. */
TestSuite(relay_send, .init = set_up, .fini = tear_down, .timeout = 30);

static _Atomic int64_t clock_ahead_us;

int64_t __real_clock_monotonic_us(void);
int64_t __wrap_clock_monotonic_us(void);
int64_t __wrap_clock_monotonic_us(void)
{
    return __real_clock_monotonic_us() + clock_ahead_us;
}

/* While it is held, what is sent to partition 0 is not delivered. */
static void hold_partition(bool is_held)
{
    fake_lock(fake);
    fake->is_partition_held[0] = is_held;
    fake_unlock(fake);
}

/* A broker takes a producer's batches in any order until it has taken one. */
Test(relay_send, given_a_new_producer_then_nothing_follows_an_event_before_it_is_delivered)
{
    fake->hold = true;
    append(0, 500);
    append(1, 1);
    start();
    usleep(QUIET_MS * 1000);
    int64_t sent = see(fake->queue_count);
    cr_assert_eq(sent, 2, "%ld events are on their way", (long)sent);
    hold_deliveries(false);
    wait_published(0, 500);
    wait_published(1, 1);
    expect_records(0, 0, 1, 500);
    append(1, 9);
    wait_published(1, 10);
}

Test(relay_send, given_a_partition_that_nobody_takes_then_the_others_are_published)
{
    fake->is_partition_held[0] = true;
    append(0, 5);
    append(1, 5);
    start();
    wait_published(1, 5);
    append(1, 3);
    wait_published(1, 8);
    cr_assert_eq(see(fake->queue_count), 1, "nothing follows the first event of the other one");
    hold_partition(false);
    wait_published(0, 5);
    expect_records(0, 0, 1, 5);
}

Test(relay_send, given_a_backlog_of_a_partition_that_nobody_takes_then_the_others_are_published)
{
    append(0, 1);
    append(1, 1);
    start();
    wait_published(0, 1);
    wait_published(1, 1);
    hold_partition(true);
    append(0, 29999);
    usleep(QUIET_MS * 1000);
    append(1, 20000);
    wait_published(1, 20001);
    wait_state(RELAY_STALLED);
    hold_partition(false);
    wait_published(0, 30000);
    expect_records(0, 0, 1, 30000);
    wait_state(RELAY_PUBLISHING);
}

Test(relay_send, given_large_events_of_a_partition_that_nobody_takes_then_the_others_are_published)
{
    fake->event_bytes[0] = 10000;
    append(0, 1);
    append(1, 1);
    start();
    wait_published(0, 1);
    wait_published(1, 1);
    hold_partition(true);
    append(0, 29999);
    usleep(QUIET_MS * 1000);
    append(1, 2000);
    wait_published(1, 2001);
    hold_partition(false);
    wait_published(0, 30000);
    expect_records(0, 0, 1, 30000);
}

Test(relay_send,
     given_a_topic_that_takes_nothing_for_long_then_another_producer_begins_with_one_event)
{
    append(0, 1);
    start();
    wait_published(0, 1);
    hold_deliveries(true);
    append(0, 9);
    wait_in_flight(9);
    clock_ahead_us = (int64_t)RELAY_KNOWN_MS * MICROSECONDS_PER_MILLISECOND;
    relay_wake(relay, 1);
    wait_restart();
    usleep((RELAY_RETRY_MS + QUIET_MS) * 1000);
    int64_t sent = see(fake->queue_count);
    cr_assert_eq(sent, 1, "%ld events are on their way", (long)sent);
    hold_deliveries(false);
    wait_published(0, 10);
    expect_records(0, 0, 1, 10);
}

static void wait_trim(int64_t first, int64_t second)
{
    WAIT_UNTIL(see(fake->trims) > 0, "nothing was deleted");
    cr_assert_eq(see(fake->trims), 1);
    cr_assert_eq(see(fake->trimmed[0]), first);
    cr_assert_eq(see(fake->trimmed[1]), second);
}

static void write_late(int partition, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        fake_write(fake, partition, first + i, fake_id(fake->course, partition, first + i));
}

/* Position 4 of 4 is in the topic, nothing before it is. */
static void start_with_a_late_event(void)
{
    append(0, 4);
    write_late(0, 4, 1);
    fake->late_until[0] = RELAY_LATE_AND_NO_BEGINNING;
    start();
}

Test(relay_send,
     given_late_events_and_no_beginning_then_they_are_deleted_once_the_beginning_is_there)
{
    append(0, 20);
    append(1, 7);
    write_late(0, 18, 3);
    write_late(1, 7, 1);
    fake->late_until[0] = fake->late_until[1] = RELAY_LATE_AND_NO_BEGINNING;
    fake->hold = true;
    start();
    usleep(QUIET_MS * 1000);
    cr_assert_eq(see(fake->trims), 0, "the beginning is not there yet");
    hold_deliveries(false);
    wait_trim(3, 1);
    wait_published(0, 20);
    expect_records(0, 3, 1, 20);
    expect_records(1, 1, 1, 7);
}

Test(relay_send, given_late_events_before_the_beginning_then_they_are_deleted)
{
    append(0, 2);
    write_late(0, 2, 1);
    write_late(0, 1, 2);
    fake->late_until[0] = 1;
    start();
    wait_trim(1, 0);
}

Test(relay_send, given_late_events_that_may_not_be_deleted_then_it_publishes_all_the_same)
{
    fake->trim_answer = STATUS_INVALID;
    start_with_a_late_event();
    wait_trim(1, 0);
    append(0, 3);
    wait_published(0, 7);
    expect_records(0, 1, 1, 7);
    cr_assert_eq(atomic_load(&relay_stats(relay)->errors_total), 1);
    cr_assert_eq(atomic_load(&relay_stats(relay)->restarts_total), 0);
}

Test(relay_send, given_late_events_that_cannot_be_deleted_now_then_it_tries_again)
{
    fake->trim_answer = STATUS_UNAVAILABLE;
    start_with_a_late_event();
    wait_trim(1, 0);
    fake_lock(fake);
    fake->trims = 0;
    fake->trim_answer = STATUS_OK;
    fake_unlock(fake);
    wait_trim(1, 0);
    usleep((RELAY_CHECK_MS + QUIET_MS) * 1000);
    cr_assert_eq(see(fake->trims), 1);
}

Test(relay_send, given_late_events_that_cannot_be_deleted_then_it_gives_up)
{
    fake->trim_answer = STATUS_UNAVAILABLE;
    start_with_a_late_event();
    wait_published(0, 4);
    WAIT_UNTIL(see(fake->trims) == RELAY_TRIMS_MAX, "%d attempts", see(fake->trims));
    usleep((RELAY_CHECK_MS + QUIET_MS) * 1000);
    cr_assert_eq(see(fake->trims), RELAY_TRIMS_MAX);
    cr_assert_eq(atomic_load(&relay_stats(relay)->errors_total), RELAY_TRIMS_MAX);
}

Test(relay_send, given_late_events_beside_a_partition_without_a_beginning_then_they_are_deleted)
{
    append(0, 2);
    write_late(0, 2, 1);
    write_late(0, 1, 2);
    fake->late_until[0] = 1;
    write_late(1, 7, 1);
    fake->late_until[1] = RELAY_LATE_AND_NO_BEGINNING;
    start();
    wait_trim(1, 0);
}

Test(relay_send, given_late_events_when_their_offset_is_not_known_then_none_is_deleted)
{
    fake->hide_offsets = true;
    start_with_a_late_event();
    wait_published(0, 4);
    usleep((RELAY_CHECK_MS + QUIET_MS) * 1000);
    cr_assert_eq(see(fake->trims), 0);
}

Test(relay_send, given_a_small_queue_when_there_is_much_to_send_then_all_of_it_arrives_in_order)
{
    fake->queue_max = 7;
    append(0, 300);
    append(1, 300);
    start();
    wait_published(0, 300);
    wait_published(1, 300);
    expect_records(0, 0, 1, 300);
    expect_records(1, 0, 1, 300);
    cr_assert_eq(see(fake->opens), 1);
}

Test(relay_send, given_a_topic_that_takes_nothing_then_what_is_in_flight_has_a_limit)
{
    append(0, 1);
    append(1, 1);
    start();
    wait_published(0, 1);
    wait_published(1, 1);
    hold_deliveries(true);
    append(0, 29999);
    append(1, 19999);
    wait_state(RELAY_STALLED);
    cr_assert_leq(see(fake->in_flight_max), RELAY_IN_FLIGHT_MAX);
    cr_assert_geq(see(fake->in_flight_max), RELAY_IN_FLIGHT_MAX / 2);
    hold_deliveries(false);
    wait_published(0, 30000);
    wait_published(1, 20000);
    expect_records(0, 0, 1, 30000);
    cr_assert_leq(see(fake->in_flight_max), RELAY_IN_FLIGHT_MAX);
    wait_state(RELAY_PUBLISHING);
}
