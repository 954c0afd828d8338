/*
 * relay_ports.h - what the relay needs from outside: a log to read, and a topic to publish to.
 *
 * Each call waits until its deadline (monotonic microseconds) at most. Both ports belong to the
 * relay's thread.
 */
#pragma once

#include "recorded_event.h"

/* The log, and the right to publish it. */
struct relay_log {
    void *self;

    /* Connects unless connected. */
    enum status (*connect)(void *self, int64_t deadline_us, struct error *error);

    /*
     * Connects and asks for the right to publish, which one process at a time has and keeps until
     * it resigns, loses its connection or is frozen for RELAY_FROZEN_MS. STATUS_CONFLICT: somebody
     * else has it.
     */
    enum status (*lead)(void *self, int64_t deadline_us, struct error *error);

    /* Gives the right up and disconnects. Works at any time. */
    void (*resign)(void *self);

    /*
     * The last position of each partition. This call, event_id() and read() connect nothing by
     * themselves: when one of them fails, the right to publish is lost (but for STATUS_NOT_FOUND).
     */
    enum status (*ends)(void *self, int64_t deadline_us, int64_t *ret_positions,
                        struct error *error);

    /* The id of the event at a position; STATUS_NOT_FOUND when there is none. */
    enum status (*event_id)(void *self, int16_t partition, int64_t position, int64_t deadline_us,
                            struct uuid *ret_id, struct error *error);

    /*
     * Visits, in order of position, up to limits[p] events after after[p] of each partition p
     * (fewer when they are large), until visit() returns false. Events are borrowed for the length
     * of the visit. *ret_more: a limit was met, so there may be more to read at once.
     */
    enum status (*read)(void *self, const int64_t *after, const int32_t *limits,
                        int64_t deadline_us,
                        bool (*visit)(void *context, const struct recorded_event *event),
                        void *context, bool *ret_more, struct error *error);
};

/* Where a partition of the topic ends. */
struct relay_topic_end {
    int64_t position;     /* in its last record; 0: holds nothing to go on from, publish from 1 */
    struct uuid event_id; /* in that record; meaningless at position 0 */
    int64_t next_offset;  /* no record to come has a smaller offset */
    int64_t late_until;   /* events that were late for the topic before this one come first, up to
                             this offset, of position 1; 0: none do; or the following */
};

#define RELAY_LATE_AND_NO_BEGINNING INT64_C(-1) /* position 1 is yet to come */

struct relay_delivery {
    int16_t partition;
    int64_t position;
    int64_t offset; /* in the topic's partition; -1: not known */
};

typedef void relay_delivered_fn(void *context, const struct relay_delivery *delivery);

/*
 * The topic. Everywhere: STATUS_UNAVAILABLE is nobody there or not in time, STATUS_NOT_FOUND is no
 * such topic, STATUS_CONFLICT is a topic with another number of partitions than the log.
 */
struct relay_publisher {
    void *self;

    /* Finds out where each partition ends, from the records themselves. */
    enum status (*find_ends)(void *self, int64_t deadline_us, struct relay_topic_end *ret_ends,
                             struct error *error);

    /* The same for somebody who only watches: positions, from what has changed since the last
     * look. */
    enum status (*watch)(void *self, int64_t deadline_us, int64_t *ret_positions,
                         struct error *error);

    /* The offset of the next record of each partition, to see that the topic is still the same. */
    enum status (*next_offsets)(void *self, int64_t deadline_us, int64_t *ret_offsets,
                                struct error *error);

    /* Deletes the records of each partition that come before an offset (0: none). STATUS_INVALID:
     * never, for want of a right or by the topic's policy. */
    enum status (*trim)(void *self, const int64_t *offsets, int64_t deadline_us,
                        struct error *error);

    /* Gets ready to send, closing what was open before. `delivered` is called by serve() and
     * flush(), in order of position within a partition. `notify_fd` (an eventfd, or -1) is written
     * to when there is something to serve. */
    enum status (*open)(void *self, int notify_fd, relay_delivered_fn *delivered, void *context,
                        struct error *error);

    /* Queues one event of a partition, in order of position; copies it. STATUS_UNAVAILABLE: the
     * queue is full. Another status: close and start again (STATUS_INVALID: because of this
     * event). */
    enum status (*send)(void *self, const struct recorded_event *event, struct error *error);

    /* Hands out what was delivered, without waiting. Not STATUS_OK: nothing more will be delivered,
     * close and start again. */
    enum status (*serve)(void *self, struct error *error);

    /* Serves until all is delivered; STATUS_UNAVAILABLE when the deadline has passed. */
    enum status (*flush)(void *self, int64_t deadline_us, struct error *error);

    /* Drops what was not delivered; some of it may arrive all the same. Works at any time. */
    void (*close)(void *self, int64_t deadline_us);

    /* What is wrong with the connection, for people; "" when nothing is known. */
    const char *(*complaint)(void *self);
};

enum {
    RELAY_FROZEN_MS = 5000, /* a leader that asks nothing for so long has lost its right */

    /* Sent and not delivered yet, all partitions together. Not more than this comes first when a
     * topic is deleted and re-created while events are on their way. */
    RELAY_IN_FLIGHT_MAX = 10000,
    RELAY_IN_FLIGHT_KIB_MAX = 16 * 1024,

    RELAY_PAGE_BYTES_MAX = 4 * 1024 * 1024, /* about, of data read at once, and one event */
};
