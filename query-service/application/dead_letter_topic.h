/*
 * dead_letter_topic.h - what the projector needs from the dead-letter topic, in which other teams
 * see the records that could not be applied.
 */
#pragma once

#include "view_store.h"

struct dead_letter_topic {
    void *self;
    /* Queues a copy. STATUS_UNAVAILABLE: the queue is full. STATUS_INVALID: it never fits. */
    enum status (*send)(void *self, const struct parked_record *record, struct error *error);
    /* Ids of records that have been delivered since, at most `capacity`; never waits. Records that
     * are neither delivered nor counted in *ret_in_flight have failed. */
    size_t (*delivered)(void *self, int64_t *ret_record_ids, size_t capacity,
                        size_t *ret_in_flight);
};
