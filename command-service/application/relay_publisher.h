/*
 * relay_publisher.h - what the relay needs from the topic: a port, which belongs to the relay's
 * thread. Each call waits until its deadline (monotonic microseconds) at most.
 */
#pragma once

#include "recorded_event.h"

enum {
    /* Events sent and not delivered yet, all partitions together. After a re-creation at most this
     * many in-flight events can precede position 1. */
    RELAY_IN_FLIGHT_MAX = 10000,
    RELAY_IN_FLIGHT_KIB_MAX = 16 * 1024,
};

/* Where a partition of the topic ends. */
struct relay_topic_end {
    int64_t position;     /* in its last record; 0: nothing to go on from, publish from 1 */
    struct uuid event_id; /* in that record; meaningless at position 0 */
    int64_t next_offset;  /* every later record has this offset or a larger one */
    int64_t late_until;   /* offset of position 1, if late events (on their way to a former topic)
                             precede it; 0: none do; or the following */
};

#define RELAY_LATE_AND_NO_BEGINNING INT64_C(-1) /* late events, and position 1 is yet to come */

struct relay_delivery {
    int16_t partition;
    int64_t position;
    int64_t offset; /* in the topic's partition; -1: not known */
    size_t bytes;   /* of the event's data */
};

typedef void relay_delivered_fn(void *context, const struct relay_delivery *delivery);

/*
 * The topic. Everywhere: STATUS_UNAVAILABLE: nobody there, or not in time. STATUS_NOT_FOUND: no
 * such topic. STATUS_CONFLICT: a topic with another number of partitions than the log.
 */
struct relay_publisher {
    void *self;

    /* Finds out where each partition ends, from the records themselves. */
    enum status (*find_ends)(void *self, int64_t deadline_us, struct relay_topic_end *ret_ends,
                             struct error *error);

    /* The same for a follower: only positions, and reads only what has changed since the last
     * look. */
    enum status (*watch)(void *self, int64_t deadline_us, int64_t *ret_positions,
                         struct error *error);

    /* The offset of the next record of each partition, to see that the topic is still the same. */
    enum status (*next_offsets)(void *self, int64_t deadline_us, int64_t *ret_offsets,
                                struct error *error);

    /* Deletes each partition's records before an offset (0: none). STATUS_INVALID: it will never
     * work, for want of a right or because of the topic's policy. */
    enum status (*trim)(void *self, const int64_t *offsets, int64_t deadline_us,
                        struct error *error);

    /* Prepares to send, closing what was open before. serve() and flush() call `delivered`, in
     * order of position within a partition. `notify_fd` (an eventfd, or -1) is written to when
     * there is something to serve. */
    enum status (*open)(void *self, int notify_fd, relay_delivered_fn *delivered, void *context,
                        struct error *error);

    /* Queues a copy of one event, in order of position within its partition. STATUS_UNAVAILABLE:
     * the queue is full. Any other failure: close and start again (STATUS_INVALID: because of this
     * event). */
    enum status (*send)(void *self, const struct recorded_event *event, struct error *error);

    /* Reports what was delivered, without waiting. Not STATUS_OK: nothing more will be delivered;
     * close and start again. */
    enum status (*serve)(void *self, struct error *error);

    /* Serves until all is delivered; STATUS_UNAVAILABLE when the deadline has passed. */
    enum status (*flush)(void *self, int64_t deadline_us, struct error *error);

    /* Drops what was not delivered, though some of it may still arrive. Works at any time. */
    void (*close)(void *self, int64_t deadline_us);

    /* What is wrong with the connection, in words; "" when nothing is known. */
    const char *(*complaint)(void *self);
};
