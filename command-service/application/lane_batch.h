/*
 * lane_batch.h - the commands that are decided and committed together.
 *
 * Commands keep the order of the queue. Each refers to its cart. Each cart knows what the log must
 * hold for the decisions on it to stand. A merge refers to two carts and ties them: the decisions
 * on both stand or fall together (docs/adr/0008).
 */
#pragma once

#include "cart_cache.h"
#include "command_lane.h"
#include "text.h"

enum { LANE_BATCH_CARTS_MAX = 2 * LANE_BATCH_COMMANDS_MAX };

struct batch_cart {
    struct cached_cart *cached;
    int32_t base_version; /* before this batch */
    uint32_t event_count; /* events that this batch appends to it */
    bool is_proven;       /* read from the log in this batch */
    bool again;           /* its commands (from here on) are decided in the next batch */
    bool is_postponed;    /* all of its commands are */
    bool evict;           /* the cached cart is not what the log holds, or may not be */
};

enum batch_command_state {
    COMMAND_DECIDED,  /* request->outcome holds unless the append fails */
    COMMAND_AGAIN,    /* goes to the front of the next batch */
    COMMAND_RECALLED, /* request->outcome comes from the log and holds whatever happens */
};

struct batch_command {
    struct command_request *request;
    enum batch_command_state state;
    uint32_t cart;   /* in carts */
    uint32_t source; /* likewise: the other cart of a merge; the same for every other command */
    uint32_t first_event; /* in events */
    uint32_t event_count; /* those of a merge's source included */
};

struct lane_batch {
    uint64_t number;
    int64_t limit_us; /* the earliest deadline of its commands */
    bool is_full;     /* no more commands are decided */
    bool is_held;     /* its carts' partitions are held while it is decided */

    size_t command_count;
    struct batch_command commands[LANE_BATCH_COMMANDS_MAX];
    size_t cart_count;
    struct batch_cart carts[LANE_BATCH_CARTS_MAX];
    size_t event_count;
    struct new_event events[EVENT_STORE_APPEND_EVENTS_MAX];
    size_t event_offsets[EVENT_STORE_APPEND_EVENTS_MAX]; /* of its data in `data` */
    struct text data;
    struct cart_decision decision;
};

_Static_assert(LANE_BATCH_EVENTS_MAX + CART_DECISION_EVENTS_MAX <= EVENT_STORE_APPEND_EVENTS_MAX,
               "the last command taken fits");
_Static_assert((int)LANE_BATCH_CARTS_MAX <= (int)EVENT_STORE_VERSIONS_MAX,
               "all carts of a batch can be asked for at once");

MUST_CHECK struct lane_batch *lane_batch_new(void);
void lane_batch_free(struct lane_batch *batch);

/* Empties it. The next cart found is the first of a new batch. */
void lane_batch_begin(struct lane_batch *batch);

/* Adds a command on `cached`. `source` is the other cart of a merge, and `cached` again for every
 * other command. */
void lane_batch_add(struct lane_batch *batch, struct command_request *request,
                    struct cached_cart *cached, struct cached_cart *source);

/* Decides the commands one after another; each sees the effect of those before it. Afterwards
 * batch->events are ready to be appended. */
void lane_batch_decide(struct lane_batch *batch, struct cart_cache *cache,
                       const struct cart_limits *limits);

/* The cart's commands are decided again, and so are those of the carts that merges tie to it.
 * Recalled commands are not. Earlier outcomes are dropped. request->attempts marks the commands
 * that have clashed. */
void lane_batch_postpone_cart(struct lane_batch *batch, uint32_t cart, bool has_clashed);
/* Removes the events of postponed carts from the batch; the events of others stay as they are. */
void lane_batch_compact(struct lane_batch *batch);

/* The events are in the log: writes positions and events into the outcomes. */
void lane_batch_committed(struct lane_batch *batch);
/* The events are not in the log, or nobody knows: `status` says which. Decisions on carts without
 * events still hold. */
void lane_batch_failed(struct lane_batch *batch, enum status status);
/* Answers every command with `status`, whatever was decided. */
void lane_batch_refuse(struct lane_batch *batch, enum status status);
