#include "relay_republish.h"
#include "relay_story.h"

/* An operator wants once more what the topic already has. */
TestSuite(relay_republish, .init = set_up, .fini = tear_down, .timeout = 30);

Test(relay_republish,
     given_a_published_log_when_republishing_then_only_what_the_topic_has_is_sent_again)
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

Test(relay_republish, given_a_session_that_ends_during_a_flush_when_republishing_then_it_goes_on)
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

Test(relay_republish, given_a_log_that_stays_away_when_republishing_then_it_gives_up)
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

Test(relay_republish, given_a_session_that_cannot_be_had_again_when_republishing_then_it_gives_up)
{
    lose_session_for_good(STATUS_UNAVAILABLE);
    cr_assert_eq(republish(20000), STATUS_UNAVAILABLE);
    cr_assert_eq(record_count(0), 1100);
}

Test(relay_republish, given_a_log_that_does_not_let_us_in_again_when_republishing_then_it_gives_up)
{
    lose_session_for_good(STATUS_INVALID);
    cr_assert_eq(republish(20000), STATUS_INVALID);
}

Test(relay_republish, given_no_time_when_republishing_then_it_gives_up)
{
    fake->queue_max = 200;
    cr_assert_eq(republish(0), STATUS_UNAVAILABLE);
    cr_assert_eq(record_count(0), 1100, "what was begun is sent");
}

Test(relay_republish, given_no_time_and_no_session_when_republishing_then_it_gives_up)
{
    fake->reads_failing = true;
    cr_assert_eq(republish(0), STATUS_UNAVAILABLE);
    cr_assert_eq(record_count(0), 900);
}

Test(relay_republish, given_a_hole_in_the_log_when_republishing_then_it_refuses)
{
    fake->hole[0] = 7;
    cr_assert_eq(republish(5000), STATUS_INVALID);
    cr_assert_leq(record_count(0), 906);
}

Test(relay_republish, given_a_log_without_its_last_event_when_republishing_then_it_refuses)
{
    fake->hole[0] = 900;
    cr_assert_eq(republish(5000), STATUS_INVALID);
    cr_assert_eq(record_count(0), 1799);
}

Test(relay_republish,
     given_a_topic_that_refuses_an_event_for_good_when_republishing_then_it_gives_up)
{
    fake->send_answer = STATUS_INTERNAL;
    cr_assert_eq(republish(5000), STATUS_INTERNAL);
}

Test(relay_republish, given_another_course_when_republishing_then_it_refuses)
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
