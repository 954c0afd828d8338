/*
 * dead_letter_topic.h - what the projector needs from the dead-letter topic: a place where other
 * teams see what could not be applied.
 */
#pragma once

#include "view_store.h"

struct dead_letter_topic {
    void *self;
    /* Queues a copy. STATUS_UNAVAILABLE: the queue is full. STATUS_INVALID: it never fits. */
    enum status (*send)(void *self, const struct parked_record *record, struct error *error);
    /* The ids of some of the records that have been delivered since, never waiting. Records that
     * are neither delivered nor `*ret_in_flight` have failed. */
    size_t (*delivered)(void *self, int64_t *ret_record_ids, size_t capacity,
                        size_t *ret_in_flight);
};
