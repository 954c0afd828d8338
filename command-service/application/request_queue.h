/*
 * request_queue.h - a first-in-first-out queue of commands, linked through their `next`.
 *
 * A zeroed queue is empty. The caller holds its lock, or is its only user.
 */
#pragma once

#include "command_request.h"

#include <stddef.h>

struct request_queue {
    struct command_request *first;
    struct command_request *last; /* of what `first` leads to; anything when there is none */
    size_t count;
};

static inline void request_queue_add(struct request_queue *queue, struct command_request *request)
{
    request->next = NULL;
    *(queue->first != NULL ? &queue->last->next : &queue->first) = request;
    queue->last = request;
    queue->count++;
}

/* NULL: it is empty. */
static inline struct command_request *request_queue_take(struct request_queue *queue)
{
    struct command_request *request = queue->first;
    if (request == NULL)
        return NULL;
    queue->first = request->next;
    queue->count--;
    return request;
}
