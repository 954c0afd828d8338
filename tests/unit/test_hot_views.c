/* Views that are ready to send: which are found, which must never be found, how much is kept. */
#include "hot_views.h"

#include "cart_partition.h"

#include <criterion/criterion.h>

enum { PARTITIONS = 6, BYTES_MAX = 1 << 20, KEPT_OVERHEAD_MAX = 256 };

static struct hot_views *views;
static int64_t time_us;

static int64_t now_us(void)
{
    return time_us;
}

static void begin(void)
{
    time_us = 1000000;
    views = hot_views_new(BYTES_MAX, PARTITIONS, now_us);
    cr_assert_not_null(views);
    for (int16_t partition = 0; partition < PARTITIONS; partition++)
        hot_views_hold(views, partition);
}

static void end(void)
{
    hot_views_free(views);
}

TestSuite(hot_views, .init = begin, .fini = end);

static struct uuid cart(int number)
{
    return (struct uuid){{(uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static int16_t partition_of(int number)
{
    struct uuid id = cart(number);
    return cart_partition(&id, PARTITIONS);
}

/* A GET that does not find the cart. */
static struct hot_ticket when_missed(int number)
{
    struct uuid id = cart(number);
    struct hot_ticket ticket;
    cr_assert_null(hot_views_find(views, &id, 1, &ticket), "cart %d is there", number);
    return ticket;
}

static void when_put(int number, struct hot_ticket ticket, int32_t version, const char *body)
{
    struct uuid id = cart(number);
    hot_views_put(views, &id, &ticket, version, str_from(body));
}

static void given_kept(int number, int32_t version, const char *body)
{
    when_put(number, when_missed(number), version, body);
}

static void then_found(int number, int32_t version, const char *body)
{
    struct uuid id = cart(number);
    struct hot_ticket ticket;
    const struct hot_view *view = hot_views_find(views, &id, 1, &ticket);
    cr_assert_not_null(view, "cart %d is not there", number);
    cr_assert_eq(view->version, version);
    cr_assert(str_equal_literal(view->body, body));
    hot_view_done(view);
}

static bool is_found(int number)
{
    struct uuid id = cart(number);
    struct hot_ticket ticket;
    const struct hot_view *view = hot_views_find(views, &id, 1, &ticket);
    if (view != NULL)
        hot_view_done(view);
    return view != NULL;
}

Test(hot_views, given_a_view_that_was_read_then_it_is_found_and_counted)
{
    given_kept(1, 7, "seven");
    then_found(1, 7, "seven");
    cr_assert_eq(hot_views_stats(views)->hits_total, 1);
    cr_assert_eq(hot_views_stats(views)->misses_total, 1);
    cr_assert_gt(hot_views_stats(views)->bytes, 5);
    when_missed(2);
}

Test(hot_views, given_a_view_when_a_newer_version_is_asked_for_then_it_is_not_found)
{
    struct uuid id = cart(1);
    struct hot_ticket ticket;
    given_kept(1, 7, "seven");
    cr_assert_null(hot_views_find(views, &id, 8, &ticket));
    when_put(1, ticket, 8, "eight");
    then_found(1, 8, "eight");
}

Test(hot_views, given_a_view_when_it_is_too_old_then_it_is_not_found)
{
    given_kept(1, 7, "seven");
    time_us += HOT_VIEW_US - 1;
    then_found(1, 7, "seven");
    time_us++;
    when_missed(1);
}

Test(hot_views, given_a_slow_read_then_its_age_counts_from_when_it_was_asked)
{
    struct hot_ticket ticket = when_missed(1);
    time_us += HOT_VIEW_US;
    when_put(1, ticket, 7, "seven");
    when_missed(1);
}

Test(hot_views, given_a_view_that_is_held_when_it_is_forgotten_then_it_stays_readable)
{
    struct uuid id = cart(1);
    struct hot_ticket ticket;
    given_kept(1, 7, "seven");
    const struct hot_view *view = hot_views_find(views, &id, 1, &ticket);
    hot_views_close(views, &id);
    hot_views_open(views);
    when_missed(1);
    cr_assert(str_equal_literal(view->body, "seven"));
    hot_view_done(view);
}

Test(hot_views, given_a_cart_that_is_written_then_no_older_view_can_come_in)
{
    struct uuid id = cart(1);
    given_kept(1, 7, "seven");
    time_us += HOT_VIEW_US;
    struct hot_ticket before = when_missed(1);
    hot_views_close(views, &id);
    struct hot_ticket during = when_missed(1);
    when_put(1, before, 7, "seven");
    when_put(1, during, 7, "seven");
    when_missed(1);
    hot_views_open(views);
    when_put(1, before, 7, "seven");
    when_put(1, during, 7, "seven");
    given_kept(1, 8, "eight");
    then_found(1, 8, "eight");
}

Test(hot_views, given_a_cart_that_is_written_then_it_is_gone_before_the_write)
{
    struct uuid id = cart(1);
    given_kept(1, 7, "seven");
    hot_views_close(views, &id);
    cr_assert_not(is_found(1));
    hot_views_open(views);
    cr_assert_not(is_found(1));
}

Test(hot_views, given_a_partition_that_is_not_ours_then_nothing_of_it_is_kept)
{
    int other = 2;
    while (partition_of(other) == partition_of(1))
        other++;
    given_kept(1, 7, "seven");
    given_kept(other, 3, "three");
    struct hot_ticket before = when_missed(1000);
    hot_views_release(views, partition_of(1));
    cr_assert_not(is_found(1));
    then_found(other, 3, "three");
    struct hot_ticket without = when_missed(1);
    when_put(1, without, 7, "seven");
    cr_assert_not(is_found(1));

    hot_views_hold(views, partition_of(1));
    when_put(1, without, 7, "seven");
    cr_assert_not(is_found(1), "it was read while somebody else may have written");
    given_kept(1, 8, "eight");
    then_found(1, 8, "eight");
    if (partition_of(1000) != partition_of(1)) {
        when_put(1000, before, 1, "one");
        then_found(1000, 1, "one");
    }
}

Test(hot_views, given_a_partition_that_was_away_in_between_then_what_was_read_before_is_void)
{
    struct hot_ticket before = when_missed(1);
    hot_views_release(views, partition_of(1));
    hot_views_hold(views, partition_of(1));
    when_put(1, before, 7, "seven");
    cr_assert_not(is_found(1));
}

Test(hot_views, given_a_partition_that_is_loaded_again_then_its_views_are_forgotten)
{
    given_kept(1, 7, "seven");
    hot_views_hold(views, partition_of(1));
    cr_assert_not(is_found(1));
}

Test(hot_views, given_many_carts_then_memory_is_bounded_and_fresh_views_stay)
{
    enum { CARTS = 4000, BODY = 1000 };
    char body[BODY + 1];
    memset(body, 'x', BODY);
    body[BODY] = '\0';
    for (int i = 0; i < CARTS; i++)
        given_kept(i, 1, body);
    cr_assert_leq(hot_views_stats(views)->bytes, BYTES_MAX);
    int found = 0;
    for (int i = 0; i < CARTS; i++)
        found += is_found(i);
    cr_assert_geq(found, BYTES_MAX / (BODY + KEPT_OVERHEAD_MAX) * 3 / 4, "only %d stayed", found);
    time_us += HOT_VIEW_US;
    given_kept(CARTS, 1, body);
    then_found(CARTS, 1, body);
    for (int i = 0; i < CARTS; i++)
        given_kept(i, 2, body);
    cr_assert_leq(hot_views_stats(views)->bytes, BYTES_MAX);
}

Test(hot_views, given_a_body_that_is_too_large_then_it_is_not_kept)
{
    static char body[HOT_VIEW_BYTES_MAX + 2];
    memset(body, 'x', HOT_VIEW_BYTES_MAX + 1);
    given_kept(1, 7, body);
    when_missed(1);
    cr_assert_eq(hot_views_stats(views)->bytes, 0);
}

Test(hot_views, given_no_memory_for_views_then_none_is_kept)
{
    hot_views_free(views);
    views = hot_views_new(0, PARTITIONS, now_us);
    hot_views_hold(views, partition_of(1));
    given_kept(1, 7, "seven");
    when_missed(1);
}
