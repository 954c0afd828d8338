/*
 * view_queue.h - a bounded first-in-first-out queue of requests; the caller holds the lock.
 */
#pragma once

#include "view_request.h"

struct view_queue {
    struct view_request *first;
    struct view_request **end; /* where the next one is hung in */
    size_t count;
    size_t most;
};

static inline void view_queue_init(struct view_queue *queue, size_t most)
{
    *queue = (struct view_queue){.end = &queue->first, .most = most};
}

/* Puts back a request that had a place before. The queue may then exceed its limit by one. */
static inline void view_queue_put_back(struct view_queue *queue, struct view_request *request)
{
    request->next = NULL;
    *queue->end = request;
    queue->end = &request->next;
    queue->count++;
}

/* False: it is full. */
MUST_CHECK static inline bool view_queue_put(struct view_queue *queue, struct view_request *request)
{
    if (queue->count >= queue->most)
        return false;
    view_queue_put_back(queue, request);
    return true;
}

/* NULL: it is empty. */
static inline struct view_request *view_queue_take(struct view_queue *queue)
{
    struct view_request *request = queue->first;
    if (request == NULL)
        return NULL;
    queue->first = request->next;
    if (queue->first == NULL)
        queue->end = &queue->first;
    queue->count--;
    return request;
}
