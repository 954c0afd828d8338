#include "past_folds.h"

#include <pthread.h>
#include <stdlib.h>

struct kept_fold {
    struct uuid cart_id;
    int32_t version; /* 0: the place is free */
    struct uuid event_id;
    uint64_t used_at; /* by the count of uses */
    char *json;       /* as cart_view_render() writes it: one block whose size is known */
    size_t length;
};

struct past_folds {
    pthread_mutex_t lock;
    uint64_t uses;
    size_t bytes;
    struct kept_fold folds[PAST_FOLDS_MAX];
};

struct past_folds *past_folds_new(void)
{
    struct past_folds *folds = calloc(1, sizeof(*folds));
    if (folds != NULL)
        pthread_mutex_init(&folds->lock, NULL);
    return folds;
}

static void forget(struct past_folds *folds, struct kept_fold *fold)
{
    folds->bytes -= fold->length;
    free(fold->json);
    *fold = (struct kept_fold){0};
}

void past_folds_free(struct past_folds *folds)
{
    if (folds == NULL)
        return;
    for (size_t i = 0; i < PAST_FOLDS_MAX; i++)
        forget(folds, &folds->folds[i]);
    pthread_mutex_destroy(&folds->lock);
    free(folds);
}

static struct kept_fold *newest_up_to(struct past_folds *folds, const struct uuid *cart_id,
                                      int32_t version)
{
    struct kept_fold *found = NULL;
    for (struct kept_fold *fold = folds->folds; fold < folds->folds + PAST_FOLDS_MAX; fold++)
        if (fold->version > 0 && fold->version <= version && uuid_equal(&fold->cart_id, cart_id) &&
            (found == NULL || fold->version > found->version))
            found = fold;
    return found;
}

void past_fold_done(struct past_fold *fold)
{
    cart_view_done(&fold->view);
    *fold = (struct past_fold){0};
}

int32_t past_fold_begin(struct past_folds *folds, const struct uuid *cart_id, int32_t version,
                        struct past_fold *ret_fold)
{
    AUTO(text_done) struct text json = TEXT_INIT(CART_VIEW_BODY_MAX);
    struct error error;
    *ret_fold = (struct past_fold){0};
    pthread_mutex_lock(&folds->lock);
    struct kept_fold *kept = newest_up_to(folds, cart_id, version);
    if (kept != NULL) {
        kept->used_at = ++folds->uses;
        ret_fold->event_id = kept->event_id;
        text_append_str(&json, (struct str){kept->json, kept->length});
    }
    pthread_mutex_unlock(&folds->lock);
    ret_fold->is_from_memory =
        kept != NULL && text_ok(&json) &&
        cart_view_read(text_str(&json), &ret_fold->view, &error) == STATUS_OK;
    return ret_fold->is_from_memory ? ret_fold->view.version - 1 : 0;
}

bool past_fold_confirm(struct past_fold *fold, const struct recorded_event *event)
{
    bool is_same = fold->is_from_memory && event->version == fold->view.version &&
                   uuid_equal(&event->event_id, &fold->event_id);
    if (is_same)
        fold->is_from_memory = false;
    return is_same;
}

/* The least recently used fold. may_be_free: a free place, if there is one. */
static struct kept_fold *oldest(struct past_folds *folds, bool may_be_free)
{
    struct kept_fold *found = NULL;
    for (struct kept_fold *fold = folds->folds; fold < folds->folds + PAST_FOLDS_MAX; fold++)
        if ((may_be_free || fold->version > 0) && (found == NULL || fold->used_at < found->used_at))
            found = fold;
    return found;
}

void past_folds_keep(struct past_folds *folds, const struct past_fold *fold)
{
    const struct cart_view *view = &fold->view;
    if (view->version < PAST_FOLD_VERSION_MIN || fold->is_from_memory)
        return;
    AUTO(text_done) struct text json = TEXT_INIT(CART_VIEW_BODY_MAX);
    cart_view_render(view, &json);
    size_t length;
    char *bytes = text_steal(&json, &length);
    if (bytes == NULL)
        return;
    pthread_mutex_lock(&folds->lock);
    struct kept_fold *place = newest_up_to(folds, &view->cart_id, view->version);
    if (place == NULL || place->version != view->version)
        place = oldest(folds, true);
    forget(folds, place);
    while (folds->bytes + length > PAST_FOLDS_BYTES_MAX)
        forget(folds, oldest(folds, false));
    *place = (struct kept_fold){view->cart_id, view->version, fold->event_id,
                                ++folds->uses, bytes,         length};
    folds->bytes += length;
    pthread_mutex_unlock(&folds->lock);
}

void past_folds_drop(struct past_folds *folds, const struct uuid *cart_id)
{
    pthread_mutex_lock(&folds->lock);
    for (struct kept_fold *fold = folds->folds; fold < folds->folds + PAST_FOLDS_MAX; fold++)
        if (fold->version > 0 && uuid_equal(&fold->cart_id, cart_id))
            forget(folds, fold);
    pthread_mutex_unlock(&folds->lock);
}
