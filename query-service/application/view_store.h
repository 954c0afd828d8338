/*
 * view_store.h - what the projector needs from the database: carts to go on from, and a place where
 * views, timeline and positions change together or not at all.
 *
 * Everywhere: STATUS_UNAVAILABLE: nobody there, or certainly not done. STATUS_UNCERTAIN: done or
 * not done. STATUS_INVALID: refused because of the data to be written. STATUS_INTERNAL: refused for
 * another reason that retrying will not change. Each call has a limit of its own, connects unless
 * connected, and belongs to one thread.
 */
#pragma once

#include "view_store_types.h"

struct view_store {
    void *self;

    /* Which log this is; remembers partition_count when nothing is known yet. */
    enum status (*read_log)(void *self, int partition_count, struct known_log *ret_log,
                            struct error *error);
    /* Remembers the log's id, if none is known yet. */
    enum status (*adopt_log)(void *self, const struct uuid *log_id, struct error *error);

    /* How far these partitions have been applied. */
    enum status (*load_checkpoints)(void *self, const int16_t *partitions, size_t count,
                                    struct checkpoint *ret_checkpoints, struct error *error);

    /* Visits the carts in this order, including carts that do not exist, until VIEW_LOAD_BYTES_MAX
     * is reached. Always visits the first one. */
    enum status (*load_carts)(void *self, const struct uuid *cart_ids, size_t count,
                              stored_cart_fn *visit, void *context, struct error *error);

    /*
     * Writes all of it in one transaction, durably, except for partitions that are no longer at
     * `from`. For these nothing is written, and ret_moved[i] is false. The caller may do other work
     * between the two calls. After begin_write has succeeded, only the moves of `write` must stay
     * valid, and end_write must be the next call.
     *
     * A transaction may take several writes: those that `stays_open`, and the one after them, which
     * commits it. In between only load_carts is allowed. All of them move the same partitions, some
     * to where they are. After a failure, or when a partition was not at `from`, which only the
     * first one can find, abandon is the next call, and nothing of the transaction is done.
     */
    enum status (*begin_write)(void *self, const struct view_write *write, struct error *error);
    enum status (*end_write)(void *self, const struct view_write *write, bool *ret_moved,
                             struct error *error);

    /* How many carts of these partitions are parked, and how many parked records the dead-letter
     * topic does not have yet. */
    enum status (*count_parked)(void *self, const int16_t *partitions, size_t count,
                                int64_t *ret_carts, int64_t *ret_pending, struct error *error);
    /* Visits parked records of these partitions that the dead-letter topic does not have yet,
     * oldest first, from the one after record `after` on: up to DEAD_LETTERS_MAX and
     * PARKED_BYTES_MAX. */
    enum status (*read_dead_letters)(void *self, const int16_t *partitions, size_t count,
                                     int64_t after, parked_record_fn *visit, void *context,
                                     struct error *error);
    enum status (*mark_dead_lettered)(void *self, const int64_t *record_ids, size_t count,
                                      struct error *error);

    /* The first parked cart after `after` (NULL: of all), in order of id. STATUS_NOT_FOUND:
     * none. */
    enum status (*next_parked_cart)(void *self, const struct uuid *after, struct uuid *ret_cart_id,
                                    int16_t *ret_partition, struct error *error);

    /*
     * A replay of one cart:
     *
     *     1. replay_begin: from now until the end nobody else changes the partition.
     *        STATUS_NOT_FOUND: the cart is not parked any more.
     *     2. load_carts; then read_parked, which visits the first records in order of position, up
     *        to REPLAY_RECORDS_MAX and PARKED_BYTES_MAX.
     *     3. replay_commit writes `view` (NULL: unchanged) and `timeline`, forgets the records that
     *        have been applied, and raises the epoch. A cart without remaining records is no
     *        longer parked. Or abandon, also after a failure.
     */
    enum status (*replay_begin)(void *self, const struct uuid *cart_id, int16_t partition,
                                struct error *error);
    enum status (*read_parked)(void *self, const struct uuid *cart_id, parked_record_fn *visit,
                               void *context, struct error *error);
    enum status (*replay_commit)(void *self, const struct uuid *cart_id,
                                 const struct view_row *view,
                                 const struct recorded_event *const *timeline,
                                 size_t timeline_count, bool *ret_is_free, int64_t *ret_epoch,
                                 struct error *error);

    /*
     * A rewind of one partition:
     *
     *     1. rewind_begin: from now until the end nobody else changes the partition. It is at the
     *        last event before `position` up to which none is missing. What was made of later
     *        events is forgotten, including the views of the carts that they had changed. The epoch
     *        is raised. STATUS_NOT_FOUND: no event has been applied from `position` on.
     *     2. rewind_read: the remaining events of carts without a view, by cart and version, up to
     *        REWIND_EVENTS_MAX each time, without partition and metadata.
     *     3. rewind_put: the views of such carts.
     *     4. rewind_commit or, also after a failure, abandon.
     */
    enum status (*rewind_begin)(void *self, int16_t partition, int64_t position,
                                struct rewound *ret_rewound, struct error *error);
    enum status (*rewind_read)(void *self, stored_event_fn *visit, void *context, bool *ret_more,
                               struct error *error);
    enum status (*rewind_put)(void *self, const struct view_row *views, size_t count,
                              struct error *error);
    enum status (*rewind_commit)(void *self, struct error *error);
    void (*abandon)(
        void *self); /* of a transaction of several calls; does nothing if there is none */

    /* Forgets everything that was derived, and which log it came from. Running projectors begin
     * again by themselves. */
    enum status (*forget_everything)(void *self, struct error *error);
};
