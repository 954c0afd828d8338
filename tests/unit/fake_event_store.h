/*
 * fake_event_store.h - the log in memory, for tests of the writer lane: it follows a test's script,
 * call by call, and remembers what it was asked.
 *
 * Everything runs on the lane's thread: a test writes the script before the lane starts and looks
 * at the rest after it has stopped, but for what is atomic.
 */
#pragma once

#include "cart_partition.h"
#include "event_store.h"

#include <stdatomic.h>

enum {
    FAKE_EVENTS_MAX = 16384,
    FAKE_CALLS_MAX = 64,
    FAKE_PARTITIONS = 6,
};

/* What one append does. */
enum fake_append {
    FAKE_WORKS = 0,
    FAKE_UNAVAILABLE,
    FAKE_INTERNAL,
    FAKE_CONFLICTS,      /* answers STATUS_CONFLICT whatever stands there */
    FAKE_DONE_UNKNOWN,   /* appends and loses the answer */
    FAKE_UNDONE_UNKNOWN, /* loses the answer and does not append */
};

struct fake_event {
    struct new_event event;
    char data[512];
};

struct fake_store {
    size_t event_count;
    struct fake_event events[FAKE_EVENTS_MAX];
    int64_t positions[FAKE_PARTITIONS];

    /* The script. */
    enum fake_append appends[FAKE_CALLS_MAX];
    void (*before_append)(struct fake_store *fake, size_t call);
    void (*before_load)(struct fake_store *fake, size_t call);
    size_t reads_failing; /* this many loads and versions lose their connection */
    enum status hold_answer;
    enum status versions_answer;
    enum status find_answer;
    _Atomic bool is_gone; /* nobody answers */
    size_t cart_rows_max; /* per load */
    size_t load_rows_max; /* of all carts together */
    void (*on_connect)(struct fake_store *fake, size_t call);

    /* What happened. */
    bool is_connected;
    atomic_size_t connect_calls;
    size_t load_calls;
    size_t versions_calls;
    size_t recall_calls;
    size_t append_calls;
    size_t append_sizes[FAKE_CALLS_MAX];
    struct uuid append_first_ids[FAKE_CALLS_MAX];
    size_t find_calls;
    size_t hold_calls;
    bool held[FAKE_PARTITIONS]; /* another instance has to wait */
};

struct cart_key fake_cart(uint8_t number);
bool is_same_cart(const struct cart_key *a, const struct cart_key *b);
struct fake_event *fake_find(struct fake_store *fake, const struct cart_key *cart, int32_t version);
int32_t fake_version(struct fake_store *fake, const struct cart_key *cart);
int64_t fake_put(struct fake_store *fake, const struct new_event *event);

/* Another instance appends an event. */
void fake_elsewhere(struct fake_store *fake, struct cart_key cart, enum event_type type,
                    const char *json);

void fake_created(struct fake_store *fake, struct cart_key cart);
void fake_added(struct fake_store *fake, struct cart_key cart);

/* The port */

struct event_store fake_port(struct fake_store *fake);
