/*
 * view_store.h - what the projector needs from the database: carts to go on from, and one place
 * where views, timeline and positions change together or not at all.
 *
 * Everywhere: STATUS_UNAVAILABLE is nobody there, or certainly not done; STATUS_UNCERTAIN done or
 * not done; STATUS_INVALID refused because of what was to be written; STATUS_INTERNAL refused for
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

    /* Where these partitions are. */
    enum status (*load_checkpoints)(void *self, const int16_t *partitions, size_t count,
                                    struct checkpoint *ret_checkpoints, struct error *error);

    /* Visits the carts in this order, those that do not exist too, until VIEW_LOAD_BYTES_MAX is
     * reached. At least the first one is visited. */
    enum status (*load_carts)(void *self, const struct uuid *cart_ids, size_t count,
                              stored_cart_fn *visit, void *context, struct error *error);

    /*
     * Writes all of it in one transaction, durably, but for the partitions that are not at `from`
     * any more: nothing of theirs is written and ret_moved[i] is false. The caller may go on
     * between the two calls: after the first has succeeded `write` needs its moves only, and no
     * other call but the second may come.
     */
    enum status (*begin_write)(void *self, const struct view_write *write, struct error *error);
    enum status (*end_write)(void *self, const struct view_write *write, bool *ret_moved,
                             struct error *error);

    /* How many carts of these partitions are parked, and how many parked records the dead-letter
     * topic does not have yet. */
    enum status (*count_parked)(void *self, const int16_t *partitions, size_t count,
                                int64_t *ret_carts, int64_t *ret_pending, struct error *error);
    /* Visits up to DEAD_LETTERS_MAX and PARKED_BYTES_MAX of the parked records of these partitions
     * that the dead-letter topic does not have yet, oldest first, from the one behind record
     * `after` on. */
    enum status (*read_dead_letters)(void *self, const int16_t *partitions, size_t count,
                                     int64_t after, parked_record_fn *visit, void *context,
                                     struct error *error);
    enum status (*mark_dead_lettered)(void *self, const int64_t *record_ids, size_t count,
                                      struct error *error);

    /* The first parked cart after `after` (NULL: of all), in order of id. STATUS_NOT_FOUND: none.
     */
    enum status (*next_parked_cart)(void *self, const struct uuid *after, struct uuid *ret_cart_id,
                                    int16_t *ret_partition, struct error *error);

    /*
     * A replay of one cart: begin (its partition stands still until the end; STATUS_NOT_FOUND: it
     * is not parked any more), load_carts, read_parked (the first records in order of position, up
     * to REPLAY_RECORDS_MAX and PARKED_BYTES_MAX), then replay_commit or, also after a failure,
     * abandon. replay_commit writes `view` (NULL: unchanged) and `timeline`, forgets the records
     * that have been applied, parks the cart no longer when none is left, and raises the epoch.
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
     * A rewind of one partition: begin (it stands still until the end, and is at the last event
     * before `position` up to which none is missing; what was made of later ones is forgotten, and
     * the views of the carts that they had changed; the epoch is raised. STATUS_NOT_FOUND: none has
     * been applied from `position` on). Then read: events that are left of carts without a view,
     * by cart and version, up to REWIND_EVENTS_MAX each time, without partition and metadata; put
     * the views of such carts; and commit or, also after a failure, abandon.
     */
    enum status (*rewind_begin)(void *self, int16_t partition, int64_t position,
                                struct rewound *ret_rewound, struct error *error);
    enum status (*rewind_read)(void *self, stored_event_fn *visit, void *context, bool *ret_more,
                               struct error *error);
    enum status (*rewind_put)(void *self, const struct view_row *views, size_t count,
                              struct error *error);
    enum status (*rewind_commit)(void *self, struct error *error);
    void (*abandon)(void *self); /* of either */

    /* Forgets everything that was derived, and which log it came from. Projectors that run begin
     * again by themselves. */
    enum status (*forget_everything)(void *self, struct error *error);
};
