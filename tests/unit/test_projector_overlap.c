#include "clock.h"
#include "fake_projector_ports.h"

#include <criterion/criterion.h>
#include <unistd.h>

/* More records than one poll gives: one batch is made while the store writes the one before, and
 * views are held, to be written once for several batches. */
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
static void restart(size_t cache_bytes)
{
    fake_projector(fake, cache_bytes);
    fake_turns(fake, 5);
}

/* A new cart, then one that the store has and the projector does not know. */
static void happen_before_a_cart_to_load(void)
{
    happen(1, 0, 2);
    fake_turns(fake, 5);
    restart(1 << 20);
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
    cr_assert_not(fake->is_in_transaction);
    cr_assert_eq(fake->open_writes, 0);
}

Test(projector_overlap, given_many_records_then_the_next_batch_is_made_while_one_is_written)
{
    happen(0, 0, 6);
    turn();
    cr_assert(fake->is_writing);
    cr_assert_eq(fake->timeline_count, 2);
    turn();
    cr_assert(fake->is_writing);
    cr_assert_eq(fake->timeline_count, 4);
    cr_assert_eq(fake->open_writes, 2, "announced until it is over");
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
    cr_assert_not(fake->is_writing);
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
    cr_assert_eq(fake_position(fake, 0), 0, "its views were held and are gone, so nothing is done");
    cr_assert_eq(fake_stat(fake, applied_total), 0);
    cr_assert_not(fake->is_held[0]);
    fake_change(fake, FEED_ASSIGNED, 0);
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->timeline_count, 4);
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
    restart(1 << 20);
    fake_publish(fake, &fake->partitions[0].log[0])->content.event.position = 1000;
    fake_happen(fake, 0, 0, 4);
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->parked_count, 1, "the record alone");
}

Test(projector_overlap, given_many_records_then_a_view_is_written_once_in_one_transaction)
{
    happen(0, 0, 4);
    happen(1, 0, 4);
    fake_happen(fake, 0, 0, 5);
    for (int i = 0; i < 4; i++)
        turn();
    cr_assert_eq(fake->timeline_count, 8, "all of the full batches");
    cr_assert_eq(fake_version(fake, 0, 0), 0, "nobody sees anything of it");
    cr_assert_eq(fake_position(fake, 0), 0);
    cr_assert_eq(fake_stat(fake, applied_total), 0);
    cr_assert_eq(fake->announced_carts, 0);
    turn();
    cr_assert_eq(fake->commits, 1);
    cr_assert_eq(fake->announced_carts, 2);
    cr_assert_eq(fake->changed, 2);
    cr_assert_eq(fake_version(fake, 0, 0), 5);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake_position(fake, 1), 4);
    cr_assert_eq(fake_stat(fake, applied_total), 9);
}

Test(projector_overlap, given_more_changed_views_than_may_be_held_then_the_oldest_are_written)
{
    restart(2000);
    for (int cart = 0; cart < 20; cart++)
        happen(0, cart, 2);
    happen(1, 0, 1);
    for (int i = 0; i < 20; i++)
        turn();
    cr_assert(fake->is_in_transaction);
    cr_assert_gt(fake->announced_carts, 10);
    cr_assert_lt(fake->announced_carts, 20);
    cr_assert_eq(fake_version(fake, 0, 0), 0);
    finish();
    cr_assert_eq(fake->commits, 1);
    cr_assert_eq(fake->announced_carts, 21);
    for (int cart = 0; cart < 20; cart++)
        cr_assert_eq(fake_version(fake, 0, cart), 2);
}

Test(projector_overlap, given_a_cart_with_a_held_view_then_it_stays_in_memory_until_it_is_written)
{
    restart(2000);
    happen(0, 0, 2);
    for (int cart = 1; cart < 4; cart++)
        happen(0, cart, 2);
    for (int32_t version = 3; version <= 40; version++)
        fake_happen(fake, 0, version % 4, version / 4 + 2 + (version % 4 == 3 ? 1 : 0));
    finish();
    cr_assert_eq(fake->parked_count, 0);
    cr_assert_eq(fake_position(fake, 0), fake->partitions[0].log_end);
}

/* Each of the writes in turn fails. */
Test(projector_overlap, given_a_write_of_a_transaction_that_fails_then_all_of_it_is_done_again)
{
    const enum status answers[] = {STATUS_UNAVAILABLE, STATUS_UNCERTAIN, STATUS_CONFLICT};
    for (int failing = 0; failing < 4; failing++)
        for (size_t a = 0; a < ARRAY_SIZE(answers); a++) {
            end();
            begin();
            happen(0, 0, 4);
            happen(1, 0, 3);
            for (int i = 0; i < 4; i++) {
                fake->write_answer = i == failing ? answers[a] : STATUS_OK;
                turn();
            }
            fake->write_answer = STATUS_OK;
            finish();
            cr_assert_eq(fake_version(fake, 0, 0), 4);
            cr_assert_eq(fake_version(fake, 1, 0), 3);
            cr_assert_eq(fake->timeline_count, 7);
            cr_assert_eq(fake_stat(fake, applied_total),
                         failing == 3 && answers[a] == STATUS_UNCERTAIN ? 0 : 7);
        }
}

Test(projector_overlap, given_a_partition_moved_by_somebody_else_then_nothing_of_the_others_is_kept)
{
    happen(0, 0, 4);
    happen(1, 0, 4);
    fake->partitions[1].stored.epoch++;
    turn();
    turn();
    cr_assert_eq(fake_stat(fake, stale_total), 1);
    cr_assert_eq(fake->commits, 0);
    cr_assert_eq(fake_position(fake, 0), 0);
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake->timeline_count, 8);
    cr_assert_eq(fake_stat(fake, applied_total), 8);
}

Test(projector_overlap, given_a_transaction_that_is_thrown_away_then_what_it_parked_is_told_once)
{
    fake_publish(fake, fake_happen(fake, 0, 0, 1))->is_unreadable = true;
    happen(1, 0, 4);
    turn();
    turn();
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake_stat(fake, parked_total), 0, "it is not committed");
    fake->write_answer = STATUS_UNAVAILABLE;
    turn();
    fake->write_answer = STATUS_OK;
    finish();
    cr_assert_eq(fake_stat(fake, parked_total), 1);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
}

/* Two projectors that both think a partition is theirs must not wait for each other in a circle. */
Test(projector_overlap, given_a_transaction_of_several_writes_then_it_takes_all_partitions_at_once)
{
    happen(0, 0, 4);
    turn();
    cr_assert(fake->is_in_transaction);
    cr_assert_eq(fake->partitions[0].write_count, 1);
    cr_assert_eq(fake->partitions[1].write_count, 1);
}

Test(projector_overlap, given_a_projector_that_stops_then_an_open_transaction_is_committed)
{
    happen_before_a_cart_to_load();
    int loads = fake->loads;
    fake->load_us = 100000;
    struct error error;
    cr_assert_eq(projector_start(fake->projector, &error), STATUS_OK);
    while (fake->loads == loads)
        usleep(1000);
    projector_stop(fake->projector);
    cr_assert_not(fake->is_in_transaction);
    cr_assert_not(fake->is_writing);
    cr_assert_eq(fake_version(fake, 0, 0), 2);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
}

/* For example a replay of thousands of parked carts, of which none is behind here. */
Test(projector_overlap,
     given_an_idle_partition_moved_all_the_time_then_a_backlog_of_another_goes_on)
{
    happen(0, 0, 100);
    for (int i = 0; i < 200; i++) {
        if (!fake->is_in_transaction)
            fake->partitions[1].stored.epoch++;
        turn();
    }
    cr_assert_eq(fake_position(fake, 0), 100);
    cr_assert_eq(fake_stat(fake, stale_total), 1);
}

Test(projector_overlap, given_a_transaction_that_failed_then_batches_share_one_again_later)
{
    happen(0, 0, 8);
    turn();
    fake->write_answer = STATUS_UNAVAILABLE;
    turn();
    fake->write_answer = STATUS_OK;
    finish();
    cr_assert_geq(fake->commits, 4);
    fake->now_us += (int64_t)PROJECTOR_APART_MS * MICROSECONDS_PER_MILLISECOND;
    size_t commits = fake->commits;
    for (int32_t version = 9; version <= 16; version++)
        fake_happen(fake, 0, 0, version);
    finish();
    cr_assert_eq(fake->commits, commits + 2,
                 "the first batch, as other work was due, and all others");
}

Test(projector_overlap,
     given_batches_apart_when_one_partition_was_moved_then_those_after_it_come_again)
{
    happen(0, 0, 8);
    turn();
    fake->write_answer = STATUS_UNAVAILABLE;
    turn();
    fake->write_answer = STATUS_OK;
    fake_turns(fake, 20);
    cr_assert_eq(fake_position(fake, 0), 8);
    for (int32_t version = 9; version <= 12; version++)
        fake_happen(fake, 0, 0, version);
    happen(1, 0, 4);
    turn();
    fake->partitions[0].stored.epoch++;
    turn();
    cr_assert(fake->is_writing);
    cr_assert_not(fake->is_in_transaction);
    turn();
    cr_assert_eq(fake_stat(fake, stale_total), 1);
    cr_assert_not(fake->is_writing, "the batch made of the other partition is thrown away, too");
    finish();
    cr_assert_eq(fake_version(fake, 0, 0), 12);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake->timeline_count, 16);
}
