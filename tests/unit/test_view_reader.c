/* Given a database that answers, stands still or is away, when carts are asked for, then... */
#include "fake_view_source.h"
#include "view_reader.h"

enum { QUEUE_MAX = 300, PAGES_MAX = 4 };

struct given {
    struct fake_source fake;
    struct view_reader *reader;
    _Atomic int said_up;
    _Atomic int said_down;
};

static void store_said(void *context, bool answers, const char *detail)
{
    struct given *given = context;
    cr_assert_neq(detail[0], '\0');
    if (answers)
        given->said_up++;
    else
        given->said_down++;
}

static struct given *a_reader(size_t threads)
{
    struct given *given = calloc(1, sizeof(*given));
    cr_assert_not_null(given);
    fake_source_init(&given->fake);
    const struct view_source *sources[] = {&given->fake.port, &given->fake.port};
    given->reader = view_reader_new(&(struct view_reader_options){
        .sources = sources,
        .thread_count = threads,
        .queue_max = QUEUE_MAX,
        .list_queue_max = PAGES_MAX,
        .observer = {.context = given, .store = store_said},
    });
    cr_assert_not_null(given->reader);
    return given;
}

static void wait_until(_Atomic int *count, int value)
{
    for (int i = 0; *count < value; i++) {
        cr_assert_lt(i, PATIENCE_MS);
        usleep(1000);
    }
}

static void starts(struct given *given)
{
    cr_assert_eq(view_reader_start(given->reader, NULL), STATUS_OK);
    wait_until(&given->said_up, 1);
}

static void ends(struct given *given)
{
    view_reader_stop(given->reader);
    view_reader_free(given->reader);
    free(given);
}

Test(view_reader, answers_carts_that_are_there_and_those_that_are_not)
{
    struct given *given = a_reader(2);
    given->fake.versions[5] = 7;
    starts(given);
    struct asked there;
    struct asked absent;
    ask_cart(&there, 5);
    ask_cart(&absent, 6);
    view_reader_submit(given->reader, &there.request);
    view_reader_submit(given->reader, &absent.request);
    is_answered(&there, VIEW_FOUND);
    cr_assert_eq(there.version, 7);
    is_answered(&absent, VIEW_ABSENT);
    ends(given);
}

Test(view_reader, what_gathers_during_one_look_up_is_looked_up_together)
{
    enum { COUNT = 200 };
    struct given *given = a_reader(1);
    static struct asked asked[COUNT];
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    for (int i = 0; i < COUNT; i++) {
        fake_set_version(&given->fake, i % 100, 1); /* each cart is asked for twice */
        ask_cart(&asked[i], i % 100);
        view_reader_submit(given->reader, &asked[i].request);
        if (i == 0)
            fake_wait_inside(&given->fake, 1);
    }
    fake_set(&given->fake, &given->fake.is_still, false);
    for (int i = 0; i < COUNT; i++)
        is_answered(&asked[i], VIEW_FOUND);
    cr_assert_eq(fake_count(&given->fake, &given->fake.finds), 2);
    cr_assert_eq(fake_count(&given->fake, &given->fake.largest_group), COUNT - 1);
    ends(given);
}

Test(view_reader, a_group_has_a_limit)
{
    enum { COUNT = VIEW_GROUP_MAX + 2 };
    struct given *given = a_reader(1);
    static struct asked asked[COUNT];
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    for (int i = 0; i < COUNT; i++) {
        ask_cart(&asked[i], i);
        view_reader_submit(given->reader, &asked[i].request);
        if (i == 0)
            fake_wait_inside(&given->fake, 1);
    }
    fake_set(&given->fake, &given->fake.is_still, false);
    for (int i = 0; i < COUNT; i++)
        is_answered(&asked[i], VIEW_ABSENT);
    cr_assert_eq(fake_count(&given->fake, &given->fake.finds), 3);
    cr_assert_eq(fake_count(&given->fake, &given->fake.largest_group), VIEW_GROUP_MAX);
    ends(given);
}

Test(view_reader, a_full_queue_refuses_at_once)
{
    struct given *given = a_reader(1);
    static struct asked asked[QUEUE_MAX + 2];
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    for (int i = 0; i < QUEUE_MAX + 2; i++) {
        ask_cart(&asked[i], i);
        view_reader_submit(given->reader, &asked[i].request);
        if (i == 0)
            fake_wait_inside(&given->fake, 1);
    }
    cr_assert_eq(asked[QUEUE_MAX + 1].answers, 1);
    cr_assert_eq(asked[QUEUE_MAX + 1].outcome, VIEW_OVERLOADED);
    cr_assert_eq(asked[QUEUE_MAX].answers, 0);
    fake_set(&given->fake, &given->fake.is_still, false);
    for (int i = 0; i <= QUEUE_MAX; i++)
        is_answered(&asked[i], VIEW_ABSENT);
    ends(given);
}

Test(view_reader, a_slow_page_does_not_hold_up_the_carts_of_the_other_thread)
{
    struct given *given = a_reader(2);
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    struct asked pages[PAGES_MAX + 2];
    for (int i = 0; i < PAGES_MAX + 2; i++) {
        ask_page(&pages[i], 3);
        view_reader_submit(given->reader, &pages[i].request);
        if (i == 0)
            fake_wait_inside(&given->fake, 1);
    }
    cr_assert_eq(pages[PAGES_MAX + 1].outcome, VIEW_OVERLOADED);
    cr_assert_eq(pages[PAGES_MAX + 1].answers, 1);
    usleep(50000);
    cr_assert_eq(fake_count(&given->fake, &given->fake.lists), 1); /* one at a time */
    struct asked cart;
    ask_cart(&cart, 1);
    view_reader_submit(given->reader, &cart.request);
    fake_wait_inside(&given->fake, 2);
    cr_assert_eq(fake_count(&given->fake, &given->fake.finds), 1);
    fake_set(&given->fake, &given->fake.is_still, false);
    is_answered(&cart, VIEW_ABSENT);
    for (int i = 0; i <= PAGES_MAX; i++) {
        is_answered(&pages[i], VIEW_FOUND);
        cr_assert_eq(pages[i].rows, 3);
    }
    ends(given);
}

Test(view_reader, a_long_past_comes_in_pieces_and_lets_the_others_have_their_turn)
{
    struct given *given = a_reader(1);
    given->fake.versions[1] = 100;
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    struct asked past;
    struct asked page;
    struct asked cart;
    ask_events(&past, 1, 4 * FAKE_PIECE);
    view_reader_submit(given->reader, &past.request);
    fake_wait_inside(&given->fake, 1);
    ask_page(&page, 3);
    ask_cart(&cart, 1);
    view_reader_submit(given->reader, &page.request);
    view_reader_submit(given->reader, &cart.request);
    fake_set(&given->fake, &given->fake.is_still, false);
    is_answered(&past, VIEW_FOUND);
    cr_assert_eq(fake_count(&given->fake, &given->fake.pieces), 4);
    cr_assert_eq(past.rows, 4 * FAKE_PIECE);
    cr_assert_eq(past.version, 4 * FAKE_PIECE);
    cr_assert_not(past.more);
    cr_assert_eq(page.answers + cart.answers, 2, "they had to wait for all pieces");
    ends(given);
}

Test(view_reader, events_end_where_it_is_enough_or_where_there_are_no_more)
{
    struct given *given = a_reader(2);
    given->fake.versions[1] = 25;
    starts(given);
    struct asked asked;
    ask_events(&asked, 1, INT32_MAX);
    asked.enough = 13;
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_FOUND);
    cr_assert(asked.rows == 13 && asked.version == 13 && asked.more);
    cr_assert_eq(fake_count(&given->fake, &given->fake.pieces), 2);
    ask_events(&asked, 1, INT32_MAX);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_FOUND);
    cr_assert(asked.rows == 25 && asked.version == 25 && !asked.more);
    ask_events(&asked, 2, INT32_MAX);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_ABSENT);
    ends(given);
}

Test(view_reader, tells_the_version_at_a_time_and_an_absence_leaves_the_connection_up)
{
    struct given *given = a_reader(1);
    given->fake.versions[1] = 25;
    starts(given);
    struct asked asked;
    ask_version_at(&asked, 1, 7);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_FOUND);
    cr_assert_eq(asked.version, 7);
    ask_version_at(&asked, 1, 0);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_FOUND);
    cr_assert_eq(asked.version, 0);
    ask_version_at(&asked, 2, 7);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_ABSENT);
    cr_assert_eq(given->said_down, 0);
    ends(given);
}

Test(view_reader, a_connection_that_broke_is_made_again_without_anybody_noticing)
{
    struct given *given = a_reader(1);
    starts(given);
    fake_set_version(&given->fake, 1, 1);
    fake_break(&given->fake, 1);
    struct asked asked;
    ask_cart(&asked, 1);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_FOUND);
    cr_assert_eq(fake_count(&given->fake, &given->fake.finds), 2);
    cr_assert_eq(given->said_down, 0);
    ends(given);
}

Test(view_reader, a_database_that_is_away_is_refused_at_once_and_found_again_soon)
{
    struct given *given = a_reader(2);
    struct asked early;
    ask_cart(&early, 1);
    view_reader_submit(given->reader, &early.request); /* before the start */
    cr_assert_eq(early.outcome, VIEW_STORE_UNAVAILABLE);
    cr_assert_eq(early.answers, 1);
    starts(given);

    fake_set(&given->fake, &given->fake.is_away, true);
    struct asked asked;
    ask_cart(&asked, 1);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_STORE_UNAVAILABLE);
    wait_until(&given->said_down, 1); /* the idle thread has noticed by itself */
    ask_cart(&asked, 1);
    view_reader_submit(given->reader, &asked.request);
    cr_assert_eq(asked.answers, 1);
    cr_assert_eq(asked.outcome, VIEW_STORE_UNAVAILABLE);

    fake_set(&given->fake, &given->fake.is_away, false);
    int64_t start_us = clock_monotonic_us();
    wait_until(&given->said_up, 2);
    cr_assert_lt(clock_monotonic_us() - start_us, 2 * MICROSECONDS_PER_SECOND);
    ask_cart(&asked, 1);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_ABSENT);
    ends(given);
}

Test(view_reader, what_is_queued_when_the_database_goes_is_refused)
{
    struct given *given = a_reader(1);
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    struct asked asked[10];
    for (int i = 0; i < 10; i++) {
        if (i == 5)
            ask_page(&asked[i], 1);
        else
            ask_cart(&asked[i], i);
        view_reader_submit(given->reader, &asked[i].request);
        if (i == 0)
            fake_wait_inside(&given->fake, 1);
    }
    fake_set(&given->fake, &given->fake.is_away, true);
    fake_set(&given->fake, &given->fake.is_still, false);
    for (int i = 0; i < 10; i++)
        is_answered(&asked[i], VIEW_STORE_UNAVAILABLE);
    ends(given);
}

static struct fake_source *left;

static void answer_and_leave(struct view_request *request, enum view_outcome outcome,
                             int32_t version, struct str body, bool more)
{
    asked_answer(request, outcome, version, body, more);
    fake_set(left, &left->is_away, true);
}

Test(view_reader, a_page_taken_with_carts_is_refused_when_the_database_goes_with_these)
{
    struct given *given = a_reader(1);
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    left = &given->fake;
    struct asked last;
    struct asked cart;
    struct asked page;
    ask_cart(&last, 1);
    last.request.answer = answer_and_leave;
    view_reader_submit(given->reader, &last.request);
    fake_wait_inside(&given->fake, 1);
    ask_cart(&cart, 2);
    view_reader_submit(given->reader, &cart.request);
    ask_page(&page, 1);
    view_reader_submit(given->reader, &page.request);
    fake_set(&given->fake, &given->fake.is_still, false);
    is_answered(&last, VIEW_ABSENT);
    is_answered(&cart, VIEW_STORE_UNAVAILABLE);
    is_answered(&page, VIEW_STORE_UNAVAILABLE);
    cr_assert_eq(fake_count(&given->fake, &given->fake.lists), 0);
    ends(given);
}

Test(view_reader, a_page_that_finds_the_database_gone_says_so)
{
    struct given *given = a_reader(1);
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    struct asked page;
    ask_page(&page, 1);
    view_reader_submit(given->reader, &page.request);
    fake_wait_inside(&given->fake, 1);
    fake_set(&given->fake, &given->fake.is_away, true);
    fake_set(&given->fake, &given->fake.is_still, false);
    is_answered(&page, VIEW_STORE_UNAVAILABLE);
    wait_until(&given->said_down, 1);
    ends(given);
}

Test(view_reader, a_page_that_waited_too_long_is_not_read)
{
    struct given *given = a_reader(1);
    starts(given);
    fake_set(&given->fake, &given->fake.is_still, true);
    struct asked pages[2];
    ask_page(&pages[0], 1);
    view_reader_submit(given->reader, &pages[0].request);
    fake_wait_inside(&given->fake, 1);
    ask_page(&pages[1], 1);
    view_reader_submit(given->reader, &pages[1].request);
    usleep((VIEW_ANSWER_MS - VIEW_CALL_MS + 100) * 1000);
    fake_set(&given->fake, &given->fake.is_still, false);
    is_answered(&pages[0], VIEW_FOUND);
    is_answered(&pages[1], VIEW_OVERLOADED);
    cr_assert_eq(fake_count(&given->fake, &given->fake.lists), 1);
    ends(given);
}

static bool age(void *context, const struct recorded_event *event)
{
    struct asked *asked = context;
    asked->request.submitted_us -= VIEW_EVENTS_MS * MICROSECONDS_PER_MILLISECOND;
    return asked_event(context, event);
}

Test(view_reader, a_past_that_takes_too_long_is_not_read_to_its_end)
{
    struct given *given = a_reader(1);
    given->fake.versions[1] = 100;
    starts(given);
    struct asked past;
    ask_events(&past, 1, INT32_MAX);
    past.request.event = age;
    view_reader_submit(given->reader, &past.request);
    is_answered(&past, VIEW_OVERLOADED);
    cr_assert_eq(fake_count(&given->fake, &given->fake.pieces), 1);
    ends(given);
}

Test(view_reader, a_past_that_cannot_be_read_is_a_failure)
{
    struct given *given = a_reader(1);
    given->fake.versions[1] = 100;
    given->fake.fails_with = STATUS_INTERNAL;
    starts(given);
    struct asked past;
    ask_events(&past, 1, INT32_MAX);
    view_reader_submit(given->reader, &past.request);
    is_answered(&past, VIEW_FAILED);
    cr_assert_eq(past.rows, 0);
    ends(given);
}

Test(view_reader, a_bug_is_not_taken_for_an_absence)
{
    struct given *given = a_reader(1);
    starts(given);
    fake_fail(&given->fake, STATUS_INTERNAL);
    struct asked asked;
    ask_cart(&asked, 1);
    view_reader_submit(given->reader, &asked.request);
    is_answered(&asked, VIEW_FAILED);
    cr_assert_eq(given->said_down, 0);
    ends(given);
}

Test(view_reader, the_end_answers_what_is_queued_and_refuses_what_comes)
{
    struct given *given = a_reader(2);
    starts(given);
    static struct asked asked[QUEUE_MAX];
    for (int i = 0; i < QUEUE_MAX; i++) {
        fake_set_version(&given->fake, i, 1);
        if (i % 100 == 99)
            ask_page(&asked[i], 1);
        else
            ask_cart(&asked[i], i);
        view_reader_submit(given->reader, &asked[i].request);
    }
    view_reader_stop(given->reader);
    for (int i = 0; i < QUEUE_MAX; i++) {
        cr_assert_eq(asked[i].answers, 1);
        cr_assert_eq(asked[i].outcome, VIEW_FOUND);
    }
    struct asked late;
    ask_cart(&late, 1);
    view_reader_submit(given->reader, &late.request);
    cr_assert_eq(late.outcome, VIEW_STORE_UNAVAILABLE);
    cr_assert_eq(late.answers, 1);
    ends(given);
}
