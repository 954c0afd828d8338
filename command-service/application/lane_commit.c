#include "lane_internal.h"

#include "log.h"

#include <assert.h>

/* One batch on its way into the log. docs/adr/0002 explains why each step is safe. */
struct commit {
    int64_t limit_us;
    bool is_uncertain; /* an append of exactly these events got no answer */
    int failures;      /* in a row */
    int unexplained;   /* unique violations without a clashing cart, in a row */
    struct error error;
};

enum step { STEP_APPEND, STEP_RECONNECT, STEP_END };

static enum step succeed(struct command_lane *lane)
{
    lane_observe(lane, LANE_BATCH_EVENTS, (double)lane->batch->event_count);
    lane_batch_committed(lane->batch);
    lane->has_news = true;
    return STEP_END;
}

static enum step give_up(struct command_lane *lane, struct commit *commit, enum status status)
{
    if (commit->is_uncertain) {
        status = STATUS_UNCERTAIN;
        lane_observe(lane, LANE_COMMITS_UNKNOWN, 1);
    }
    lane_log_failure(lane, "events could not be appended", &commit->error);
    lane_batch_failed(lane->batch, status);
    return STEP_END;
}

/* Lists the carts that have events, for lane_ask_versions(). */
static size_t list_written_carts(struct command_lane *lane)
{
    size_t count = 0;
    for (uint32_t i = 0; i < lane->batch->cart_count; i++)
        if (lane->batch->carts[i].event_count > 0)
            lane->key_carts[count++] = i;
    return count;
}

/* Postpones carts whose version in the log is not the one that the decisions assumed. */
static enum status postpone_clashing(struct command_lane *lane, struct commit *commit,
                                     size_t *ret_count)
{
    size_t count = list_written_carts(lane);
    enum status status = lane_ask_versions(lane, count, commit->limit_us, &commit->error);
    if (status != STATUS_OK)
        return status;
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t base_version = lane->batch->carts[lane->key_carts[i]].base_version;
        if (lane->versions[i] == base_version)
            continue;
        lane_doubt_absence(lane, base_version);
        lane_batch_postpone_cart(lane->batch, lane->key_carts[i], true);
        ++*ret_count;
    }
    lane_batch_compact(lane->batch);
    return STATUS_OK;
}

/* Postpones carts whose last event is missing from the log, or is another one there (a standby that
 * lagged behind took over). Nothing may be appended after an event that the log does not have. */
static enum status postpone_lost(struct command_lane *lane, struct commit *commit)
{
    const struct event_store *store = &lane->options.store;
    struct lane_batch *batch = lane->batch;
    size_t written = list_written_carts(lane);
    size_t count = 0;
    size_t lost = 0;
    for (size_t i = 0; i < written; i++) {
        const struct batch_cart *cart = &batch->carts[lane->key_carts[i]];
        if (cart->base_version == 0)
            continue;
        lane->key_carts[count] = lane->key_carts[i];
        lane->bases[count++] = (struct new_event){.cart = cached_cart_key(cart->cached),
                                                  .version = cart->base_version};
    }
    enum status status =
        store->find(store->context, lane->bases, count, lane_read_deadline(commit->limit_us),
                    lane->standing, &commit->error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (lane->standing[i].exists &&
            uuid_equal(&lane->standing[i].event_id,
                       &batch->carts[lane->key_carts[i]].cached->last_event_id))
            continue;
        lane_batch_postpone_cart(batch, lane->key_carts[i], false);
        lost++;
    }
    lane_batch_compact(batch);
    if (lost > 0)
        log_error("event-store", "events of carts are gone", LOG_INT("carts", lost));
    return STATUS_OK;
}

static enum step fail_once(struct command_lane *lane, struct commit *commit, enum status status)
{
    if (status != STATUS_UNAVAILABLE && status != STATUS_UNCERTAIN)
        return give_up(lane, commit, status);
    commit->failures++;
    if ((!commit->is_uncertain && commit->failures >= LANE_FAILURES_MAX) ||
        clock_monotonic_us() >= commit->limit_us)
        return give_up(lane, commit, STATUS_UNAVAILABLE);
    lane_observe(lane, LANE_APPEND_RETRIES, 1);
    return STEP_RECONNECT;
}

/* The connection is gone, or may be. While a commit is uncertain, this does not give up before the
 * limit; commands in the queue are refused meanwhile, not kept waiting. */
static enum step reconnect(struct command_lane *lane, struct commit *commit)
{
    while (!lane_reach_store(lane, commit->limit_us)) {
        lane_refuse_queue(lane);
        int64_t next_us = lane_deadline(clock_monotonic_us(), LANE_PROBE_MS, commit->limit_us);
        if (!commit->is_uncertain || clock_monotonic_us() >= commit->limit_us)
            return give_up(lane, commit, STATUS_UNAVAILABLE);
        struct timespec until = clock_timespec(next_us);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    if (!lane->is_cache_suspect)
        return STEP_APPEND;
    enum status status = postpone_lost(lane, commit);
    return status == STATUS_OK ? STEP_APPEND : fail_once(lane, commit, status);
}

/* After a conflict of an append that was sent before: whether the events in our places are ours. */
static enum status settle(struct command_lane *lane, struct commit *commit, bool *ret_is_committed)
{
    const struct event_store *store = &lane->options.store;
    struct lane_batch *batch = lane->batch;
    enum status status =
        store->find(store->context, batch->events, batch->event_count,
                    lane_read_deadline(commit->limit_us), lane->standing, &commit->error);
    if (status != STATUS_OK)
        return status;
    size_t ours = 0;
    size_t others = 0;
    for (size_t i = 0; i < batch->event_count; i++) {
        if (!lane->standing[i].exists)
            continue;
        if (uuid_equal(&lane->standing[i].event_id, &batch->events[i].event_id))
            ours++;
        else
            others++;
    }
    if (ours == batch->event_count) {
        for (size_t i = 0; i < batch->event_count; i++)
            batch->events[i].position = lane->standing[i].position;
    } else if (ours > 0 || others == 0) {
        return error_set(&commit->error, STATUS_INTERNAL,
                         "%zu of %zu events of one transaction are in the log, %zu others", ours,
                         batch->event_count, others);
    }
    *ret_is_committed = ours > 0;
    return STATUS_OK;
}

static enum step resolve_conflict(struct command_lane *lane, struct commit *commit)
{
    if (commit->is_uncertain) {
        bool is_committed = false;
        enum status status = settle(lane, commit, &is_committed);
        if (status != STATUS_OK)
            return fail_once(lane, commit, status);
        commit->is_uncertain = false;
        lane_observe(lane, LANE_COMMITS_RESOLVED, 1);
        if (is_committed)
            return succeed(lane);
    }
    size_t clashing = 0;
    enum status status = postpone_clashing(lane, commit, &clashing);
    if (status != STATUS_OK)
        return fail_once(lane, commit, status);
    commit->failures = 0;
    commit->unexplained = clashing > 0 ? 0 : commit->unexplained + 1;
    lane_observe(lane, LANE_CART_CLASHES, (double)clashing);
    if (commit->unexplained >= LANE_FAILURES_MAX) {
        error_set(&commit->error, STATUS_INTERNAL, "a unique violation, but no cart has changed");
        return give_up(lane, commit, STATUS_INTERNAL);
    }
    return STEP_APPEND;
}

static enum step append(struct command_lane *lane, struct commit *commit)
{
    const struct event_store *store = &lane->options.store;
    struct lane_batch *batch = lane->batch;
    int64_t start_us = clock_monotonic_us();
    int64_t needed_us =
        commit->is_uncertain ? 0 : LANE_APPEND_MINIMUM_MS * MICROSECONDS_PER_MILLISECOND;
    if (start_us + needed_us >= commit->limit_us) {
        error_set(&commit->error, STATUS_UNAVAILABLE, "no time left");
        return give_up(lane, commit, STATUS_UNAVAILABLE);
    }
    enum status status =
        store->append(store->context, batch->events, batch->event_count,
                      lane_deadline(start_us, LANE_APPEND_MS, commit->limit_us), &commit->error);
    lane_observe(lane, LANE_COMMIT_SECONDS,
                 (double)(clock_monotonic_us() - start_us) / MICROSECONDS_PER_SECOND);
    switch (status) {
    case STATUS_OK:
        if (commit->is_uncertain)
            lane_observe(lane, LANE_COMMITS_RESOLVED, 1);
        return succeed(lane);
    case STATUS_CONFLICT:
        return resolve_conflict(lane, commit);
    case STATUS_UNCERTAIN:
        if (!commit->is_uncertain)
            lane_observe(lane, LANE_COMMITS_UNCERTAIN, 1);
        commit->is_uncertain = true;
        return fail_once(lane, commit, status);
    default:
        return fail_once(lane, commit, status);
    }
}

void lane_commit(struct command_lane *lane, int64_t limit_us)
{
    struct commit commit = {.limit_us = limit_us};
    enum step step = STEP_APPEND;
    while (step != STEP_END && lane->batch->event_count > 0)
        step = step == STEP_APPEND ? append(lane, &commit) : reconnect(lane, &commit);
}
