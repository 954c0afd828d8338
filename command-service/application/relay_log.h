/*
 * relay_log.h - what the relay needs from the log: a port, which belongs to the relay's thread.
 * Each call waits until its deadline (monotonic microseconds) at most.
 */
#pragma once

#include "recorded_event.h"

enum {
    RELAY_FROZEN_MS = 5000, /* a leader that makes no call for that long has lost its right */
    RELAY_PAGE_BYTES_MAX = 4 * 1024 * 1024, /* about, of data read at once, plus one event */
};

/* The log, and the right to publish it. */
struct relay_log {
    void *self;

    /* Connects unless connected. */
    enum status (*connect)(void *self, int64_t deadline_us, struct error *error);

    /*
     * Connects and asks for the right to publish. One process at a time has it, until it resigns,
     * loses its connection or is frozen for RELAY_FROZEN_MS. STATUS_CONFLICT: somebody else has it.
     */
    enum status (*lead)(void *self, int64_t deadline_us, struct error *error);

    /* Gives the right up and disconnects. Works at any time. */
    void (*resign)(void *self);

    /*
     * The last position of each partition. This call, event_id() and read() do not connect. If one
     * of them fails, the right to publish is lost, except after STATUS_NOT_FOUND. Nothing is
     * changed, so none of them is STATUS_UNCERTAIN.
     */
    enum status (*ends)(void *self, int64_t deadline_us, int64_t *ret_positions,
                        struct error *error);

    /* The id of the event at a position; STATUS_NOT_FOUND when there is none. */
    enum status (*event_id)(void *self, int16_t partition, int64_t position, int64_t deadline_us,
                            struct uuid *ret_id, struct error *error);

    /*
     * Visits up to limits[p] events after after[p] of each partition p, in order of position, until
     * visit() returns false. Large events may make it fewer. Events are borrowed during the visit.
     * *ret_more: a limit was met, so there may be more to read at once.
     */
    enum status (*read)(void *self, const int64_t *after, const int32_t *limits,
                        int64_t deadline_us,
                        bool (*visit)(void *context, const struct recorded_event *event),
                        void *context, bool *ret_more, struct error *error);
};
