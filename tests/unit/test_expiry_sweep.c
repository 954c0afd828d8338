/* The sweep against a log in memory: given what it holds, then these carts are to expire. */
#include "clock.h"
#include "expiry_sweep.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS = 2, EVENTS_MAX = 512, REQUESTS_MAX = 1024, PATIENCE_MS = 30000 };
enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/* All of it under `lock`: the sweep has a thread of its own. */
static struct {
    pthread_mutex_t lock;
    bool is_elsewhere; /* another process has the right */
    bool is_held;      /* we have it */
    bool is_broken;    /* reading fails */
    size_t reads;
    size_t walks;       /* of all reads */
    int64_t first_from; /* of the newest read: where its first walk begins */
    size_t event_counts[PARTITIONS];
    struct expiry_event events[PARTITIONS][EVENTS_MAX];

    size_t refusing;      /* so many submissions */
    size_t failing;       /* so many commands are answered with STATUS_UNAVAILABLE */
    size_t request_count; /* taken */
    struct command_request requests[REQUESTS_MAX]; /* as they were taken */
    size_t kept_count;                             /* kept back, when `keeps` */
    struct command_request *kept[EXPIRY_CARTS_MAX];
    bool keeps;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct expiry_sweep *sweep;

static void lock(void)
{
    pthread_mutex_lock(&world.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&world.lock);
}

/* The log */

static enum status fake_lead(void *self, int64_t deadline_us, bool *ret_is_new, struct error *error)
{
    (void)self, (void)deadline_us;
    lock();
    *ret_is_new = !world.is_elsewhere && !world.is_held;
    world.is_held = !world.is_elsewhere;
    enum status status =
        world.is_held ? STATUS_OK : error_set(error, STATUS_CONFLICT, "another process");
    unlock();
    return status;
}

static void fake_resign(void *self)
{
    (void)self;
    lock();
    world.is_held = false;
    unlock();
}

static void visit_walk(size_t index, const struct expiry_walk *walk, int32_t events_max,
                       expiry_event_fn *visit, void *context, bool *ret_goes_on)
{
    int32_t visited = 0;
    for (size_t i = (size_t)walk->after;
         *ret_goes_on && i < world.event_counts[walk->partition] && visited < events_max; i++) {
        const struct expiry_event *event = &world.events[walk->partition][i];
        *ret_goes_on = visit(context, index, event);
        visited++;
        if (event->occurred_at_us > walk->before_us && event->occurred_at_us <= walk->beyond_us)
            return;
    }
}

static enum status fake_read(void *self, const struct expiry_walk *walks, size_t count,
                             int32_t events_max, int64_t deadline_us, expiry_event_fn *visit,
                             void *context, struct error *error)
{
    (void)self, (void)deadline_us;
    bool goes_on = true;
    lock();
    world.reads++;
    world.walks += count;
    world.first_from = walks[0].after;
    bool is_broken = world.is_broken;
    for (size_t i = 0; i < count && !is_broken; i++)
        visit_walk(i, &walks[i], events_max, visit, context, &goes_on);
    unlock();
    return is_broken ? error_set(error, STATUS_UNAVAILABLE, "gone") : STATUS_OK;
}

static const struct expiry_log PORT = {.lead = fake_lead, .resign = fake_resign, .read = fake_read};

/* The lane */

static bool fake_submit(void *context, struct command_request *request)
{
    (void)context;
    lock();
    bool is_taken = world.refusing == 0;
    if (!is_taken)
        world.refusing--;
    if (is_taken) {
        cr_assert_lt(world.request_count, REQUESTS_MAX);
        world.requests[world.request_count++] = *request;
        request->outcome = (struct command_outcome){.status = STATUS_OK, .event_count = 1};
        if (world.failing > 0) {
            world.failing--;
            request->outcome = (struct command_outcome){.status = STATUS_UNAVAILABLE};
        }
        if (world.keeps)
            world.kept[world.kept_count++] = request;
    }
    bool is_kept = world.keeps;
    unlock();
    if (is_taken && !is_kept)
        request->done(request);
    return is_taken;
}

/* Given, when, then */

static void given_event(int partition, int64_t age_s, bool is_last)
{
    lock();
    size_t at = world.event_counts[partition]++;
    cr_assert_lt(at, EVENTS_MAX);
    world.events[partition][at] = (struct expiry_event){
        .position = (int64_t)at + 1,
        .occurred_at_us = clock_wall_us() - age_s * MICROSECONDS_PER_SECOND,
        .cart_id = {{(uint8_t)partition, (uint8_t)(at >> 8), (uint8_t)at}},
        .is_last = is_last,
    };
    unlock();
}

static void start(int64_t guest_lifetime_s, int64_t customer_lifetime_s)
{
    struct error error;
    sweep =
        expiry_sweep_new(&(struct expiry_sweep_options){.log = &PORT,
                                                        .partition_count = PARTITIONS,
                                                        .guest_lifetime_s = guest_lifetime_s,
                                                        .customer_lifetime_s = customer_lifetime_s,
                                                        .submit = fake_submit});
    cr_assert_not_null(sweep);
    cr_assert_eq(expiry_sweep_start(sweep, &error), STATUS_OK);
}

static void tear_down(void)
{
    if (sweep != NULL)
        expiry_sweep_stop(sweep);
    expiry_sweep_free(sweep);
}

TestSuite(expiry_sweep, .fini = tear_down, .timeout = 120);

static size_t requests(void)
{
    lock();
    size_t count = world.request_count;
    unlock();
    return count;
}

static size_t reads(void)
{
    lock();
    size_t count = world.reads;
    unlock();
    return count;
}

static void wait_for(size_t (*count)(void), size_t expected)
{
    int64_t until_us = clock_monotonic_us() + PATIENCE_MS * MICROSECONDS_PER_MILLISECOND;
    while (count() < expected) {
        cr_assert_lt(clock_monotonic_us(), until_us, "%zu of %zu", count(), expected);
        usleep(2000);
    }
}

/* Exactly these many commands were taken, also two rounds later. */
static void then_requests(size_t expected)
{
    wait_for(requests, expected);
    usleep(2 * EXPIRY_ROUND_MS * 1000);
    cr_expect_eq(requests(), expected, "%zu instead of %zu", requests(), expected);
}

static int64_t expired(void)
{
    return expiry_sweep_stats(sweep)->expired_total;
}

Test(expiry_sweep, asks_once_for_a_cart_whose_last_event_is_old)
{
    given_event(0, 40 * DAY_S, false);
    given_event(0, 31 * DAY_S, true);
    given_event(1, 31 * DAY_S, true);
    given_event(1, 29 * DAY_S, true);
    int64_t begun_us = clock_wall_us();
    start(30 * DAY_S, 0);
    then_requests(2);
    const struct command_request *request = &world.requests[0];
    cr_expect(uuid_equal(&request->cart_id, &world.events[0][1].cart_id));
    cr_expect_eq(request->partition, 0);
    cr_expect_eq(request->command.type, CART_EXPIRE);
    cr_expect_geq(request->command.time_us, begun_us);
    cr_expect_eq(request->command.expire.guest_before_us,
                 request->command.time_us - 30 * (int64_t)DAY_S * MICROSECONDS_PER_SECOND);
    cr_expect_eq(request->command.expire.customer_before_us, INT64_MIN, "they live for ever");
    cr_expect(str_equal_literal(request->metadata, "{\"actor\":\"expiry-sweep\"}"));
    cr_expect(uuid_equal(&world.requests[1].cart_id, &world.events[1][0].cart_id));
    cr_expect_eq(expired(), 2);
    cr_expect_eq(expiry_sweep_stats(sweep)->errors_total, 0);
}

Test(expiry_sweep, guests_and_customers_are_looked_for_by_their_own_lifetimes)
{
    given_event(0, 100 * DAY_S, true);
    given_event(0, 31 * DAY_S, true);
    start(30 * DAY_S, 90 * DAY_S);
    then_requests(3);
    for (size_t i = 0; i < 3; i++) {
        const struct command_request *request = &world.requests[i];
        cr_expect_eq(request->command.expire.guest_before_us -
                         request->command.expire.customer_before_us,
                     60 * (int64_t)DAY_S * MICROSECONDS_PER_SECOND);
    }
}

Test(expiry_sweep, a_clock_that_was_far_ahead_holds_no_other_cart_up)
{
    given_event(0, -365 * DAY_S, true);
    given_event(0, 2 * HOUR_S, true);
    given_event(1, -HOUR_S, true); /* a little ahead: it ends the walk, as any young event */
    given_event(1, 2 * HOUR_S, true);
    start(HOUR_S, 0);
    then_requests(1);
    cr_expect(uuid_equal(&world.requests[0].cart_id, &world.events[0][1].cart_id));
}

Test(expiry_sweep, what_was_not_answered_is_asked_again)
{
    given_event(0, 2 * HOUR_S, true);
    given_event(1, 2 * HOUR_S, true);
    world.refusing = 1;
    world.failing = 1;
    start(HOUR_S, 0);
    then_requests(3);
    cr_expect_eq(expired(), 2);
    cr_expect_gt(expiry_sweep_stats(sweep)->errors_total, 0);
}

Test(expiry_sweep, many_carts_come_in_bounded_rounds_each_once)
{
    for (int i = 0; i < 3 * EXPIRY_CARTS_MAX; i++)
        given_event(i % 2, 2 * HOUR_S, true);
    start(HOUR_S, 0);
    then_requests(3 * (size_t)EXPIRY_CARTS_MAX);
    cr_expect_geq(reads(), 3);
    for (size_t i = 0; i < world.request_count; i++)
        for (size_t other = 0; other < i; other++)
            cr_expect(!uuid_equal(&world.requests[i].cart_id, &world.requests[other].cart_id));
}

Test(expiry_sweep, a_partition_with_many_old_carts_keeps_the_others_from_nothing)
{
    for (int i = 0; i < 7 * EXPIRY_CARTS_MAX; i++)
        given_event(0, 2 * HOUR_S, true);
    given_event(1, 2 * HOUR_S, true);
    start(HOUR_S, 0);
    then_requests(7 * (size_t)EXPIRY_CARTS_MAX + 1);
    size_t at = 0;
    while (world.requests[at].partition != 1)
        at++;
    cr_expect_lt(at, 3 * (size_t)EXPIRY_CARTS_MAX, "it was the %zuth", at + 1);
}

Test(expiry_sweep, a_cart_expires_when_its_time_has_come)
{
    given_event(0, 0, true);
    int64_t due_us = world.events[0][0].occurred_at_us + 2 * MICROSECONDS_PER_SECOND;
    start(2, 0);
    wait_for(requests, 1);
    cr_expect_geq(world.requests[0].command.time_us, due_us);
    cr_expect_leq(world.requests[0].command.expire.guest_before_us + 2 * MICROSECONDS_PER_SECOND,
                  clock_wall_us());
}

Test(expiry_sweep, while_nothing_can_be_old_enough_nothing_is_read)
{
    given_event(0, HOUR_S / 2, true);
    given_event(1, HOUR_S / 2, true);
    start(HOUR_S, HOUR_S);
    wait_for(reads, 1);
    usleep(3 * EXPIRY_ROUND_MS * 1000);
    cr_expect_eq(reads(), 1, "%zu", reads());
    cr_expect_eq(world.walks, 2 * PARTITIONS);
}

Test(expiry_sweep, only_a_leader_sweeps_and_a_new_one_begins_at_the_beginning)
{
    given_event(0, 2 * HOUR_S, true);
    world.is_elsewhere = true;
    start(HOUR_S, 0);
    usleep(2 * EXPIRY_ROUND_MS * 1000);
    cr_expect_eq(reads(), 0);
    cr_expect_eq(expiry_sweep_stats(sweep)->leading, 0);
    lock();
    world.is_elsewhere = false;
    unlock();
    wait_for(requests, 1);
    cr_expect_eq(expiry_sweep_stats(sweep)->leading, 1);
    lock();
    world.is_held = false; /* lost, and got again */
    unlock();
    wait_for(requests, 2);
    cr_expect_eq(world.first_from, 0);
}

Test(expiry_sweep, a_log_out_of_reach_is_tried_again)
{
    given_event(0, 2 * HOUR_S, true);
    world.is_broken = true;
    start(HOUR_S, 0);
    wait_for(reads, 2);
    cr_expect_eq(requests(), 0);
    lock();
    world.is_broken = false;
    unlock();
    then_requests(1);
    cr_expect_geq(expiry_sweep_stats(sweep)->errors_total, 2);
}

Test(expiry_sweep, with_lives_for_ever_there_is_no_sweep)
{
    given_event(0, 2 * HOUR_S, true);
    start(0, 0);
    usleep(EXPIRY_ROUND_MS * 1000);
    cr_expect_eq(reads(), 0);
}

Test(expiry_sweep, it_ends_when_the_lane_has_answered)
{
    given_event(0, 2 * HOUR_S, true);
    given_event(1, 2 * HOUR_S, true);
    world.keeps = true;
    start(HOUR_S, 0);
    wait_for(requests, 2);
    expiry_sweep_close(sweep);
    cr_assert_eq(world.kept_count, 2);
    for (size_t i = 0; i < 2; i++)
        world.kept[i]->done(world.kept[i]);
    expiry_sweep_stop(sweep);
    cr_expect_not(world.is_held, "it has resigned");
}
