/*
 * relay_log.h - what the relay needs of the log: a port, which belongs to the relay's thread. Each
 * call waits until its deadline (monotonic microseconds) at most.
 */
#pragma once

#include "recorded_event.h"

enum {
    RELAY_FROZEN_MS = 5000, /* a leader that asks nothing for that long has lost its right */
    RELAY_PAGE_BYTES_MAX = 4 * 1024 * 1024, /* about, of data read at once, and one event */
};

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
