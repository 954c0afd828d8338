#include "clock.h"
#include "fake_projector_ports.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static struct fake *fake;

static void set_up(void)
{
    fake = fake_new();
    fake_projector(fake, 1 << 20);
}
static void tear_down(void)
{
    fake_free(fake);
}
TestSuite(projector, .init = set_up, .fini = tear_down);

/* Three events of one cart in each partition, applied. */
static void begin_with_three(void)
{
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
        for (int32_t version = 1; version <= 3; version++)
            fake_happen(fake, p, 0, version);
    fake_turns(fake, 5);
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert_eq(fake_position(fake, 1), 3);
}

static void restart(void)
{
    fake_projector(fake, 1 << 20);
    fake_turns(fake, 5);
}

Test(projector, given_events_in_the_topic_then_views_positions_and_timeline_follow)
{
    begin_with_three();
    fake_happen(fake, 0, 1, 1);
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 2);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake_version(fake, 0, 1), 1);
    cr_assert_eq(fake_version(fake, 1, 0), 3);
    cr_assert_eq(fake_position(fake, 0), 5);
    cr_assert_eq(fake->timeline_count, 8);
    cr_assert_eq(fake->partitions[0].stored.kafka_offset, 4, "of the last applied record itself");
    cr_assert_eq(fake->changed_version, 4);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS], "%s", fake->said[PROJECTOR_PROGRESS]);
    cr_assert_eq(fake_stat(fake, applied_total), 8);
}

Test(projector, given_several_events_of_one_batch_then_one_write)
{
    begin_with_three();
    int writes = fake->partitions[0].write_count;
    for (int32_t version = 4; version < 20; version++)
        fake_happen(fake, 0, 0, version);
    fake_turns(fake, 1);
    cr_assert_eq(fake_version(fake, 0, 0), 19);
    cr_assert_eq(fake->partitions[0].write_count, writes + 1);
}

Test(projector, given_a_cart_in_the_cache_then_it_is_not_loaded_again)
{
    begin_with_three();
    int loads = fake->loads;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 1);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->loads, loads);
}

Test(projector, given_no_cache_then_each_batch_loads_its_carts)
{
    fake_projector(fake, 0);
    begin_with_three();
    int loads = fake->loads;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 1);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->loads, loads + 1);
}

Test(projector, given_a_store_that_answers_few_carts_at_a_time_then_all_are_applied)
{
    for (int cart = 0; cart < 9; cart++)
        fake_happen(fake, 0, cart, 1);
    fake_turns(fake, 5);
    restart(); /* knows no cart */
    fake->load_max = 2;
    for (int cart = 8; cart >= 0; cart--)
        fake_happen(fake, 0, cart, 2);
    fake_turns(fake, 5);
    cr_assert_eq(fake_position(fake, 0), 18);
    for (int cart = 0; cart < 9; cart++)
        cr_assert_eq(fake_version(fake, 0, cart), 2);
    cr_assert_eq(fake_stat(fake, gaps_total), 0);
}

static void wait_for_loads(int count)
{
    int64_t until_us = clock_deadline_us(PATIENCE_MS);
    while (fake->loads < count) {
        cr_assert_lt(clock_monotonic_us(), until_us, "%d loads", fake->loads);
        usleep(1000);
    }
}

/* A load is a batch here. */
Test(projector, given_many_carts_to_load_when_it_is_stopped_then_it_ends_within_a_batch)
{
    enum { CARTS = 100, LOAD_US = 20000 };
    struct error error;
    for (int cart = 0; cart < CARTS; cart++)
        fake_happen(fake, 0, cart, 1);
    fake_turns(fake, 5);
    for (int cart = 0; cart < CARTS; cart++)
        fake_happen(fake, 0, cart, 2);
    fake_projector(fake, 0);
    fake->load_max = 1;
    fake->load_us = LOAD_US;
    cr_assert_eq(projector_start(fake->projector, &error), STATUS_OK);
    int loads = fake->loads;
    wait_for_loads(loads + 3);
    int64_t turned_at_us = fake_stat(fake, turned_at_us);
    wait_for_loads(loads + 6);
    cr_assert_gt(fake_stat(fake, turned_at_us), turned_at_us, "it turns with each batch");
    projector_stop(fake->projector);
    cr_assert_lt(fake->loads - loads, CARTS / 2, "it does not load all of them first");
    cr_assert_lt(fake_position(fake, 0), 2 * CARTS);
    fake->load_us = 0;
    restart();
    cr_assert_eq(fake_position(fake, 0), 2 * CARTS);
}

Test(projector, given_a_record_twice_then_it_is_applied_once)
{
    begin_with_three();
    fake_publish(fake, &fake->partitions[0].log[1]);
    fake_publish(fake, &fake->partitions[0].log[2]);
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 2);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake_stat(fake, duplicates_total), 2);
    cr_assert_eq(fake->timeline_count, 7);
}

Test(projector, given_a_gap_then_it_is_filled_from_the_log_and_the_topic_goes_on)
{
    begin_with_three();
    for (int32_t version = 4; version <= 8; version++)
        fake_log(fake, 0, 0, version);
    fake_happen(fake, 0, 0, 9);
    fake_happen(fake, 0, 0, 10);
    fake_turns(fake, 10);
    cr_assert_eq(fake_version(fake, 0, 0), 10);
    cr_assert_eq(fake_stat(fake, refilled_total), 5);
    cr_assert_eq(fake->last_after, 3);
    cr_assert_eq(fake->last_limit, 5, "not more than is missing");
    cr_assert_eq(fake_stat(fake, parked_total), 0);
}

Test(projector, given_a_gap_and_no_log_then_that_partition_waits_and_the_others_go_on)
{
    begin_with_three();
    fake->silent_partition = 0;
    fake_log(fake, 0, 0, 4);
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 5);
    for (int32_t version = 4; version <= 9; version++) {
        fake_happen(fake, 1, 0, version);
        fake_turns(fake, 1);
        cr_assert_eq(fake_version(fake, 1, 0), version);
    }
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_not(fake->said_ok[PROJECTOR_PROGRESS]);
    cr_assert_not_null(strstr(fake->said[PROJECTOR_PROGRESS], "positions 4 to 4 are missing"));
    cr_assert_eq(fake_stat(fake, partitions_waiting), 1);

    fake->silent_partition = -1;
    fake_pass_time(fake);
    cr_assert_eq(fake_version(fake, 0, 0), 5);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector, given_no_log_at_all_then_what_the_topic_has_is_applied)
{
    fake->log_answer = STATUS_UNAVAILABLE;
    begin_with_three();
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector, given_a_restart_then_the_last_applied_record_is_seen_again_and_nothing_asked)
{
    begin_with_three();
    fake_happen(fake, 0, 0, 4);
    restart();
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->event_requests, 0);
    cr_assert_eq(fake_stat(fake, duplicates_total), 2, "the last one of each partition");
}

Test(projector,
     given_a_restart_when_the_topic_has_lost_the_last_applied_record_then_the_log_is_asked)
{
    begin_with_three();
    fake->partitions[0].topic_end = 0; /* deleted and made again */
    fake_happen(fake, 0, 0, 4);
    restart();
    fake_turns(fake, 2);
    cr_assert_eq(fake->event_requests, 2, "what was applied last, and what came");
    cr_assert_eq(fake->last_after, 3);
    cr_assert_eq(fake->last_limit, 1);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake_stat(fake, gaps_total), 1);
}

Test(projector, given_a_topic_that_is_published_again_from_the_beginning_then_no_view_changes)
{
    begin_with_three();
    fake->partitions[0].topic_end = 0;
    for (int i = 0; i < 3; i++)
        fake_publish(fake, &fake->partitions[0].log[i]);
    size_t changed = fake->changed;
    restart();
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 3);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->changed, changed + 1);
    cr_assert_eq(fake->event_requests, 0);
}

/* The log after a restore: shorter than what was applied, or with other events there. */
static void restore_log(int16_t partition, int64_t end)
{
    fake->partitions[partition].log_end = end;
    fake->partitions[partition].topic_end = end;
}

Test(projector, given_a_log_that_took_another_course_then_its_partition_stops_and_nothing_is_mixed)
{
    begin_with_three();
    restore_log(0, 2);
    fake_happen(fake, 0, 1, 1)->event.event_id.bytes[0] = 99; /* another third event */
    fake->partitions[0].topic[2].content.event.event_id.bytes[0] = 99;
    fake_happen(fake, 0, 1, 2);
    fake_happen(fake, 1, 0, 4);
    restart();
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert_eq(fake_version(fake, 0, 1), 0);
    cr_assert_eq(fake_version(fake, 1, 0), 4, "the other partition goes on");
    cr_assert_not(fake->said_ok[PROJECTOR_PROGRESS]);
    cr_assert_not_null(strstr(fake->said[PROJECTOR_PROGRESS], "took another course"));
    cr_assert_eq(fake_stat(fake, partitions_stopped), 1);

    fake_forget_everything(fake, NULL);
    fake_pass_time(fake);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 4, "after a rebuild");
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector, given_a_log_that_is_shorter_than_what_was_applied_then_its_partition_stops)
{
    begin_with_three();
    restore_log(0, 2);
    restart();
    cr_assert_not_null(strstr(fake->said[PROJECTOR_PROGRESS], "the log ends at position 2"));
    fake_happen(fake, 0, 5, 1);
    fake_turns(fake, 5);
    cr_assert_eq(fake_version(fake, 0, 5), 0);
}

Test(projector, given_a_gap_when_the_log_is_shorter_than_what_was_applied_then_its_partition_stops)
{
    begin_with_three();
    fake_publish(fake, &fake->partitions[0].log[2])->content.event.position = 6;
    fake->partitions[0].log_end = 2;
    fake_turns(fake, 5);
    cr_assert_not_null(strstr(fake->said[PROJECTOR_PROGRESS], "took another course"));
    cr_assert_eq(fake->parked_count, 0);
    cr_assert_eq(fake_stat(fake, partitions_stopped), 1);
}

Test(projector, given_another_log_then_everything_stops_until_the_views_are_rebuilt)
{
    begin_with_three();
    fake->log_id = (struct uuid){{8}};
    restart();
    fake_happen(fake, 0, 0, 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_not_null(strstr(fake->said[PROJECTOR_PROGRESS], "rebuild them"));
    fake_forget_everything(fake, NULL);
    fake_pass_time(fake);
    fake_pass_time(fake);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->known_log.bytes[0], 8);
}

Test(projector, given_a_record_that_contradicts_the_log_then_it_is_set_aside)
{
    begin_with_three();
    fake_publish(fake, &fake->partitions[0].log[2])->content.event.event_id.bytes[0] = 99;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 10);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake->parked[0].position, 0);
    cr_assert_eq(fake->parked[0].offset, 3);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector, given_a_record_beyond_the_end_of_the_log_then_it_is_set_aside)
{
    begin_with_three();
    fake_publish(fake, &fake->partitions[0].log[2])->content.event.position = 1000;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 10);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake->event_requests, 0);
}

/* Positions that were beyond the end of the log when they came, and are not any more. */
static void given_records_of_another_log(void)
{
    begin_with_three();
    for (int64_t position = 6; position <= 9; position++)
        fake_publish(fake, &fake->partitions[0].log[2])->content.event.position = position;
    fake_turns(fake, 20);
    for (int32_t version = 4; version <= 12; version++)
        fake_happen(fake, 0, 0, version);
    fake_turns(fake, 5);
    cr_assert_eq(fake_version(fake, 0, 0), 12);
    cr_assert_eq(fake->parked_count, 4);
}

static void then_none_takes_a_place(void)
{
    fake_pass_time(fake);
    fake_pass_time(fake);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS], "%s", fake->said[PROJECTOR_PROGRESS]);
    cr_assert_eq(fake_version(fake, 0, 0), 12);
    cr_assert_eq(fake->parked_count, 4);
    cr_assert_not(fake->parked[0].has_cart);
    cr_assert_eq(fake_stat(fake, refilled_total), 0, "the topic has all of it");
}

Test(projector, given_records_of_another_log_when_views_are_made_again_then_they_are_set_aside_too)
{
    given_records_of_another_log();
    fake_forget_everything(fake, NULL);
    restart();
    then_none_takes_a_place();
}

Test(projector, given_records_of_another_log_when_views_are_made_again_from_among_them_then_too)
{
    for (int64_t position = 3; position <= 10; position++) {
        given_records_of_another_log();
        fake_rewind(fake, 0, position);
        restart();
        then_none_takes_a_place();
        tear_down();
        set_up();
    }
}

Test(projector, given_a_record_that_does_not_say_what_it_is_then_it_is_set_aside_once)
{
    begin_with_three();
    fake_publish(fake, &fake->partitions[0].log[2])->is_unreadable = true;
    fake_turns(fake, 3);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_not(fake->parked[0].has_cart);
    cr_assert_eq(fake_position(fake, 0), 3);
    restart();
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 3);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
}

Test(projector, given_a_record_of_a_cart_of_another_partition_then_it_is_set_aside)
{
    begin_with_three();
    struct fake_record *record = fake_publish(fake, &fake->partitions[0].log[2]);
    record->content.event.cart_id = fake_cart_id(1, 0);
    record->content.event.position = 4;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 3);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
}

/* Version 4 of the first cart is of a type that nobody knows. */
static void happen_alien(void)
{
    struct fake_event *made = fake_log(fake, 0, 0, 4);
    snprintf(made->type, sizeof(made->type), "ItemTeleported");
    fake_publish(fake, made);
}

Test(projector, given_an_event_that_cannot_be_applied_then_its_cart_is_parked_and_the_others_go_on)
{
    begin_with_three();
    int64_t applied = fake_stat(fake, applied_total);
    happen_alien();
    fake_happen(fake, 0, 1, 1);
    fake_happen(fake, 0, 0, 5);
    fake_happen(fake, 0, 1, 2);
    fake_turns(fake, 2);
    cr_assert_eq(fake_stat(fake, applied_total), applied + 2);
    cr_assert_eq(fake_position(fake, 0), 7);
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_eq(fake_version(fake, 0, 1), 2);
    cr_assert_eq(fake->parked_count, 2);
    fake_happen(fake, 0, 0, 6);
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 3, "later ones wait with it");
    cr_assert_not(fake->said_ok[PROJECTOR_PARKED]);
    cr_assert_str_eq(fake->said[PROJECTOR_PARKED], "1 carts are parked");
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
    cr_assert(fake->parked[0].is_dead_lettered && fake->parked[2].is_dead_lettered);
    cr_assert_eq(fake_stat(fake, dead_lettered_total), 3);
}

Test(projector, given_a_dead_letter_topic_that_is_away_then_dead_letters_are_sent_later)
{
    fake->is_dead_topic_down = true;
    begin_with_three();
    happen_alien();
    fake_pass_time(fake);
    cr_assert_not(fake->parked[0].is_dead_lettered);
    fake->is_dead_topic_down = false;
    for (int i = 0; i < 5; i++)
        fake_pass_time(fake);
    cr_assert(fake->parked[0].is_dead_lettered);
}

Test(projector, given_dead_letters_that_never_fit_then_the_ones_behind_them_are_sent)
{
    begin_with_three();
    happen_alien();
    for (int32_t version = 5; version < 5 + DEAD_LETTERS_MAX; version++)
        fake_happen(fake, 0, 0, version);
    fake->never_taken_until = DEAD_LETTERS_MAX;
    for (int i = 0; i < 10; i++)
        fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, DEAD_LETTERS_MAX + 1);
    cr_assert_not(fake->parked[0].is_dead_lettered);
    cr_assert(fake->parked[DEAD_LETTERS_MAX].is_dead_lettered);
    fake->never_taken_until = 0;
    for (int i = 0; i < 20; i++)
        fake_pass_time(fake);
    cr_assert(fake->parked[0].is_dead_lettered, "they are tried again");
}

Test(projector, given_a_parked_event_from_the_log_then_it_is_kept_as_the_topic_would_have_had_it)
{
    begin_with_three();
    struct fake_event *made = fake_log(fake, 0, 0, 4);
    snprintf(made->type, sizeof(made->type), "ItemTeleported");
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 10);
    cr_assert_eq(fake->parked_count, 2);
    cr_assert_str_eq(fake->parked[0].content.type, "ItemTeleported");
    cr_assert_eq(fake->parked[0].position, 4);
}

Test(projector, given_a_version_that_is_not_the_next_then_its_cart_is_parked)
{
    begin_with_three();
    fake_happen(fake, 0, 0, 6);
    fake_turns(fake, 2);
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake_position(fake, 0), 4);
}

Test(projector, given_parked_events_when_the_program_was_mended_then_the_start_replays_them)
{
    begin_with_three();
    happen_alien();
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 2);
    snprintf(fake->parked[0].content.type, sizeof(fake->parked[0].content.type), "ItemAdded");
    restart();
    cr_assert_eq(fake_version(fake, 0, 0), 5);
    cr_assert_eq(fake->parked_count, 0);
    cr_assert_eq(fake_stat(fake, applied_total), 2);
    fake_happen(fake, 0, 0, 6);
    fake_turns(fake, 3);
    cr_assert_eq(fake_version(fake, 0, 0), 6, "it is not parked any more");
}

Test(projector, given_many_parked_carts_when_it_starts_then_the_others_do_not_wait_for_them)
{
    enum { PARKED_CARTS = 30 };
    begin_with_three();
    for (int cart = 1; cart <= PARKED_CARTS; cart++) {
        struct fake_event *made = fake_log(fake, 0, cart, 1);
        snprintf(made->type, sizeof(made->type), "CartTeleported");
        fake_publish(fake, made);
    }
    fake_turns(fake, 5);
    cr_assert_eq(fake->parked_count, PARKED_CARTS);
    for (int i = 0; i < PARKED_CARTS; i++)
        snprintf(fake->parked[i].content.type, sizeof(fake->parked[i].content.type), "CartCreated");
    fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 1, 0, 4);
    restart();
    cr_assert_eq(fake_version(fake, 0, 0), 4, "in their partition");
    cr_assert_eq(fake_version(fake, 1, 0), 4, "and elsewhere");
    cr_assert_gt(fake->parked_count, 20);
    int32_t version = 4;
    while (fake->parked_count > 0 && version < PARKED_CARTS) {
        fake_happen(fake, 0, 0, ++version);
        fake_turns(fake, 2);
        cr_assert_eq(fake_version(fake, 0, 0), version);
    }
    for (int cart = 1; cart <= PARKED_CARTS; cart++)
        fake_happen(fake, 0, cart, 2);
    fake_turns(fake, 5);
    cr_assert_eq(fake->parked_count, 0, "those that were parked go on");
    cr_assert_eq(fake_version(fake, 0, PARKED_CARTS), 2);
    cr_assert_eq(fake_stat(fake, stale_total), 0);
}

Test(projector, given_a_replay_beside_a_running_projector_then_its_cache_is_not_trusted)
{
    begin_with_three();
    happen_alien();
    fake_turns(fake, 2);
    snprintf(fake->parked[0].content.type, sizeof(fake->parked[0].content.type), "ItemAdded");
    struct replay_result result;
    cr_assert_eq(parked_replay(&fake->store_port, &result, NULL), STATUS_OK);
    cr_assert_eq(result.carts_freed, 1);
    cr_assert_eq(result.events_applied, 1);
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 5);
    cr_assert_eq(fake_version(fake, 0, 0), 5);
    cr_assert_eq(fake_stat(fake, stale_total), 1);
}

Test(projector, given_parked_events_that_still_cannot_be_applied_then_they_stay)
{
    begin_with_three();
    happen_alien();
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 2);
    struct replay_result result;
    cr_assert_eq(parked_replay(&fake->store_port, &result, NULL), STATUS_OK);
    cr_assert_eq(result.carts_left, 1);
    cr_assert_eq(fake->parked_count, 2);
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_not(fake->is_replaying);
}

Test(projector, given_a_partition_that_somebody_else_moved_then_nothing_of_it_is_written)
{
    begin_with_three();
    /* A frozen process wakes up: another one has applied the fourth event. */
    struct fake_event *fourth = fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 1, 0, 4);
    fake->partitions[0].stored.position = 4;
    fake->partitions[0].stored.event_id = fourth->event.event_id;
    fake->partitions[0].stored.kafka_offset = 3;
    size_t changed = fake->changed;
    fake->now_us += 20000;
    projector_turn(fake->projector);
    cr_assert_eq(fake_version(fake, 0, 0), 3, "not ours to write");
    cr_assert_eq(fake_version(fake, 1, 0), 4, "the other partition is");
    cr_assert_eq(fake->changed, changed + 1);
    cr_assert_eq(fake_stat(fake, stale_total), 1);
    fake_happen(fake, 0, 1, 1);
    fake_turns(fake, 5);
    cr_assert_eq(fake_position(fake, 0), 5);
    cr_assert_eq(fake_version(fake, 0, 1), 1);
}

Test(projector, given_a_revoked_partition_then_nothing_of_it_is_written)
{
    begin_with_three();
    fake_change(fake, FEED_REVOKED, 0);
    fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 1, 0, 4);
    fake_turns(fake, 3);
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert_eq(fake_position(fake, 1), 4);
    cr_assert_eq(fake_stat(fake, partitions_assigned), 1);
}

/* Views kept in memory depend on these announcements. */
Test(projector, given_a_write_then_it_was_announced_and_over_in_the_end)
{
    cr_assert_not(fake->is_held[0]);
    begin_with_three();
    cr_assert(fake->is_held[0] && fake->is_held[1]);
    size_t announced = fake->announced_carts;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 1);
    cr_assert_eq(fake->announced_carts, announced + 1);
    cr_assert_eq(fake->open_writes, 0);

    fake_happen(fake, 0, 0, 5);
    fake->write_answer = STATUS_UNCERTAIN;
    fake->now_us += 20000;
    projector_turn(fake->projector);
    cr_assert_eq(fake->announced_carts, announced + 2);
    cr_assert_eq(fake->open_writes, 0);
    cr_assert_not(fake->is_held[0], "what the store has now is not known");
    fake->write_answer = STATUS_OK;
    fake_pass_time(fake);
    cr_assert(fake->is_held[0]);

    fake_change(fake, FEED_REVOKED, 0);
    fake_turns(fake, 1);
    cr_assert_not(fake->is_held[0]);
    cr_assert(fake->is_held[1]);
}

Test(projector, given_a_store_that_is_gone_then_nothing_is_lost_and_it_goes_on_by_itself)
{
    begin_with_three();
    fake->store_answer = STATUS_UNAVAILABLE;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 30);
    cr_assert_not(fake->said_ok[PROJECTOR_PROGRESS]);
    cr_assert_not_null(strstr(fake->said[PROJECTOR_PROGRESS], "the database is gone"));
    fake->store_answer = STATUS_OK;
    fake->now_us += 500000;
    fake_turns(fake, 3);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector, given_an_uncertain_write_that_was_done_then_it_is_not_done_twice)
{
    begin_with_three();
    fake->write_answer = STATUS_UNCERTAIN;
    fake_happen(fake, 0, 0, 4);
    fake_turns(fake, 1);
    fake->write_answer = STATUS_OK;
    fake_happen(fake, 0, 0, 5);
    fake_pass_time(fake);
    cr_assert_eq(fake_version(fake, 0, 0), 5);
    cr_assert_eq(fake->timeline_count, 8);
}

Test(projector, given_an_event_that_the_store_refuses_then_only_its_cart_is_parked)
{
    begin_with_three();
    fake->refused_events[0] = fake_happen(fake, 0, 0, 4)->event.event_id;
    fake_happen(fake, 0, 1, 1);
    fake_happen(fake, 1, 0, 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 5);
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_eq(fake_version(fake, 0, 1), 1);
    cr_assert_eq(fake_version(fake, 1, 0), 4);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_str_eq(fake->parked[0].reason, "such data cannot be stored");
}

Test(projector, given_a_rebuild_beside_an_idle_projector_then_it_begins_again_by_itself)
{
    begin_with_three();
    fake_forget_everything(fake, NULL);
    cr_assert_eq(fake_version(fake, 0, 0), 0);
    fake->now_us += (int64_t)PROJECTOR_RECHECK_MS * MICROSECONDS_PER_MILLISECOND;
    fake_turns(fake, 5);
    cr_assert_eq(fake_version(fake, 0, 0), 3);
    cr_assert_eq(fake_version(fake, 1, 0), 3);
    cr_assert_eq(fake_position(fake, 0), 3);
}

Test(projector, given_a_feed_that_cannot_start_then_it_is_tried_again)
{
    fake->start_answer = STATUS_UNAVAILABLE;
    fake_happen(fake, 0, 0, 1);
    fake_turns(fake, 5);
    cr_assert_eq(fake_position(fake, 0), 0);
    fake->start_answer = STATUS_OK;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 1);
}

Test(projector, given_a_question_when_the_log_moves_on_then_an_older_answer_is_not_used)
{
    fake_turns(fake,
               1); /* assigned; the log's state has been asked for, and is answered next turn */
    fake_happen(fake, 0, 0, 1);
    fake_log(fake, 0, 0, 2);
    fake_happen(fake, 0, 0, 3);
    fake_turns(fake, 10);
    cr_assert_eq(fake->parked_count, 0, "position 3 is not beyond the end");
    cr_assert_eq(fake_version(fake, 0, 0), 3);
}

Test(projector, tells_the_group_how_far_it_is)
{
    begin_with_three();
    fake_pass_time(fake);
    cr_assert_eq(fake->partitions[0].committed_offset, 3);
    cr_assert_eq(fake_stat(fake, lag_events), 0);
}
