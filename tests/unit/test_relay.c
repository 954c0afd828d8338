/*
 * The flow of the relay against a log and a topic in memory: given what both hold, when something
 * happens, then this is published.
 */
#include "clock.h"
#include "fake_relay_ports.h"
#include "relay.h"

#include <criterion/criterion.h>

enum { PATIENCE_MS = 8000, QUIET_MS = 150 };

static struct fake *fake;
static struct relay_log log_port;
static struct relay_publisher publisher_port;
static struct relay_options options;
static struct relay *relay;
static _Atomic int64_t clock_ahead_us;

int64_t __real_clock_monotonic_us(void);
int64_t __wrap_clock_monotonic_us(void);
int64_t __wrap_clock_monotonic_us(void)
{
    return __real_clock_monotonic_us() + clock_ahead_us;
}

static void set_up(void)
{
    fake = fake_new();
    log_port = fake_log_port(fake);
    publisher_port = fake_publisher_port(fake);
    options = (struct relay_options){
        .log = &log_port, .publisher = &publisher_port, .partition_count = FAKE_PARTITIONS};
}

static int64_t deadline(int wait_ms)
{
    return clock_monotonic_us() + (int64_t)wait_ms * MICROSECONDS_PER_MILLISECOND;
}

static void start(void)
{
    relay = relay_new(&options);
    cr_assert_not_null(relay);
    struct error error;
    cr_assert_eq(relay_start(relay, &error), STATUS_OK);
}

static void stop(void)
{
    relay_stop(relay, deadline(1000));
    relay_free(relay);
    relay = NULL;
}

static void tear_down(void)
{
    if (relay != NULL)
        stop();
    fake_free(fake);
}

TestSuite(relay, .init = set_up, .fini = tear_down, .timeout = 30);

static void append(int partition, int64_t count)
{
    fake_lock(fake);
    fake->log_end[partition] += count;
    fake_unlock(fake);
}

static void wait_published(int partition, int64_t position)
{
    int64_t until_us = deadline(PATIENCE_MS);
    while (relay_published_position(relay, partition) != position) {
        cr_assert_lt(clock_monotonic_us(), until_us, "partition %d is at %ld, not %ld", partition,
                     (long)relay_published_position(relay, partition), (long)position);
        usleep(1000);
    }
}

static void wait_state(enum relay_state state)
{
    int64_t until_us = deadline(PATIENCE_MS);
    while (atomic_load(&relay_stats(relay)->state) != (int64_t)state) {
        cr_assert_lt(clock_monotonic_us(), until_us, "never %s", relay_state_name(state));
        usleep(1000);
    }
}

static void wait_delivered(int64_t total)
{
    int64_t until_us = deadline(PATIENCE_MS);
    while (atomic_load(&relay_stats(relay)->delivered_total) != total) {
        cr_assert_lt(clock_monotonic_us(), until_us, "not %ld deliveries", (long)total);
        usleep(1000);
    }
}

static void wait_restart(void)
{
    int64_t until_us = deadline(PATIENCE_MS);
    while (atomic_load(&relay_stats(relay)->restarts_total) == 0) {
        cr_assert_lt(clock_monotonic_us(), until_us, "the wiped topic went unnoticed");
        usleep(1000);
    }
}

static int64_t record_count(int partition)
{
    fake_lock(fake);
    int64_t count = fake->record_count[partition];
    fake_unlock(fake);
    return count;
}

/* The topic's partition holds exactly the positions first, first + 1 ... from `offset` on. */
static void expect_records(int partition, int64_t offset, int64_t first, int64_t count)
{
    cr_assert_eq(record_count(partition), offset + count, "%ld records, not %ld",
                 (long)record_count(partition), (long)(offset + count));
    for (int64_t i = 0; i < count; i++)
        cr_assert_eq(fake->records[partition][offset + i].position, first + i);
}

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

/* By this alone the service manager knows that it does not hang. */
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
        relay_wake(relay);
        wait_published(1, i);
    }
    expect_records(1, 0, 1, 50);
}

Test(relay, given_a_leader_when_events_come_one_by_one_then_they_are_published_some_at_a_time)
{
    enum { EVENTS = 400, EVENT_US = 250 };
    start();
    wait_state(RELAY_PUBLISHING);
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < EVENTS; i++) {
        append(1, 1);
        relay_wake(relay);
        usleep(EVENT_US);
    }
    wait_published(1, EVENTS);
    int64_t took_ms = (clock_monotonic_us() - begin_us) / MICROSECONDS_PER_MILLISECOND;
    expect_records(1, 0, 1, EVENTS);
    cr_assert_leq(fake->pages, took_ms / RELAY_GATHER_MS + 1, "%d pages in %ld ms", fake->pages,
                  (long)took_ms);
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
    int64_t until_us = deadline(PATIENCE_MS);
    while (atomic_load(&relay_stats(relay)->lag_events) != 4) {
        cr_assert_lt(clock_monotonic_us(), until_us);
        usleep(1000);
    }
}

Test(relay, given_a_topic_with_another_event_at_its_end_when_it_leads_then_nothing_is_mixed)
{
    append(0, 5);
    fake_write(fake, 0, 3, fake_id(77, 0, 3));
    start();
    wait_state(RELAY_DIVERGED);
    usleep(QUIET_MS * 1000);
    cr_assert_eq(record_count(0), 1);
    cr_assert(!fake->open);
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
    cr_assert_geq(fake->opens, 2);
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
    /* 21 to 25 come first; the fake finds its end after them, as a topic without its beginning
     * would not be (publisher_kafka.c): what matters here is that their delivery is not believed.
     */
    wait_restart();
}

/* A broker takes a producer's batches in any order until it has taken one. */
Test(relay, given_a_new_producer_then_nothing_follows_an_event_before_it_is_delivered)
{
    fake->hold = true;
    append(0, 500);
    append(1, 1);
    start();
    usleep(QUIET_MS * 1000);
    fake_lock(fake);
    cr_assert_eq(fake->queue_count, 2, "%ld events are on their way", (long)fake->queue_count);
    fake->hold = false;
    fake_unlock(fake);
    wait_published(0, 500);
    wait_published(1, 1);
    expect_records(0, 0, 1, 500);
    append(1, 9);
    wait_published(1, 10);
}

Test(relay, given_a_partition_that_nobody_takes_then_the_others_are_published)
{
    fake->is_partition_held[0] = true;
    append(0, 5);
    append(1, 5);
    start();
    wait_published(1, 5);
    append(1, 3);
    wait_published(1, 8);
    fake_lock(fake);
    cr_assert_eq(fake->queue_count, 1, "nothing follows the first event of the other one");
    fake->is_partition_held[0] = false;
    fake_unlock(fake);
    wait_published(0, 5);
    expect_records(0, 0, 1, 5);
}

Test(relay, given_a_topic_that_takes_nothing_for_long_then_another_producer_begins_with_one_event)
{
    append(0, 1);
    start();
    wait_published(0, 1);
    fake_lock(fake);
    fake->hold = true;
    fake_unlock(fake);
    append(0, 9);
    int64_t until_us = deadline(PATIENCE_MS);
    while (atomic_load(&relay_stats(relay)->in_flight) != 9)
        cr_assert_lt(clock_monotonic_us(), until_us);
    clock_ahead_us = (int64_t)RELAY_KNOWN_MS * MICROSECONDS_PER_MILLISECOND;
    relay_wake(relay);
    wait_restart();
    usleep((RELAY_RETRY_MS + QUIET_MS) * 1000);
    fake_lock(fake);
    cr_assert_eq(fake->queue_count, 1, "%ld events are on their way", (long)fake->queue_count);
    fake->hold = false;
    fake_unlock(fake);
    wait_published(0, 10);
    expect_records(0, 0, 1, 10);
}

static void wait_trim(int64_t first, int64_t second)
{
    int64_t until_us = deadline(PATIENCE_MS);
    for (int trims = 0; trims == 0; usleep(1000)) {
        cr_assert_lt(clock_monotonic_us(), until_us, "nothing was deleted");
        fake_lock(fake);
        trims = fake->trims;
        fake_unlock(fake);
    }
    cr_assert_eq(fake->trims, 1);
    cr_assert_eq(fake->trimmed[0], first);
    cr_assert_eq(fake->trimmed[1], second);
}

static void write_late(int partition, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        fake_write(fake, partition, first + i, fake_id(fake->course, partition, first + i));
}

Test(relay, given_late_events_and_no_beginning_then_they_are_deleted_once_the_beginning_is_there)
{
    append(0, 20);
    append(1, 7);
    write_late(0, 18, 3);
    write_late(1, 7, 1);
    fake->late_until[0] = fake->late_until[1] = RELAY_LATE_AND_NO_BEGINNING;
    fake->hold = true;
    start();
    usleep(QUIET_MS * 1000);
    cr_assert_eq(fake->trims, 0, "the beginning is not there yet");
    fake_lock(fake);
    fake->hold = false;
    fake_unlock(fake);
    wait_trim(3, 1);
    wait_published(0, 20);
    expect_records(0, 3, 1, 20);
    expect_records(1, 1, 1, 7);
}

Test(relay, given_late_events_before_the_beginning_then_they_are_deleted)
{
    append(0, 2);
    write_late(0, 2, 1);
    write_late(0, 1, 2);
    fake->late_until[0] = 1;
    start();
    wait_trim(1, 0);
}

Test(relay, given_late_events_that_may_not_be_deleted_then_it_publishes_all_the_same)
{
    append(0, 4);
    write_late(0, 4, 1);
    fake->late_until[0] = RELAY_LATE_AND_NO_BEGINNING;
    fake->trim_answer = STATUS_INVALID;
    start();
    wait_trim(1, 0);
    append(0, 3);
    wait_published(0, 7);
    expect_records(0, 1, 1, 7);
    cr_assert_eq(atomic_load(&relay_stats(relay)->errors_total), 1);
    cr_assert_eq(atomic_load(&relay_stats(relay)->restarts_total), 0);
}

Test(relay, given_late_events_that_cannot_be_deleted_now_then_it_tries_again)
{
    append(0, 4);
    write_late(0, 4, 1);
    fake->late_until[0] = RELAY_LATE_AND_NO_BEGINNING;
    fake->trim_answer = STATUS_UNAVAILABLE;
    start();
    wait_trim(1, 0);
    fake_lock(fake);
    fake->trims = 0;
    fake->trim_answer = STATUS_OK;
    fake_unlock(fake);
    wait_trim(1, 0);
    usleep((RELAY_CHECK_MS + QUIET_MS) * 1000);
    cr_assert_eq(fake->trims, 1);
}

Test(relay, given_late_events_that_cannot_be_deleted_then_it_gives_up)
{
    append(0, 4);
    write_late(0, 4, 1);
    fake->late_until[0] = RELAY_LATE_AND_NO_BEGINNING;
    fake->trim_answer = STATUS_UNAVAILABLE;
    start();
    wait_published(0, 4);
    usleep((RELAY_TRIMS_MAX + 1) * RELAY_CHECK_MS * 1000);
    cr_assert_eq(fake->trims, RELAY_TRIMS_MAX);
    cr_assert_eq(atomic_load(&relay_stats(relay)->errors_total), RELAY_TRIMS_MAX);
}

Test(relay, given_late_events_beside_a_partition_without_a_beginning_then_they_are_deleted)
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

Test(relay, given_late_events_when_their_offset_is_not_known_then_none_is_deleted)
{
    append(0, 4);
    write_late(0, 4, 1);
    fake->late_until[0] = RELAY_LATE_AND_NO_BEGINNING;
    fake->hide_offsets = true;
    start();
    wait_published(0, 4);
    usleep((RELAY_CHECK_MS + QUIET_MS) * 1000);
    cr_assert_eq(fake->trims, 0);
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
    cr_assert(!fake->open, "it kept its producer");
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

Test(relay, given_a_small_queue_when_there_is_much_to_send_then_all_of_it_arrives_in_order)
{
    fake->queue_max = 7;
    append(0, 300);
    append(1, 300);
    start();
    wait_published(0, 300);
    wait_published(1, 300);
    expect_records(0, 0, 1, 300);
    expect_records(1, 0, 1, 300);
    cr_assert_eq(fake->opens, 1);
}

Test(relay, given_a_topic_that_takes_nothing_then_what_is_in_flight_has_a_limit)
{
    append(0, 1);
    append(1, 1);
    start();
    wait_published(0, 1);
    wait_published(1, 1);
    fake_lock(fake);
    fake->hold = true;
    fake_unlock(fake);
    append(0, 29999);
    append(1, 19999);
    wait_state(RELAY_STALLED);
    cr_assert_leq(fake->in_flight_max, RELAY_IN_FLIGHT_MAX);
    cr_assert_geq(fake->in_flight_max, RELAY_IN_FLIGHT_MAX / 2);
    fake_lock(fake);
    fake->hold = false;
    fake_unlock(fake);
    wait_published(0, 30000);
    wait_published(1, 20000);
    expect_records(0, 0, 1, 30000);
    cr_assert_leq(fake->in_flight_max, RELAY_IN_FLIGHT_MAX);
    wait_state(RELAY_PUBLISHING);
}

Test(relay, given_events_on_their_way_when_it_stops_then_they_are_delivered_first)
{
    append(0, 1);
    start();
    wait_published(0, 1);
    fake_lock(fake);
    fake->hold = true;
    fake_unlock(fake);
    append(0, 10);
    int64_t until_us = deadline(PATIENCE_MS);
    while (atomic_load(&relay_stats(relay)->in_flight) != 10)
        cr_assert_lt(clock_monotonic_us(), until_us);
    stop();
    expect_records(0, 0, 1, 11);
    cr_assert(!fake->open);
    cr_assert(!fake->session, "it kept its right to publish");
}

Test(relay, given_a_published_log_when_republishing_then_only_what_the_topic_has_is_sent_again)
{
    append(0, 2000);
    append(1, 9);
    for (int64_t position = 1; position <= 1500; position++)
        fake_write(fake, 0, position, fake_id(0, 0, position));
    fake_write(fake, 1, 4, fake_id(0, 1, 4));
    struct error error;
    int64_t count;
    cr_assert_eq(relay_republish(&options, 0, 201, deadline(5000), &count, &error), STATUS_OK);
    cr_assert_eq(count, 1300);
    expect_records(0, 1500, 201, 1300);
    expect_records(1, 0, 4, 1);

    cr_assert_eq(relay_republish(&options, -1, 3, deadline(5000), &count, &error), STATUS_OK);
    cr_assert_eq(count, 1498 + 2);
    expect_records(1, 1, 3, 2);
}

Test(relay, given_a_session_that_ends_during_a_flush_when_republishing_then_it_goes_on)
{
    append(0, 900);
    for (int64_t position = 1; position <= 900; position++)
        fake_write(fake, 0, position, fake_id(0, 0, position));
    fake->queue_max = 200;
    fake->flush_ends_session = true;
    struct error error;
    int64_t count;
    cr_assert_eq(relay_republish(&options, 0, 1, deadline(5000), &count, &error), STATUS_OK);
    cr_assert_eq(count, 900);
    expect_records(0, 900, 1, 900);
}

/* All 900 positions of partition 0 are in the topic. */
static enum status republish(int milliseconds)
{
    append(0, 900);
    for (int64_t position = 1; position <= 900; position++)
        fake_write(fake, 0, position, fake_id(0, 0, position));
    struct error error;
    int64_t count;
    return relay_republish(&options, 0, 1, deadline(milliseconds), &count, &error);
}

Test(relay, given_a_log_that_stays_away_when_republishing_then_it_gives_up)
{
    fake->ends_answer = STATUS_UNAVAILABLE;
    cr_assert_eq(republish(5000), STATUS_UNAVAILABLE);
}

static void lose_session_for_good(enum status connect_answer)
{
    fake->queue_max = 200;
    fake->flush_ends_session = true;
    fake->refused_connects_from = 2;
    fake->connect_answer = connect_answer;
}

Test(relay, given_a_session_that_cannot_be_had_again_when_republishing_then_it_gives_up)
{
    lose_session_for_good(STATUS_UNAVAILABLE);
    cr_assert_eq(republish(20000), STATUS_UNAVAILABLE);
    cr_assert_eq(record_count(0), 1100);
}

Test(relay, given_a_log_that_does_not_let_us_in_again_when_republishing_then_it_gives_up)
{
    lose_session_for_good(STATUS_INVALID);
    cr_assert_eq(republish(20000), STATUS_INVALID);
}

Test(relay, given_no_time_when_republishing_then_it_gives_up)
{
    fake->queue_max = 200;
    cr_assert_eq(republish(0), STATUS_UNAVAILABLE);
    cr_assert_eq(record_count(0), 1100, "what was begun is sent");
}

Test(relay, given_no_time_and_no_session_when_republishing_then_it_gives_up)
{
    fake->reads_failing = true;
    cr_assert_eq(republish(0), STATUS_UNAVAILABLE);
    cr_assert_eq(record_count(0), 900);
}

Test(relay, given_a_hole_in_the_log_when_republishing_then_it_refuses)
{
    fake->hole[0] = 7;
    cr_assert_eq(republish(5000), STATUS_INVALID);
    cr_assert_leq(record_count(0), 906);
}

Test(relay, given_a_log_without_its_last_event_when_republishing_then_it_refuses)
{
    fake->hole[0] = 900;
    cr_assert_eq(republish(5000), STATUS_INVALID);
    cr_assert_eq(record_count(0), 1799);
}

Test(relay, given_a_topic_that_refuses_an_event_for_good_when_republishing_then_it_gives_up)
{
    fake->send_answer = STATUS_INTERNAL;
    cr_assert_eq(republish(5000), STATUS_INTERNAL);
}

Test(relay, given_another_course_when_republishing_then_it_refuses)
{
    append(0, 5);
    fake_write(fake, 0, 3, fake_id(77, 0, 3));
    struct error error;
    int64_t count;
    cr_assert_eq(relay_republish(&options, -1, 1, deadline(5000), &count, &error), STATUS_CONFLICT);
    cr_assert_eq(relay_republish(&options, 2, 1, deadline(5000), &count, &error), STATUS_INVALID);
    cr_assert_eq(relay_republish(&options, -2, 1, deadline(5000), &count, &error), STATUS_INVALID);
    cr_assert_eq(relay_republish(&options, 0, 0, deadline(5000), &count, &error), STATUS_INVALID);
    cr_assert_eq(record_count(0), 1);
}
