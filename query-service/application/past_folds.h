/*
 * past_folds.h - carts as they were, kept in memory: reading on in a long past need not begin at
 * the first event.
 *
 * Events never change, so a fold stays right as long as the log does. The log may have taken
 * another course (a restored backup). So a reader that continues from a fold reads its last event
 * again and compares the ids. Bounded in folds and bytes; the least recently used goes first. From
 * any thread.
 */
#pragma once

#include "cart_view.h"

enum {
    PAST_FOLDS_MAX = 256,
    PAST_FOLDS_BYTES_MAX = 8 * 1024 * 1024, /* of JSON */
    PAST_FOLD_VERSION_MIN = 100,            /* fewer events are read again just as fast */
};

struct past_folds;

/* *New*: past_folds_free(), which takes NULL. NULL: out of memory. */
MUST_CHECK struct past_folds *past_folds_new(void);
void past_folds_free(struct past_folds *folds);

/* The fold of a cart's first events while it is being made. */
struct past_fold {
    struct cart_view view;
    struct uuid event_id; /* of the last event in it */
    bool is_from_memory;  /* and that event has not been seen again yet */
};
void past_fold_done(struct past_fold *fold);

/* Begins with the newest kept fold of the cart up to `version`, or with none of its events. Returns
 * the version after which to read events: the fold's own last event comes again. */
MUST_CHECK int32_t past_fold_begin(struct past_folds *folds, const struct uuid *cart_id,
                                   int32_t version, struct past_fold *ret_fold);

/* True when `event` is the last one of a fold from memory: continue from there. False while the
 * fold is from memory: the log is another one; call past_folds_drop() and begin again. */
MUST_CHECK bool past_fold_confirm(struct past_fold *fold, const struct recorded_event *event);

/* Keeps a copy, unless the fold is small, or still as it came from memory, or memory is out. */
void past_folds_keep(struct past_folds *folds, const struct past_fold *fold);

/* Forgets the cart's folds. */
void past_folds_drop(struct past_folds *folds, const struct uuid *cart_id);
