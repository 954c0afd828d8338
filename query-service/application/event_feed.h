/*
 * event_feed.h - what the projector needs from the topic: records of the partitions that are ours.
 *
 * The port belongs to the projector's thread.
 */
#pragma once

#include "cloud_event.h"
#include "status.h"

enum {
    FEED_RECORDS_MAX = 1500,                /* records in one batch */
    FEED_BATCH_BYTES_MAX = 4 * 1024 * 1024, /* bytes of records in one batch, plus one record */
    FEED_HEADERS_MAX = 24,                  /* of one record; later headers are ignored */
};

/* From the beginning: we know of no record of the partition. */
#define FEED_OFFSET_BEGINNING INT64_C(-1)

struct feed_record {
    int16_t partition;
    int64_t offset;
    struct str key;   /* or none */
    struct str value; /* or none */
    const struct cloud_header *headers;
    size_t header_count;
};

enum feed_change_kind {
    FEED_ASSIGNED, /* ours from now on, and silent until start() */
    FEED_REVOKED,  /* no longer ours; no more of its records come */
};

struct feed_change {
    enum feed_change_kind kind;
    int16_t partition;
};

/* The changes happened before the records came. */
struct feed_batch {
    const struct feed_change *changes;
    size_t change_count;
    const struct feed_record *records; /* in order of offset within a partition */
    size_t record_count;
    bool is_full; /* more may be waiting */
};

struct event_feed {
    void *self;

    /*
     * Waits up to wait_ms for a record or a change, and takes what else is there by then, up to the
     * limits above. Everything in the batch is borrowed until the next call. Must be called all the
     * time, or the group takes us for dead. STATUS_UNAVAILABLE: no contact with the topic; the
     * batch is empty, and calling again is all there is to do. STATUS_NOT_FOUND: there is no such
     * topic.
     */
    enum status (*poll)(void *self, int wait_ms, struct feed_batch *ret_batch, struct error *error);

    /* Reads from this offset on (or from FEED_OFFSET_BEGINNING), whatever was read before. An
     * offset that the topic does not have means its beginning. STATUS_UNAVAILABLE: not now, try
     * again. */
    enum status (*start)(void *self, int16_t partition, int64_t offset, struct error *error);

    /* No more records of this partition until start(). It stays ours. */
    void (*stop)(void *self, int16_t partition);

    /* Tells the group how far we are, for tools that show the lag. Never waits, never fails. */
    void (*commit)(void *self, int16_t partition, int64_t next_offset);

    /* The offset after the partition's last record, as last heard; -1: unknown. */
    int64_t (*end_offset)(void *self, int16_t partition);
};
