#include "log.h"
#include "projector_internal.h"

static const char subject[] = "projector";

/* Takes over what a replay step has written, as if a batch had written it. */
static void settle_step(struct projector *projector, const struct replay_step *step)
{
    const struct projector_observer *observer = &projector->options.observer;
    const struct replay *replay = &projector->replay;
    struct projector_partition *partition = projector_find(projector, replay->partition);
    struct cached_view *cart = view_cache_find(projector->cache, &replay->cart_id);
    if (cart != NULL)
        view_cache_drop(projector->cache, cart);
    if (partition != NULL && !progress_raise_epoch(&partition->progress, step->epoch))
        projector_reload(projector, partition);
    if (partition != NULL && observer->changed != NULL && step->version > 0)
        observer->changed(observer->context, &(struct cart_change){replay->cart_id, step->version},
                          1);
    projector->is_parked_count_due = true;
}

static enum status replay_some(struct projector *projector, struct error *error)
{
    const struct projector_observer *observer = &projector->options.observer;
    const struct replay *replay = &projector->replay;
    const struct projector_partition *partition = projector_find(projector, replay->partition);
    const struct view_row row = {.cart_id = replay->cart_id, .partition = replay->partition};
    bool is_held = partition != NULL && (partition->progress.phase == PROGRESS_FOLLOWING ||
                                         partition->progress.phase == PROGRESS_ASKING);
    int64_t before = replay->result.events_applied;
    struct replay_step step;
    if (is_held && observer->writing != NULL)
        observer->writing(observer->context, &row, 1);
    enum status status =
        parked_replay_step(projector->options.store, &projector->replay, &step, error);
    if (status == STATUS_OK && step.epoch > 0)
        settle_step(projector, &step);
    stat_add(&projector->stats.applied_total, replay->result.events_applied - before);
    if (is_held && observer->wrote != NULL)
        observer->wrote(observer->context);
    return status;
}

/* Somebody may hold that cart's partition for long, for example to replay it from a position. The
 * other carts go on. */
static void wait_to_go_on(struct projector *projector)
{
    struct projector_partition *partition = projector_find(projector, projector->replay.partition);
    stat_add(&projector->stats.store_failures_total, 1);
    projector->now_us = projector->options.now_us(); /* it may have taken long */
    if (projector->replay.is_within && partition != NULL)
        projector_reload(projector, partition); /* the step may have been done */
    backoff_fail(&projector->replay_retry, projector->now_us, PROJECTOR_REPLAY_RETRY_MS,
                 PROJECTOR_REPLAY_RETRY_MAX_MS);
}

void projector_replay_parked(struct projector *projector)
{
    if (!projector->is_replay_due || !backoff_is_over(&projector->store, projector->now_us) ||
        !backoff_is_over(&projector->replay_retry, projector->now_us))
        return;
    struct error error;
    enum status status = parked_replay_find(projector->options.store, &projector->replay, &error);
    if (status == STATUS_OK)
        status = replay_some(projector, &error);
    if (status == STATUS_UNAVAILABLE || status == STATUS_UNCERTAIN) {
        wait_to_go_on(projector);
        return;
    }
    backoff_reset(&projector->replay_retry);
    if (status == STATUS_OK)
        return;
    projector_store_worked(projector);
    projector->is_replay_due = false;
    const struct replay_result *result = &projector->replay.result;
    if (status != STATUS_NOT_FOUND)
        log_error(subject, "the replay of parked carts has failed",
                  LOG_STR("error", error.message));
    else if (result->carts_freed + result->carts_left > 0)
        log_info(subject, "parked carts were tried again",
                 LOG_INT("carts_freed", result->carts_freed),
                 LOG_INT("carts_left", result->carts_left),
                 LOG_INT("events_applied", result->events_applied));
}
