#include "clock.h"
#include "fake_projector_ports.h"

#include <criterion/criterion.h>

/* More records than one poll gives: one batch is made while the store writes the one before. */
static struct fake *fake;

static void begin(void)
{
    fake = fake_new();
    fake_projector(fake, 1 << 20);
    fake_turns(fake, 5);
    fake->feed_max = 2;
}
static void end(void)
{
    fake_free(fake);
}
TestSuite(projector_overlap, .init = begin, .fini = end);

/* Versions 1 to `count` of a cart. */
static void happen(int16_t partition, int cart, int32_t count)
{
    for (int32_t version = 1; version <= count; version++)
        fake_happen(fake, partition, cart, version);
}

/* Knows no cart. */
static void restart(void)
{
    fake_projector(fake, 1 << 20);
    fake_turns(fake, 5);
}

/* A new cart, then one that the store has and the projector does not know. */
static void happen_before_a_cart_to_load(void)
{
    happen(1, 0, 2);
    fake_turns(fake, 5);
    restart();
    happen(0, 0, 2);
    fake_happen(fake, 1, 0, 3);
    fake_happen(fake, 1, 0, 4);
}

static void turn(void)
{
    fake->now_us += 1000;
    projector_turn(fake->projector);
}

/* Turns until nothing is left to do. */
static void finish(void)
{
    fake_turns(fake, 20);
    fake_pass_time(fake);
    cr_assert_not(fake->is_writing);
    cr_assert_eq(fake->open_writes, 0);
}

Test(projector_overlap, given_many_records_then_the_next_batch_is_made_while_one_is_written)
{
    happen(0, 0, 6);
    turn();
    cr_assert(fake->is_writing);
    cr_assert_eq(fake_stat(fake, applied_total), 0);
    turn();
    cr_assert(fake->is_writing);
    cr_assert_eq(fake_stat(fake, applied_total), 2);
    cr_assert_eq(fake->open_writes, 1, "announced until it is over");
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 6);
    cr_assert_eq(fake_position(fake, 0), 6);
    cr_assert_eq(fake->timeline_count, 6);
    cr_assert_eq(fake->loads, 0, "the store has nothing of a cart whose first event comes");
    cr_assert_eq(fake_stat(fake, applied_total), 6);
}

Test(projector_overlap,
     given_a_partition_that_somebody_else_moved_then_the_batch_after_it_is_not_written)
{
    happen(0, 0, 4);
    happen(1, 0, 4);
    fake->partitions[0].stored.epoch++;
    turn();
    turn();
    cr_assert_eq(fake_stat(fake, stale_total), 1);
    cr_assert_not(fake->is_writing, "what was made of the events after it is thrown away");
    finish();
    cr_assert_eq(fake_position(fake, 0), 4);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake->timeline_count, 8);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_overlap, given_an_event_that_the_store_refuses_then_only_its_cart_is_parked)
{
    happen(0, 0, 1);
    fake->refused_events[0] = fake_happen(fake, 0, 0, 2)->event.event_id;
    happen(0, 1, 4);
    happen(1, 0, 4);
    turn();
    turn();
    finish();
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 1);
    cr_assert_eq(fake_version(fake, 0, 1), 4);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_str_eq(fake->parked[0].reason, "such data cannot be stored");
}

Test(projector_overlap, given_an_uncertain_write_that_was_done_then_it_is_not_done_twice)
{
    happen(0, 0, 6);
    fake->write_answer = STATUS_UNCERTAIN;
    turn();
    fake->write_answer = STATUS_OK;
    turn();
    cr_assert_not(fake->is_writing);
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 6);
    cr_assert_eq(fake->timeline_count, 6);
}

Test(projector_overlap, given_a_store_that_is_gone_then_nothing_is_lost)
{
    happen(0, 0, 6);
    turn();
    fake->store_answer = STATUS_UNAVAILABLE;
    turn();
    turn();
    cr_assert_not(fake->is_writing);
    fake->store_answer = STATUS_OK;
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 6);
    cr_assert_eq(fake->timeline_count, 6);
}

Test(projector_overlap, given_a_write_that_cannot_begin_then_nothing_waits_for_it)
{
    happen(0, 0, 6);
    turn();
    fake->begin_answer = STATUS_UNAVAILABLE;
    turn();
    cr_assert_eq(fake_stat(fake, applied_total), 2);
    cr_assert_not(fake->is_held[0]);
    cr_assert_eq(fake->open_writes, 0, "announced, and over");
    fake->begin_answer = STATUS_OK;
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 6);
    cr_assert_eq(fake->timeline_count, 6);
}

Test(projector_overlap, given_a_revoked_partition_while_it_is_written_then_nothing_after_it_is)
{
    happen(0, 0, 4);
    turn();
    fake_change(fake, FEED_REVOKED, 0);
    turn();
    cr_assert_not(fake->is_writing);
    cr_assert(fake->was_held[1] && !fake->was_held[0], "its views do not wait for the write");
    finish();
    cr_assert_eq(fake_position(fake, 0), 2);
    cr_assert_eq(fake_stat(fake, applied_total), 2);
    cr_assert_not(fake->is_held[0]);
}

Test(projector_overlap, given_a_partition_revoked_while_the_store_refuses_then_the_next_owner_parks)
{
    fake->feed_max = 1;
    fake->refused_events[0] = fake_happen(fake, 0, 0, 1)->event.event_id;
    turn();
    cr_assert(fake->is_writing);
    fake_change(fake, FEED_REVOKED, 0);
    turn();
    cr_assert_eq(fake_position(fake, 0), 0);
    fake_change(fake, FEED_ASSIGNED, 0);
    finish();
    cr_assert_eq(fake_position(fake, 0), 1);
    cr_assert_eq(fake->parked_count, 1);
}

Test(projector_overlap, given_a_gap_while_a_batch_is_written_then_it_is_filled_from_the_log)
{
    happen(0, 0, 2);
    fake_log(fake, 0, 0, 3);
    fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 0, 0, 5);
    turn();
    cr_assert(fake->is_writing);
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 5);
    cr_assert_eq(fake->timeline_count, 5);
    cr_assert_eq(fake->event_requests, 2, "the record that came, and what is missing before it");
}

Test(projector_overlap, given_a_cart_that_has_to_be_loaded_then_the_write_before_is_over)
{
    happen_before_a_cart_to_load();
    finish(); /* the store does not allow anything else while it writes */
    cr_assert_eq(fake_version(fake, 0, 0), 2);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
}

Test(projector_overlap,
     given_a_cart_that_has_to_be_loaded_when_the_write_before_fails_then_it_is_read_again)
{
    happen_before_a_cart_to_load();
    fake->write_answer = STATUS_UNCERTAIN;
    turn();
    cr_assert(fake->is_writing);
    fake->write_answer = STATUS_OK;
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 2);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake->timeline_count, 6);
}

Test(projector_overlap, given_a_write_under_way_for_long_then_the_rest_is_done_too)
{
    happen(0, 0, 8);
    turn();
    fake->now_us += PROJECTOR_REST_MS * MICROSECONDS_PER_MILLISECOND;
    turn();
    cr_assert_not(fake->is_writing);
    cr_assert_eq(fake_position(fake, 0), 4);
}

/* A record that says it is a cart's first event, at a position that is not the next. */
Test(projector_overlap, given_a_first_event_that_is_none_then_its_cart_is_not_taken_for_new)
{
    happen(0, 0, 3);
    fake->feed_max = 0;
    fake_turns(fake, 5);
    restart();
    fake_publish(fake, &fake->partitions[0].log[0])->content.event.position = 1000;
    fake_happen(fake, 0, 0, 4);
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->parked_count, 1, "the record alone");
}
