#include "clock.h"
#include "fake_projector_ports.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* A log, a store, a topic or a group that gives a wrong answer, or answers at a bad moment. */
static struct fake *fake;

/* Three events of one cart in each partition, applied. */
static void begin(void)
{
    fake = fake_new();
    fake_projector(fake, 1 << 20);
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
        for (int32_t version = 1; version <= 3; version++)
            fake_happen(fake, p, 0, version);
    fake_turns(fake, 5);
    cr_assert_eq(fake->partitions[0].stored.position, 3);
    cr_assert_eq(fake->partitions[1].stored.position, 3);
}
static void end(void)
{
    fake_free(fake);
}
TestSuite(projector_trouble, .init = begin, .fini = end);

static bool says(const char *words)
{
    return !fake->said_ok[PROJECTOR_PROGRESS] &&
           strstr(fake->said[PROJECTOR_PROGRESS], words) != NULL;
}

static void restart(void)
{
    fake_projector(fake, 1 << 20);
    fake_turns(fake, 5);
}

Test(projector_trouble, given_a_topic_with_more_partitions_than_the_log_then_it_says_so)
{
    fake_change(fake, FEED_ASSIGNED, 0); /* room for the one beyond */
    fake->changes[0].partition = FAKE_PARTITIONS;
    fake_turns(fake, 1);
    cr_assert(says("the topic has a partition 2, the log only 2"));
    fake->changes[fake->change_count++] = (struct feed_change){FEED_REVOKED, FAKE_PARTITIONS};
    fake_pass_time(fake);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector_trouble, given_records_of_a_partition_that_is_revoked_with_them_then_none_is_applied)
{
    fake_change(fake, FEED_REVOKED, 0);
    fake->partitions[0].is_dropped = true;
    fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 1, 0, 4);
    fake_turns(fake, 2);
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert_eq(fake_position(fake, 1), 4);
    cr_assert_eq(fake->parked_count, 0);
}

/* A gap in partition 0, whose events the log does not answer yet. */
static void begin_to_ask(void)
{
    fake_log(fake, 0, 0, 4);
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 2); /* the log's state */
    fake->log_answer = STATUS_CONFLICT;
    fake_turns(fake, 2);
    cr_assert_eq(fake->event_requests, 1);
}

Test(projector_trouble, given_an_answer_about_a_partition_that_was_revoked_then_it_is_not_used)
{
    begin_to_ask();
    fake_change(fake, FEED_REVOKED, 0);
    fake_turns(fake, 1);
    fake->log_answer = STATUS_OK;
    fake_turns(fake, 3);
    cr_assert_eq(fake_position(fake, 0), 3);
    fake_change(fake, FEED_ASSIGNED, 0);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 5);
}

Test(projector_trouble, given_no_answer_about_a_partition_that_was_revoked_then_the_others_go_on)
{
    begin_to_ask();
    fake_change(fake, FEED_REVOKED, 0);
    fake_turns(fake, 1);
    fake->log_answer = STATUS_UNAVAILABLE;
    fake_happen(fake, 1, 0, 4);
    fake_turns(fake, 3);
    cr_assert_eq(fake_position(fake, 1), 4);
    cr_assert_eq(fake_stat(fake, log_failures_total), 0);
}

Test(projector_trouble, given_an_answer_about_a_partition_that_came_back_then_it_is_not_used)
{
    begin_to_ask();
    fake->partitions[0].topic_end = 3; /* no reason to ask again */
    fake_change(fake, FEED_REVOKED, 0);
    fake_change(fake, FEED_ASSIGNED, 0);
    fake_turns(fake, 2);
    int starts = fake->starts;
    fake->log_answer = STATUS_OK;
    fake_turns(fake, 1);
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert_eq(fake->starts, starts);
    fake_publish(fake, &fake->partitions[0].log[4]);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 5);
}

Test(projector_trouble, given_another_log_when_a_partition_is_not_ours_then_only_ours_stop)
{
    fake->log_id = (struct uuid){{8}};
    fake_projector(fake, 1 << 20);
    fake->change_count = 1; /* partition 1 belongs to another process */
    fake_pass_time(fake);
    cr_assert(says("rebuild them"));
    cr_assert_eq(fake_stat(fake, partitions_stopped), 1);
}

Test(projector_trouble, given_another_log_when_the_right_one_is_back_then_it_goes_on)
{
    struct uuid ours = fake->log_id;
    fake->log_id = (struct uuid){{8}};
    restart();
    fake_pass_time(fake);
    cr_assert(says("rebuild them"));
    fake->log_id = ours;
    fake_happen(fake, 0, 0, 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 4);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);
}

Test(projector_trouble,
     given_a_log_of_another_partition_count_when_none_is_known_then_it_is_not_ours)
{
    struct uuid ours = fake->log_id;
    fake->is_log_known = false;
    fake->log_id = (struct uuid){{8}};
    fake->log_partitions = 1;
    restart();
    fake_happen(fake, 0, 0, 4);
    for (int i = 0; i < 3; i++) {
        fake_pass_time(fake);
        cr_assert(says("the log has 1 partitions, not 2"));
    }
    cr_assert_eq(fake_position(fake, 0), 3);
    fake->log_id = ours;
    fake->log_partitions = FAKE_PARTITIONS;
    fake_pass_time(fake);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 4);
    cr_assert(uuid_equal(&fake->known_log, &ours));
}

/* The events 4 and 5 are asked for; the log answers with others until it is mended. */
static void ask_for_two(void)
{
    fake_log(fake, 0, 0, 4);
    fake_log(fake, 0, 0, 5);
    fake_happen(fake, 0, 0, 6);
}

Test(projector_trouble, given_an_answer_without_the_events_asked_for_then_it_says_so_and_asks_again)
{
    static const int asked[] = {6, 4}; /* the record that came, then what is missing */
    ask_for_two();
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        struct fake_event *made = &fake->partitions[0].log[asked[i] - 1];
        made->event.position = 70;
        fake_pass_time(fake);
        cr_assert_eq(fake_position(fake, 0), 3);
        cr_assert(says("the log's answer has not the events asked for"));
        made->event.position = asked[i];
    }
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 6);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_trouble, given_an_answer_without_the_event_to_compare_with_then_nothing_is_applied)
{
    fake->partitions[0].topic_end = 0; /* the topic lost what was applied */
    ask_for_two();
    fake->partitions[0].log[2].event.position = 70;
    restart();
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert(says("the log's answer has not the events asked for"));
    /* Event 3 is seen again, but event 4 is still missing in the answer. */
    fake->partitions[0].log[2].event.position = 3;
    fake->partitions[0].log[3].event.position = 70;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 3);
    fake->partitions[0].log[3].event.position = 4;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 6);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_trouble, given_an_answer_with_two_events_at_a_position_then_the_second_is_not_used)
{
    ask_for_two();
    fake->partitions[0].log[4].event.position = 4;
    fake_turns(fake, 5);
    cr_assert_eq(fake_position(fake, 0), 4);
    fake->partitions[0].log[4].event.position = 5;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 6);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_trouble, given_an_answer_of_another_course_then_the_rest_of_it_is_not_used)
{
    fake->partitions[0].topic_end = 0;
    ask_for_two();
    fake->partitions[0].log[2].event.event_id.bytes[0] = 99;
    restart();
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert(says("took another course"));
}

Test(projector_trouble, given_a_junk_record_when_another_one_is_at_its_offset_then_that_is_applied)
{
    fake_publish(fake, &fake->partitions[0].log[2])->content.event.position = 1000;
    fake_turns(fake, 5);
    cr_assert_eq(fake->parked_count, 1);
    fake->partitions[0].topic_end = 3; /* made again */
    fake_happen(fake, 0, 0, 4);
    fake->partitions[0].next_offset = 3;
    fake_turns(fake, 2);
    cr_assert_eq(fake_position(fake, 0), 4);
    cr_assert_eq(fake->parked_count, 1);
}

/* The topic begins with event 5 of a log that lost that event when it was restored. Then the topic
 * is re-created, and another event 5 happens. */
Test(projector_trouble, given_a_junk_record_when_another_event_takes_its_place_then_that_is_applied)
{
    fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 0, 0, 5);
    fake->partitions[0].topic[4].content.event.event_id.bytes[0] = 99;
    fake->partitions[0].log_end = 4;
    fake->partitions[0].next_offset = 4;
    fake_turns(fake, 5);
    cr_assert_eq(fake->parked_count, 1);
    fake->partitions[0].topic_end = 4;
    fake_happen(fake, 0, 0, 5);
    fake->partitions[0].next_offset = 3;
    fake_turns(fake, 3);
    cr_assert_eq(fake_position(fake, 0), 5);
    cr_assert_eq(fake->parked_count, 1);
}

Test(projector_trouble, given_a_store_that_takes_neither_an_event_nor_its_parking_then_it_waits)
{
    fake->write_answer = STATUS_CONFLICT;
    fake_happen(fake, 0, 0, 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 3);
    cr_assert_gt(fake_stat(fake, store_failures_total), 0);
    fake->write_answer = STATUS_OK;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 4);
}

Test(projector_trouble, given_a_store_that_does_not_take_a_junk_record_then_it_waits)
{
    fake->write_answer = STATUS_INVALID;
    fake_publish(fake, &fake->partitions[0].log[2])->is_unreadable = true;
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 0);
    cr_assert_gt(fake_stat(fake, store_failures_total), 0);
    fake->write_answer = STATUS_OK;
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 1);
}

Test(projector_trouble, given_a_refused_event_when_another_takes_its_place_then_that_is_applied)
{
    fake->refused_events[0] = fake_happen(fake, 0, 0, 4)->event.event_id;
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 1);
    /* Log and views were put back; another event happened instead. */
    fake_forget_everything(fake, NULL);
    fake->partitions[0].log_end = fake->partitions[0].topic_end = 3;
    struct fake_event *made = fake_log(fake, 0, 0, 4);
    made->event.event_id.bytes[0] = 99;
    fake_publish(fake, made);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 4);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_trouble, given_a_refused_event_when_views_are_made_again_then_it_is_tried_again)
{
    fake->refused_events[0] = fake_happen(fake, 0, 0, 4)->event.event_id;
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 1);
    fake->refused_events[0] = (struct uuid){0}; /* the store was mended */
    fake_forget_everything(fake, NULL);
    fake_pass_time(fake);
    cr_assert_eq(fake_version(fake, 0, 0), 4);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_trouble, given_refused_events_in_two_partitions_then_both_carts_are_parked)
{
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++) {
        fake->refused_events[p] = fake_happen(fake, p, 0, 4)->event.event_id;
        fake_happen(fake, p, 1, 1);
    }
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 2);
    cr_assert_eq(fake_position(fake, 0), 5);
    cr_assert_eq(fake_position(fake, 1), 5);
    cr_assert_str_eq(fake->parked[0].reason, "such data cannot be stored");
}

Test(projector_trouble, given_a_stopped_partition_when_the_store_fails_then_it_stays_stopped)
{
    fake->partitions[0].log_end = fake->partitions[0].topic_end = 2;
    restart();
    cr_assert(says("the log ends at position 2"));
    fake->store_answer = STATUS_INTERNAL;
    fake_happen(fake, 1, 1, 1);
    fake_turns(fake, 5);
    cr_assert_gt(fake_stat(fake, store_failures_total), 0);
    cr_assert(says("the log ends at position 2"));
    fake->store_answer = STATUS_OK;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 1), 4);
    cr_assert_eq(fake_stat(fake, partitions_stopped), 1);
}

Test(projector_trouble, given_nothing_to_do_when_the_store_fails_then_it_says_so)
{
    fake_pass_time(fake);
    fake->store_answer = STATUS_UNAVAILABLE;
    fake_pass_time(fake);
    fake_turns(fake, 100);
    cr_assert(says("the database is gone"));
    fake->store_answer = STATUS_OK;
    fake->now_us += PROJECTOR_RETRY_MAX_MS * MICROSECONDS_PER_MILLISECOND;
    fake_turns(fake, 2);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS], "it tries often enough");
}

Test(projector_trouble, given_a_store_that_fails_then_the_lag_is_from_where_it_was)
{
    fake_pass_time(fake);
    cr_assert_eq(fake_stat(fake, lag_us), 0);
    fake->store_answer = STATUS_UNAVAILABLE;
    fake_happen(fake, 0, 0, 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_stat(fake, lag_events), 1);
    cr_assert_gt(fake_stat(fake, lag_us), 0);
    fake->store_answer = STATUS_OK;
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_stat(fake, lag_events), 0);
    cr_assert_eq(fake_stat(fake, lag_us), 0);
}

Test(projector_trouble, given_a_stored_view_that_cannot_be_read_then_only_its_cart_is_parked)
{
    fake_projector(fake, 0);
    fake_turns(fake, 5);
    fake_find(fake, &fake->partitions[0].log[0].event.cart_id)->body[0] = 'x';
    fake_happen(fake, 0, 0, 4);
    fake_happen(fake, 0, 1, 1);
    fake_happen(fake, 0, 0, 5);
    fake_happen(fake, 1, 0, 4);
    fake_turns(fake, 20);
    cr_assert_eq(fake_position(fake, 0), 6);
    cr_assert_eq(fake_position(fake, 1), 4);
    cr_assert_eq(fake->parked_count, 2);
    cr_assert_str_eq(fake->parked[0].reason,
                     "the stored view of its cart cannot be read: rebuild the views");
    cr_assert_eq(fake->parked[0].position, 4);
    cr_assert_eq(fake->parked[1].position, 6);
    fake_forget_everything(fake, NULL);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 6);
    cr_assert_eq(fake->parked_count, 0);
}

/* Version 4 of the first cart is in the log only, and of a type that nobody knows. */
static void log_alien(const char *type, struct str metadata)
{
    struct fake_event *made = fake_log(fake, 0, 0, 4);
    snprintf(made->type, sizeof(made->type), "%s", type);
    made->event.metadata = metadata;
    fake_happen(fake, 0, 1, 1);
    fake_turns(fake, 10);
    cr_assert_eq(fake_position(fake, 0), 5);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert_eq(fake->parked[0].position, 4);
}

Test(projector_trouble, given_a_parked_event_whose_metadata_fits_no_record_then_it_is_kept_without)
{
    static char metadata[CLOUD_EVENT_TEXT_MAX + 100];
    snprintf(metadata, sizeof(metadata), "{\"correlationId\":\"%0*d\"}", CLOUD_EVENT_TEXT_MAX, 0);
    log_alien("ItemTeleported", str_from(metadata));
    cr_assert(fake->parked[0].is_record);
    cr_assert_str_eq(fake->parked[0].reason, "unknown event type ItemTeleported");
}

Test(projector_trouble, given_a_parked_event_that_fits_no_record_then_its_place_is_kept)
{
    log_alien("Item\x01", STR_LITERAL("{}"));
    cr_assert_not(fake->parked[0].is_record);
    cr_assert_str_eq(fake->parked[0].reason, "unknown event type Item?");
}

/* Version 4 of the first cart is of a type that nobody knows. */
static void happen_alien(void)
{
    struct fake_event *made = fake_log(fake, 0, 0, 4);
    snprintf(made->type, sizeof(made->type), "ItemTeleported");
    fake_publish(fake, made);
}

Test(projector_trouble, given_a_parked_cart_when_its_partition_is_revoked_then_others_tell_of_it)
{
    happen_alien();
    for (int i = 0; i < 5; i++)
        fake_pass_time(fake);
    cr_assert_eq(fake_stat(fake, parked_carts), 1);
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
        fake_change(fake, FEED_REVOKED, p);
    fake_pass_time(fake);
    cr_assert_eq(fake_stat(fake, parked_carts), 0);
    cr_assert(fake->said_ok[PROJECTOR_PARKED]);
}

Test(projector_trouble, given_dead_letters_on_their_way_then_no_others_are_sent)
{
    fake->is_dead_topic_slow = true;
    happen_alien();
    for (int i = 0; i < 5; i++)
        fake_pass_time(fake);
    cr_assert_eq(fake->delivered_count, 1);
    fake->is_dead_topic_slow = false;
    fake_turns(fake, 2);
    cr_assert(fake->parked[0].is_dead_lettered);
}

Test(projector_trouble, given_dead_letters_that_get_lost_then_they_are_sent_again)
{
    fake->is_dead_topic_losing = true;
    happen_alien();
    fake_turns(fake, 500);
    cr_assert_not(fake->parked[0].is_dead_lettered);
    fake->is_dead_topic_losing = false;
    for (int i = 0; i < 5; i++)
        fake_pass_time(fake);
    cr_assert(fake->parked[0].is_dead_lettered);
}

Test(projector_trouble, given_dead_letters_that_cannot_be_marked_then_they_are_sent_again)
{
    fake->mark_answer = STATUS_UNAVAILABLE;
    happen_alien();
    fake_pass_time(fake);
    cr_assert_eq(fake_stat(fake, dead_lettered_total), 0);
    fake->mark_answer = STATUS_OK;
    for (int i = 0; i < 5; i++)
        fake_pass_time(fake);
    cr_assert(fake->parked[0].is_dead_lettered);
    cr_assert_eq(fake_stat(fake, dead_lettered_total), 1);
}

enum { PARKED_CARTS = 10 };

/* Parked carts that a mended program can apply, when it has started again. */
static void begin_with_parked(void)
{
    for (int cart = 1; cart <= PARKED_CARTS; cart++) {
        struct fake_event *made = fake_log(fake, 0, cart, 1);
        snprintf(made->type, sizeof(made->type), "CartTeleported");
        fake_publish(fake, made);
    }
    fake_turns(fake, 5);
    cr_assert_eq(fake->parked_count, PARKED_CARTS);
    for (int i = 0; i < PARKED_CARTS; i++)
        snprintf(fake->parked[i].content.type, sizeof(fake->parked[i].content.type), "CartCreated");
    fake_projector(fake, 1 << 20);
    fake_turns(fake, 1);
    cr_assert_gt(fake->parked_count, 0);
}

static void then_replayed(int carts)
{
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 0);
    for (int cart = 1; cart <= carts; cart++) {
        struct uuid id = fake_cart_id(0, cart);
        cr_assert_not_null(fake_find(fake, &id));
        cr_assert_geq(fake_find(fake, &id)->version, 1);
    }
}

Test(projector_trouble, given_a_step_of_the_replay_that_fails_then_it_is_tried_again)
{
    fake->replay_answer = STATUS_UNAVAILABLE;
    begin_with_parked();
    fake_turns(fake, 5);
    cr_assert_eq(fake->parked_count, PARKED_CARTS);
    cr_assert_not(fake->is_replaying);
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
        fake_happen(fake, p, 0, 4);
    fake_pass_time(fake);
    cr_assert_eq(fake_position(fake, 0), 3 + PARKED_CARTS + 1, "the others do not wait for it");
    cr_assert_eq(fake_position(fake, 1), 4);
    fake->replay_answer = STATUS_OK;
    then_replayed(PARKED_CARTS);
}

Test(projector_trouble, given_a_parked_cart_that_the_store_refuses_then_the_others_are_replayed)
{
    begin_with_parked();
    fake->refused_events[0] = fake->parked[0].content.event.event_id;
    fake_pass_time(fake);
    cr_assert_eq(fake->parked_count, 1);
    cr_assert(uuid_equal(&fake->parked[0].content.event.event_id, &fake->refused_events[0]));
    cr_assert_not(fake->is_replaying);
}

Test(projector_trouble, given_a_parked_cart_in_the_cache_when_it_is_replayed_then_it_goes_on)
{
    begin_with_parked();
    fake_turns(fake, 1);
    fake_happen(fake, 0, PARKED_CARTS, 2); /* waits behind the parked one */
    then_replayed(PARKED_CARTS);
    fake_happen(fake, 0, PARKED_CARTS, 3);
    fake_turns(fake, 3);
    struct uuid last = fake_cart_id(0, PARKED_CARTS);
    cr_assert_eq(fake_find(fake, &last)->version, 3);
    cr_assert_eq(fake_stat(fake, stale_total), 0);
}

Test(projector_trouble, given_another_replay_beside_ours_then_the_partition_is_read_again)
{
    begin_with_parked();
    fake_turns(fake, 1);
    fake->partitions[0].stored.epoch++;
    fake_turns(fake, 1);
    fake_happen(fake, 0, 0, 4);
    then_replayed(PARKED_CARTS);
    cr_assert_eq(fake_position(fake, 0), 3 + PARKED_CARTS + 1);
}

Test(projector_trouble, given_a_gap_when_parked_carts_are_replayed_then_both_go_on)
{
    begin_with_parked();
    fake->silent_partition = 0;
    fake_log(fake, 0, 0, 4);
    fake_happen(fake, 0, 0, 5);
    fake_turns(fake, 5);
    cr_assert_eq(fake_stat(fake, partitions_waiting), 1);
    cr_assert_gt(fake->parked_count, 0);
    fake->silent_partition = -1;
    then_replayed(PARKED_CARTS);
    cr_assert_eq(fake_position(fake, 0), 3 + PARKED_CARTS + 2);
}

/* One event of each of many carts, in one go. */
static void happen_to_many(int32_t version)
{
    for (int cart = 1; cart <= 40; cart++)
        fake_happen(fake, 0, cart, version);
}

Test(projector_trouble, given_more_than_the_store_does_in_time_then_it_is_given_less)
{
    fake->rows_max = 3;
    happen_to_many(1);
    fake_turns(fake, 200);
    cr_assert_eq(fake_position(fake, 0), 43);
    cr_assert(fake->said_ok[PROJECTOR_PROGRESS]);

    restart(); /* now the carts have to be loaded, too */
    happen_to_many(2);
    fake_turns(fake, 200);
    cr_assert_eq(fake_position(fake, 0), 83);
    cr_assert_eq(fake->timeline_count, 86);
    cr_assert_eq(fake->parked_count, 0);
}

Test(projector_trouble, given_a_store_that_is_quick_again_then_batches_grow)
{
    fake->rows_max = 3;
    happen_to_many(1);
    fake_turns(fake, 200);
    fake->rows_max = 0;
    happen_to_many(2);
    fake_turns(fake, 200);
    int64_t failures = fake_stat(fake, store_failures_total);
    int writes = fake->partitions[0].write_count;
    happen_to_many(3);
    fake_turns(fake, 200);
    cr_assert_eq(fake_position(fake, 0), 123);
    cr_assert_eq(fake_stat(fake, store_failures_total), failures);
    cr_assert_leq(fake->partitions[0].write_count, writes + 6, "14 when they stay small");
}
