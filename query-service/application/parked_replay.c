#include "parked_replay.h"

#include "view_row.h"

#include <stdlib.h>

/* One cart, between replay_begin and replay_commit. */
struct cart_replay {
    struct cart_view view;
    size_t count;
    struct recorded_event *events[REPLAY_RECORDS_MAX]; /* owned */
    bool has_failed;                                   /* no further one can be applied */
};

static void cart_replay_free(struct cart_replay **at)
{
    struct cart_replay *replay = *at;
    if (replay == NULL)
        return;
    for (size_t i = 0; i < replay->count; i++)
        free(replay->events[i]);
    cart_view_done(&replay->view);
    free(replay);
}

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "out of memory");
}

static enum status take_cart(void *context, const struct stored_cart *cart, struct error *error)
{
    struct cart_replay *replay = context;
    if (str_is_none(cart->body))
        return STATUS_OK;
    enum status status = cart_view_read(cart->body, &replay->view, error);
    replay->has_failed = status == STATUS_INVALID;
    return replay->has_failed ? STATUS_OK : status;
}

/* STATUS_INVALID: it still cannot be applied. */
static enum status apply_record(struct cart_replay *replay, const struct parked_record *record,
                                struct error *error)
{
    AUTO(text_done) struct text metadata = TEXT_INIT(CLOUD_EVENT_METADATA_MAX);
    struct recorded_event event;
    enum status status =
        cloud_event_read(record->partition, record->key, record->value, record->headers,
                         record->header_count, &metadata, &event, error);
    if (status == STATUS_OK && event.position != record->position)
        status = error_set(error, STATUS_INVALID, "the record's position has changed");
    if (status == STATUS_OK)
        status = cart_view_apply_event(&replay->view, &event, error);
    if (status != STATUS_OK)
        return status;
    struct recorded_event *copy = recorded_event_copy(&event);
    if (copy == NULL)
        return no_memory(error);
    replay->events[replay->count++] = copy;
    return STATUS_OK;
}

static enum status take_record(void *context, const struct parked_record *record,
                               struct error *error)
{
    struct cart_replay *replay = context;
    if (replay->has_failed)
        return STATUS_OK;
    enum status status = apply_record(replay, record, error);
    replay->has_failed = status == STATUS_INVALID;
    return replay->has_failed ? STATUS_OK : status;
}

static enum status commit(const struct view_store *store, const struct replay *at,
                          struct cart_replay *replay, bool *ret_is_free,
                          struct replay_step *ret_step, struct error *error)
{
    AUTO(text_done) struct text body = TEXT_INIT(CART_VIEW_BODY_MAX);
    struct view_row row = {0};
    const struct recorded_event *timeline[REPLAY_RECORDS_MAX];
    for (size_t i = 0; i < replay->count; i++)
        timeline[i] = replay->events[i];
    if (replay->count > 0) {
        cart_view_render(&replay->view, &body);
        if (!text_ok(&body))
            return no_memory(error);
        row = view_row_of(&replay->view, at->partition, text_str(&body));
    }
    ret_step->version = row.version;
    return store->replay_commit(store->self, &at->cart_id, replay->count > 0 ? &row : NULL,
                                timeline, replay->count, ret_is_free, &ret_step->epoch, error);
}

/* *ret_may_go_on: the cart may have more events that can be applied. */
static enum status replay_some(const struct view_store *store, struct replay *at,
                               struct replay_step *ret_step, bool *ret_is_free, bool *ret_may_go_on,
                               struct error *error)
{
    AUTO(cart_replay_free) struct cart_replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL)
        return no_memory(error);
    enum status status = store->replay_begin(store->self, &at->cart_id, at->partition, error);
    if (status != STATUS_OK)
        return status;
    status = store->load_carts(store->self, &at->cart_id, 1, take_cart, replay, error);
    if (status == STATUS_OK)
        status = store->read_parked(store->self, &at->cart_id, take_record, replay, error);
    if (status == STATUS_OK && replay->has_failed && replay->count == 0) {
        store->abandon(store->self);
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = commit(store, at, replay, ret_is_free, ret_step, error);
    if (status != STATUS_OK) {
        store->abandon(store->self);
        return status == STATUS_INVALID ? STATUS_OK : status; /* the next cart may work */
    }
    at->result.events_applied += (int64_t)replay->count;
    *ret_may_go_on = !*ret_is_free && !replay->has_failed && replay->count > 0;
    return STATUS_OK;
}

enum status parked_replay_find(const struct view_store *store, struct replay *replay,
                               struct error *error)
{
    if (replay->is_within)
        return STATUS_OK;
    enum status status =
        store->next_parked_cart(store->self, replay->has_begun ? &replay->cart_id : NULL,
                                &replay->cart_id, &replay->partition, error);
    replay->has_begun = replay->has_begun || status == STATUS_OK;
    replay->is_within = status == STATUS_OK;
    return status;
}

enum status parked_replay_step(const struct view_store *store, struct replay *replay,
                               struct replay_step *ret_step, struct error *error)
{
    bool is_free = false;
    bool may_go_on = false;
    *ret_step = (struct replay_step){0};
    enum status status = replay_some(store, replay, ret_step, &is_free, &may_go_on, error);
    if (status == STATUS_NOT_FOUND) /* another process has freed it */
        is_free = true;
    else if (status != STATUS_OK)
        return status;
    replay->is_within = may_go_on;
    if (!may_go_on)
        *(is_free ? &replay->result.carts_freed : &replay->result.carts_left) += 1;
    return STATUS_OK;
}

enum status parked_replay(const struct view_store *store, struct replay_result *ret_result,
                          struct error *error)
{
    struct replay replay = {0};
    struct replay_step step;
    enum status status;
    while ((status = parked_replay_find(store, &replay, error)) == STATUS_OK) {
        status = parked_replay_step(store, &replay, &step, error);
        if (status != STATUS_OK)
            return status;
    }
    if (status != STATUS_NOT_FOUND)
        return status;
    *ret_result = replay.result;
    return STATUS_OK;
}
