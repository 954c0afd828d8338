#include "expiry_sweep.h"

#include "cart_partition.h"
#include "clock.h"
#include "command_lane.h"
#include "log.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* One way along one partition, over the rounds. */
struct way {
    int64_t lifetime_us;
    int64_t after;   /* all events up to this position have been dealt with */
    int64_t due_us;  /* wall clock: nothing is old enough before that */
    int64_t reached; /* in this round */
    bool failed;     /* in this round: to be walked again from `after` */
};

struct expiry_command {
    struct command_request request; /* first: the lane hands this back */
    struct expiry_sweep *sweep;
    struct way *way;
};

struct expiry_sweep {
    struct expiry_sweep_options options;
    struct expiry_stats stats;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* of the following */
    pthread_cond_t changed;
    bool is_closed;
    size_t unanswered;

    /* Of the thread alone from here. */
    bool is_troubled; /* the last call failed, which has been logged */
    size_t way_count;
    size_t first_way; /* with which the next round begins: the last ones shall not always be last */
    struct way *ways; /* a partition's are side by side: guests', customers' */
    struct expiry_walk *walks;
    struct way **walk_ways;
    size_t walk_count; /* in this round */
    int32_t events_max;
    int32_t *event_counts; /* by walk */
    int64_t now_us;
    size_t command_count;
    struct expiry_command commands[EXPIRY_CARTS_MAX];
};

enum { KINDS = 2 };
_Static_assert(PARTITION_COUNT_MAX <= EXPIRY_EVENTS_MAX / KINDS, "each walk may read an event");

static int64_t before(const struct expiry_sweep *sweep, int64_t lifetime_s)
{
    return lifetime_s == 0 ? INT64_MIN : sweep->now_us - lifetime_s * MICROSECONDS_PER_SECOND;
}

/* ---- finding ---- */

static void begin_ways(struct expiry_sweep *sweep)
{
    const int64_t lifetimes_s[KINDS] = {sweep->options.guest_lifetime_s,
                                        sweep->options.customer_lifetime_s};
    for (size_t i = 0; i < sweep->way_count; i++)
        sweep->ways[i] =
            (struct way){.lifetime_us = lifetimes_s[i % KINDS] * MICROSECONDS_PER_SECOND};
}

/* The ways on which something may be old enough by now. */
static void plan(struct expiry_sweep *sweep)
{
    sweep->now_us = clock_wall_us();
    sweep->walk_count = 0;
    sweep->command_count = 0;
    for (size_t n = 0; n < sweep->way_count; n++) {
        size_t i = (sweep->first_way + n) % sweep->way_count;
        struct way *way = &sweep->ways[i];
        bool is_far =
            way->due_us - sweep->now_us > (int64_t)EXPIRY_LOOK_MS * MICROSECONDS_PER_MILLISECOND;
        if (way->lifetime_us == 0 || (way->due_us > sweep->now_us && !is_far))
            continue;
        way->failed = false;
        way->reached = way->after;
        sweep->walks[sweep->walk_count] = (struct expiry_walk){
            .partition = (int16_t)(i / KINDS),
            .after = way->after,
            .before_us = sweep->now_us - way->lifetime_us,
            .beyond_us = sweep->now_us + (int64_t)EXPIRY_AHEAD_MS * MICROSECONDS_PER_MILLISECOND};
        sweep->event_counts[sweep->walk_count] = 0;
        sweep->walk_ways[sweep->walk_count++] = way;
    }
    assert(sweep->way_count > 0);
    sweep->first_way = (sweep->first_way + KINDS) % sweep->way_count;
    if (sweep->walk_count > 0)
        sweep->events_max = EXPIRY_EVENTS_MAX / (int32_t)sweep->walk_count;
}

/* Nothing on this way is old enough before `due_us`. */
static void wait_until(const struct expiry_sweep *sweep, struct way *way, int64_t due_us)
{
    int64_t look_us = sweep->now_us + (int64_t)EXPIRY_LOOK_MS * MICROSECONDS_PER_MILLISECOND;
    way->due_us = due_us < look_us ? due_us : look_us;
}

static void answered(struct command_request *request);

static void add_command(struct expiry_sweep *sweep, struct way *way, int16_t partition,
                        const struct uuid *cart_id)
{
    sweep->commands[sweep->command_count++] = (struct expiry_command){
        .request = {.cart_id = *cart_id,
                    .partition = partition,
                    .command = {.type = CART_EXPIRE,
                                .time_us = sweep->now_us,
                                .expire = {before(sweep, sweep->options.guest_lifetime_s),
                                           before(sweep, sweep->options.customer_lifetime_s)}},
                    .metadata = STR_LITERAL("{\"actor\":\"" EXPIRY_ACTOR "\"}"),
                    .done = answered},
        .sweep = sweep,
        .way = way,
    };
}

static bool visit(void *context, size_t index, const struct expiry_event *event)
{
    struct expiry_sweep *sweep = context;
    struct way *way = sweep->walk_ways[index];
    const struct expiry_walk *walk = &sweep->walks[index];
    bool is_beyond = event->occurred_at_us > walk->beyond_us;
    sweep->event_counts[index]++;
    if (event->occurred_at_us > walk->before_us && !is_beyond) {
        wait_until(sweep, way, event->occurred_at_us + way->lifetime_us);
        return true;
    }
    bool may_have_expired = event->is_last && !is_beyond;
    if (may_have_expired && sweep->command_count == EXPIRY_CARTS_MAX)
        return false;
    if (may_have_expired)
        add_command(sweep, way, walk->partition, &event->cart_id);
    way->reached = event->position;
    return true;
}

/* ---- deciding ---- */

static void answered(struct command_request *request)
{
    struct expiry_sweep *sweep = ((struct expiry_command *)request)->sweep;
    pthread_mutex_lock(&sweep->lock);
    sweep->unanswered--;
    pthread_cond_signal(&sweep->changed);
    pthread_mutex_unlock(&sweep->lock);
}

static bool submit(struct expiry_sweep *sweep, struct command_request *request)
{
    pthread_mutex_lock(&sweep->lock);
    bool is_closed = sweep->is_closed;
    sweep->unanswered++;
    pthread_mutex_unlock(&sweep->lock);
    request->deadline_us = clock_deadline_us(LANE_DEADLINE_MS);
    if (!is_closed && sweep->options.submit(sweep->options.context, request))
        return true;
    request->outcome.status = STATUS_UNAVAILABLE;
    answered(request);
    return false;
}

/* Touched or closed in the meantime, or not old enough for a customer's: that is an answer too. A
 * cart that cannot be read has been logged by the lane, and is not asked for again and again. */
static bool is_final(const struct command_outcome *outcome)
{
    return outcome->status == STATUS_OK || outcome->status == STATUS_INTERNAL;
}

static void expire(struct expiry_sweep *sweep)
{
    int64_t expired = 0;
    for (size_t i = 0; i < sweep->command_count; i++)
        if (!submit(sweep, &sweep->commands[i].request))
            break;
    pthread_mutex_lock(&sweep->lock);
    while (sweep->unanswered > 0)
        pthread_cond_wait(&sweep->changed, &sweep->lock);
    pthread_mutex_unlock(&sweep->lock);
    for (size_t i = 0; i < sweep->command_count; i++) {
        struct expiry_command *command = &sweep->commands[i];
        struct command_outcome *outcome = &command->request.outcome;
        bool was_submitted = command->request.deadline_us != 0;
        if (!was_submitted || !is_final(outcome)) {
            command->way->failed = true;
            atomic_fetch_add(&sweep->stats.errors_total, 1);
        }
        expired += outcome->event_count > 0;
        free(outcome->events);
    }
    atomic_fetch_add(&sweep->stats.expired_total, expired);
    if (expired > 0)
        log_info("expiry-sweep", "carts expired", LOG_INT("carts", expired));
}

/* ---- rounds ---- */

static void tell_trouble(struct expiry_sweep *sweep, const struct error *error)
{
    atomic_fetch_add(&sweep->stats.errors_total, 1);
    if (!sweep->is_troubled)
        log_warning("expiry-sweep", "carts do not expire for now",
                    LOG_STR("error", error->message));
    sweep->is_troubled = true;
}

static bool lead(struct expiry_sweep *sweep)
{
    const struct expiry_log *log = sweep->options.log;
    struct error error = {0};
    bool is_new = false;
    enum status status = log->lead(log->self, clock_deadline_us(EXPIRY_CALL_MS), &is_new, &error);
    atomic_store(&sweep->stats.leading, status == STATUS_OK);
    if (status != STATUS_OK && status != STATUS_CONFLICT)
        tell_trouble(sweep, &error);
    if (is_new)
        begin_ways(sweep);
    return status == STATUS_OK;
}

/* How long to wait before the next one, in milliseconds. */
static int finish(struct expiry_sweep *sweep)
{
    bool has_more = false;
    bool has_failed = false;
    for (size_t i = 0; i < sweep->walk_count; i++) {
        struct way *way = sweep->walk_ways[i];
        has_failed = has_failed || way->failed;
        if (!way->failed)
            way->after = way->reached;
        else
            way->due_us = 0;
        has_more = has_more || way->due_us <= sweep->now_us;
    }
    return has_more && !has_failed ? EXPIRY_MORE_MS : EXPIRY_ROUND_MS;
}

static int round_of(struct expiry_sweep *sweep)
{
    const struct expiry_log *log = sweep->options.log;
    struct error error = {0};
    if (!lead(sweep))
        return EXPIRY_ROUND_MS;
    plan(sweep);
    if (sweep->walk_count == 0)
        return EXPIRY_ROUND_MS;
    enum status status = log->read(log->self, sweep->walks, sweep->walk_count, sweep->events_max,
                                   clock_deadline_us(EXPIRY_CALL_MS), visit, sweep, &error);
    if (status != STATUS_OK) {
        tell_trouble(sweep, &error);
        return EXPIRY_ROUND_MS;
    }
    /* Where the log ended, no event can be old enough before a lifetime has passed. */
    if (sweep->command_count < EXPIRY_CARTS_MAX)
        for (size_t i = 0; i < sweep->walk_count; i++)
            if (sweep->event_counts[i] == 0)
                wait_until(sweep, sweep->walk_ways[i],
                           sweep->now_us + sweep->walk_ways[i]->lifetime_us);
    sweep->is_troubled = false;
    expire(sweep);
    return finish(sweep);
}

/* False when the sweep is closed. */
static bool pause_for(struct expiry_sweep *sweep, int milliseconds)
{
    int64_t until_us = clock_deadline_us(milliseconds);
    int waited = 0;
    pthread_mutex_lock(&sweep->lock);
    while (!sweep->is_closed && waited == 0)
        waited = clock_cond_wait(&sweep->changed, &sweep->lock, until_us);
    bool goes_on = !sweep->is_closed;
    pthread_mutex_unlock(&sweep->lock);
    return goes_on;
}

static void *run(void *argument)
{
    struct expiry_sweep *sweep = argument;
    const struct expiry_log *log = sweep->options.log;
    while (pause_for(sweep, round_of(sweep)))
        continue;
    atomic_store(&sweep->stats.leading, 0);
    log->resign(log->self);
    return NULL;
}

struct expiry_sweep *expiry_sweep_new(const struct expiry_sweep_options *options)
{
    assert(options->partition_count > 0);
    struct expiry_sweep *sweep = calloc(1, sizeof(*sweep));
    if (sweep == NULL)
        return NULL;
    sweep->options = *options;
    pthread_mutex_init(&sweep->lock, NULL);
    pthread_cond_init(&sweep->changed, NULL);
    sweep->way_count = (size_t)options->partition_count * KINDS;
    sweep->ways = calloc(sweep->way_count, sizeof(*sweep->ways));
    sweep->walks = calloc(sweep->way_count, sizeof(*sweep->walks));
    sweep->walk_ways = calloc(sweep->way_count, sizeof(struct way *));
    sweep->event_counts = calloc(sweep->way_count, sizeof(*sweep->event_counts));
    if (sweep->ways == NULL || sweep->walks == NULL || sweep->walk_ways == NULL ||
        sweep->event_counts == NULL) {
        expiry_sweep_free(sweep);
        return NULL;
    }
    return sweep;
}

enum status expiry_sweep_start(struct expiry_sweep *sweep, struct error *error)
{
    if (sweep->options.guest_lifetime_s == 0 && sweep->options.customer_lifetime_s == 0)
        return STATUS_OK;
    if (pthread_create(&sweep->thread, NULL, run, sweep) != 0)
        return error_set(error, STATUS_UNAVAILABLE, "no thread for the expiry sweep");
    pthread_setname_np(sweep->thread, "expiry-sweep");
    sweep->has_thread = true;
    return STATUS_OK;
}

void expiry_sweep_close(struct expiry_sweep *sweep)
{
    pthread_mutex_lock(&sweep->lock);
    sweep->is_closed = true;
    pthread_cond_signal(&sweep->changed);
    pthread_mutex_unlock(&sweep->lock);
}

void expiry_sweep_stop(struct expiry_sweep *sweep)
{
    expiry_sweep_close(sweep);
    if (sweep->has_thread)
        pthread_join(sweep->thread, NULL);
    sweep->has_thread = false;
}

void expiry_sweep_free(struct expiry_sweep *sweep)
{
    if (sweep == NULL)
        return;
    assert(!sweep->has_thread);
    pthread_cond_destroy(&sweep->changed);
    pthread_mutex_destroy(&sweep->lock);
    free(sweep->ways);
    free(sweep->walks);
    free(sweep->walk_ways);
    free(sweep->event_counts);
    free(sweep);
}

const struct expiry_stats *expiry_sweep_stats(const struct expiry_sweep *sweep)
{
    return &sweep->stats;
}
