/* Given a view at some version, when a later one is asked for, then the answer waits for it. */
#include "fake_view_source.h"
#include "view_waiters.h"

enum { WAITERS_MAX = 600, LONG_MS = 9000, SOON_US = 1000000 };

struct given {
    struct fake_source fake;
    struct view_waiters *waiters;
};

static struct given *waiters(void)
{
    struct given *given = calloc(1, sizeof(*given));
    cr_assert_not_null(given);
    fake_source_init(&given->fake);
    given->waiters = view_waiters_new(
        &(struct view_waiters_options){.source = &given->fake.port, .most = WAITERS_MAX});
    cr_assert_not_null(given->waiters);
    cr_assert_eq(view_waiters_start(given->waiters, NULL), STATUS_OK);
    return given;
}

static void ends(struct given *given)
{
    view_waiters_stop(given->waiters);
    view_waiters_free(given->waiters);
    free(given);
}

static void submit(struct given *given, struct asked *asked, int number, int32_t version,
                   int wait_ms)
{
    ask_version(asked, number, version, wait_ms);
    view_waiters_submit(given->waiters, &asked->request);
}

/* Returns when so many have been looked for together, and so wait. */
static void looks_for_all(struct given *given, int count)
{
    fake_wait_count(&given->fake, &given->fake.largest_group, count);
}

static int64_t took_us(const struct asked *asked)
{
    return asked->answered_us - asked->request.submitted_us;
}

Test(view_waiters, a_version_that_is_there_is_answered_at_once)
{
    struct given *given = waiters();
    given->fake.versions[1] = 7;
    struct asked asked;
    submit(given, &asked, 1, 7, LONG_MS);
    is_answered(&asked, VIEW_FOUND);
    cr_assert_eq(asked.version, 7);
    cr_assert_lt(took_us(&asked), SOON_US);
    submit(given, &asked, 1, 3, 0);
    is_answered(&asked, VIEW_FOUND);
    cr_assert_eq(asked.version, 7);
    ends(given);
}

Test(view_waiters, a_version_that_somebody_else_projects_is_found_by_looking_again)
{
    struct given *given = waiters();
    given->fake.versions[1] = 6;
    struct asked older;
    struct asked absent;
    submit(given, &older, 1, 7, LONG_MS);
    submit(given, &absent, 2, 1, LONG_MS);
    looks_for_all(given, 2);
    int finds = fake_count(&given->fake, &given->fake.finds);
    fake_wait_count(&given->fake, &given->fake.finds, finds + 2);
    cr_assert_eq(older.answers, 0);
    cr_assert_eq(absent.answers, 0);
    fake_set_version(&given->fake, 1, 8);
    fake_set_version(&given->fake, 2, 1);
    is_answered(&older, VIEW_FOUND);
    cr_assert_eq(older.version, 8);
    is_answered(&absent, VIEW_FOUND);
    cr_assert_lt(took_us(&older), SOON_US);
    ends(given);
}

Test(view_waiters, who_waits_in_vain_is_told_so_in_time)
{
    struct given *given = waiters();
    struct asked none;
    struct asked some;
    submit(given, &none, 1, 2, 0);
    submit(given, &some, 1, 2, 100);
    is_answered(&none, VIEW_NOT_YET);
    is_answered(&some, VIEW_NOT_YET);
    cr_assert_geq(took_us(&some), 100 * MICROSECONDS_PER_MILLISECOND);
    cr_assert_lt(took_us(&some), SOON_US);
    ends(given);
}

Test(view_waiters, a_change_here_is_looked_at_without_waiting_for_the_next_look)
{
    struct given *given = waiters();
    struct asked asked;
    int64_t best_us = INT64_MAX; /* of many, since the machine may be busy */
    for (int i = 1; i <= 50; i++) {
        int finds = fake_count(&given->fake, &given->fake.finds);
        submit(given, &asked, i, 1, LONG_MS);
        fake_wait_count(&given->fake, &given->fake.finds, finds + 1); /* the next one is far */
        fake_set_version(&given->fake, i, 1);
        int64_t start_us = clock_monotonic_us();
        struct uuid id = fake_id(i);
        view_waiters_changed(given->waiters, &id);
        is_answered(&asked, VIEW_FOUND);
        if (asked.answered_us - start_us < best_us)
            best_us = asked.answered_us - start_us;
    }
    cr_assert_lt(best_us, VIEW_WAIT_POLL_MS * MICROSECONDS_PER_MILLISECOND / 3);
    ends(given);
}

Test(view_waiters, many_are_looked_for_together_and_too_many_are_refused)
{
    struct given *given = waiters();
    static struct asked asked[WAITERS_MAX + 1];
    for (int i = 0; i < WAITERS_MAX + 1; i++)
        submit(given, &asked[i], i % 50, 1, LONG_MS);
    cr_assert_eq(asked[WAITERS_MAX].answers, 1);
    cr_assert_eq(asked[WAITERS_MAX].outcome, VIEW_OVERLOADED);
    int64_t start_us = clock_monotonic_us();
    int before = fake_count(&given->fake, &given->fake.finds);
    usleep(200000);
    int finds = fake_count(&given->fake, &given->fake.finds) - before;
    int64_t looks =
        (clock_monotonic_us() - start_us) / (VIEW_WAIT_POLL_MS * MICROSECONDS_PER_MILLISECOND) + 2;
    cr_assert_leq(finds, looks * (WAITERS_MAX / VIEW_GROUP_MAX + 1));
    for (int i = 0; i < 50; i++)
        fake_set_version(&given->fake, i, 1);
    for (int i = 0; i < WAITERS_MAX; i++)
        is_answered(&asked[i], VIEW_FOUND);
    cr_assert_gt(fake_count(&given->fake, &given->fake.largest_group), 100);
    struct asked again;
    submit(given, &again, 1, 1, 0);
    is_answered(&again, VIEW_FOUND);
    ends(given);
}

Test(view_waiters, given_more_than_one_look_has_room_for_then_none_waits_for_ever_behind_the_others)
{
    struct given *given = waiters();
    given->fake.find_ms = 2 * VIEW_WAIT_POLL_MS; /* until then all want to be looked for again */
    static struct asked asked[WAITERS_MAX];
    for (int i = 0; i < WAITERS_MAX; i++)
        submit(given, &asked[i], i, 1, LONG_MS);
    for (int i = 0; i < WAITERS_MAX; i += WAITERS_MAX / 6) {
        fake_set_version(&given->fake, i, 1);
        int64_t start_us = clock_monotonic_us();
        is_answered(&asked[i], VIEW_FOUND);
        cr_assert_lt(asked[i].answered_us - start_us, SOON_US, "the request that came as %d.", i);
    }
    for (int i = 0; i < WAITERS_MAX; i++) { /* some share a bucket */
        struct uuid id = fake_id(i);
        view_waiters_changed(given->waiters, &id);
    }
    ends(given);
}

/* Microseconds from the end of a look, during which the cart has changed, to the next look. */
static int64_t time_to_next_look_us(struct given *given, int number)
{
    struct asked asked;
    fake_set(&given->fake, &given->fake.is_still, true);
    submit(given, &asked, number, 1, LONG_MS);
    fake_wait_inside(&given->fake, 1);
    struct uuid id = fake_id(number);
    view_waiters_changed(given->waiters, &id);
    fake_set_version(&given->fake, number, 1); /* but it is too late for this look */
    int64_t start_us = clock_monotonic_us();
    fake_set(&given->fake, &given->fake.is_still, false);
    is_answered(&asked, VIEW_FOUND);
    return asked.answered_us - start_us;
}

Test(view_waiters, a_change_while_the_cart_is_looked_at_is_not_missed)
{
    struct given *given = waiters();
    int64_t best_us = INT64_MAX;
    for (int i = 1; i <= 20; i++) {
        int64_t time_us = time_to_next_look_us(given, i);
        best_us = time_us < best_us ? time_us : best_us;
    }
    cr_assert_lt(best_us, VIEW_WAIT_POLL_MS * MICROSECONDS_PER_MILLISECOND / 3);
    ends(given);
}

Test(view_waiters, a_database_that_goes_is_not_waited_for)
{
    struct given *given = waiters();
    struct asked asked[3];
    for (int i = 0; i < 3; i++)
        submit(given, &asked[i], i, 1, LONG_MS);
    looks_for_all(given, 3);
    fake_set(&given->fake, &given->fake.is_away, true);
    for (int i = 0; i < 3; i++) {
        is_answered(&asked[i], VIEW_STORE_UNAVAILABLE);
        cr_assert_lt(took_us(&asked[i]), SOON_US);
    }
    struct asked late;
    submit(given, &late, 1, 1, LONG_MS);
    cr_assert_eq(late.answers, 1);
    cr_assert_eq(late.outcome, VIEW_STORE_UNAVAILABLE);

    fake_set_version(&given->fake, 1, 1);
    fake_set(&given->fake, &given->fake.is_away, false);
    do {
        submit(given, &late, 1, 1, LONG_MS);
        wait_answered(&late);
        usleep(10000);
        cr_assert_lt(late.answered_us - asked[0].answered_us, 2 * MICROSECONDS_PER_SECOND);
    } while (late.outcome == VIEW_STORE_UNAVAILABLE);
    is_answered(&late, VIEW_FOUND);
    ends(given);
}

Test(view_waiters, the_end_answers_those_that_wait)
{
    struct given *given = waiters();
    struct asked asked[3];
    for (int i = 0; i < 3; i++)
        submit(given, &asked[i], i, 1, LONG_MS);
    looks_for_all(given, 3);
    view_waiters_stop(given->waiters);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(asked[i].answers, 1);
        cr_assert_eq(asked[i].outcome, VIEW_NOT_YET);
    }
    struct asked late;
    submit(given, &late, 1, 1, LONG_MS);
    cr_assert_eq(late.outcome, VIEW_NOT_YET);
    cr_assert_eq(late.answers, 1);
    view_waiters_free(given->waiters);
    free(given);
}
