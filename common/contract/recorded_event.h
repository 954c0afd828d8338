/*
 * recorded_event.h - an event with its place in the log: what the store returns, Kafka carries and
 * `GET /v1/events` shows. `data` and `metadata` are kept as the bytes that were decided.
 */
#pragma once

#include "json_out.h"
#include "status.h"
#include "str.h"
#include "uuid.h"

struct recorded_event {
    int16_t partition;
    int64_t position; /* 1, 2, 3 ... within the partition, without gaps, in commit order */
    struct uuid cart_id;
    int32_t version; /* 1, 2, 3 ... within the cart, without gaps */
    struct uuid event_id;
    struct str type; /* as stored: may be a type that this program does not know */
    int16_t schema_version;
    int64_t occurred_at_us;
    struct str data;     /* JSON, borrowed */
    struct str metadata; /* JSON object, borrowed */
};

/* {"partition","position","cartId","version","eventId","type","schemaVersion","occurredAt","data",
 * "metadata"} */
void recorded_event_write(const struct recorded_event *event, struct json_out *out);

/*
 * Reads that form (one event). The texts of *ret_event are borrowed from *ret_source: *new*, free()
 * it. STATUS_INVALID when it is not such an object. Does not check that `data` is JSON. Metadata
 * that cannot be read is left out.
 */
MUST_CHECK enum status recorded_event_read(struct str json, struct recorded_event *ret_event,
                                           void **ret_source, struct error *error);

/* A deep copy in one allocation: *new*, free() it. NULL when memory is out. */
MUST_CHECK struct recorded_event *recorded_event_copy(const struct recorded_event *event);
