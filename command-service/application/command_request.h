/*
 * command_request.h - one command on its way to the writer lane and back: from an HTTP request, or
 * from the expiry sweep.
 *
 * The code that makes a request owns it, and everything it points to, before command_lane_submit()
 * and again from the moment `done` is called. In between it belongs to the lane.
 */
#pragma once

#include "cart_condition.h"
#include "uuid.h"

enum { COMMAND_KEY_BYTES_MAX = 255, REQUEST_HASH_LENGTH = 64 };

/* An Idempotency-Key and the SHA-256, in hex, of the request that it came with: `commandKey` in the
 * events' metadata. */
struct command_key {
    struct str key; /* or none; 1 to COMMAND_KEY_BYTES_MAX bytes, borrowed */
    char request_hash[REQUEST_HASH_LENGTH + 1];
};

/* An event as it was appended. */
struct committed_event {
    struct uuid event_id;
    int32_t version;
    enum event_type type;
    int64_t occurred_at_us;
};

/* STATUS_OK with CART_ACCEPTED: durable. STATUS_OK with a refusal: the domain's no.
 * STATUS_UNAVAILABLE: nothing was done. STATUS_UNCERTAIN: nobody knows. STATUS_INTERNAL: a bug or a
 * damaged log; the lane has logged it. */
struct command_outcome {
    enum status status;
    enum cart_refusal refusal;
    enum cart_status cart_status; /* before the command; the source's, when the source is closed */
    int32_t version;              /* of the cart: after the command, or as it was when refused */
    bool is_replayed;             /* nothing was done now: this repeats the first answer */
    int64_t position;             /* of the last event appended; 0 when there is none */
    size_t event_count;           /* a merge's is its target's */
    struct committed_event *events; /* event_count of them, the request's own; or NULL */
};

struct command_request {
    struct uuid cart_id;
    int16_t partition;
    int16_t source_partition; /* of a merge: its source's */
    struct cart_command command;
    struct cart_condition condition;
    struct command_key key;
    struct str metadata; /* JSON object for the events; holds the key */
    int64_t deadline_us; /* monotonic: answered by then in any case */
    struct command_outcome outcome;
    /* Called by the lane's thread exactly once, when `outcome` is complete. Must not block. */
    void (*done)(struct command_request *request);

    /* The lane's own. */
    struct command_request *next;
    int64_t queued_at_us;
    int attempts;
};
