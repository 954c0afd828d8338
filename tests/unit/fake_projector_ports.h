/*
 * fake_projector_ports.h - a log, a topic and a database in memory, to be broken at will, for the
 * tests of the projector.
 */
#pragma once

#include "cart_partition.h"
#include "parked_replay.h"
#include "projector.h"
#include "view_row.h"

#include <stdatomic.h>
#include <sys/types.h>

enum { FAKE_PARTITIONS = 2, FAKE_MAX = 256, FAKE_TEXT_MAX = 256 };

struct fake_event {
    struct recorded_event event;
    char type[32];
    char data[FAKE_TEXT_MAX];
};

struct fake_record {
    struct fake_event content;
    bool is_unreadable; /* has no headers */
};

struct fake_cart {
    struct uuid cart_id;
    int32_t version;
    char *body;
    bool is_parked;
    int16_t partition;
};

struct fake_parked {
    int64_t id;
    int16_t partition;
    int64_t position;
    int64_t offset;
    bool has_cart;
    struct uuid cart_id;
    struct cloud_event record; /* the texts of readable ones */
    bool is_record;            /* an event of ours can be read from it */
    struct fake_event content;
    char reason[ERROR_MESSAGE_MAX];
    bool is_dead_lettered;
};

struct fake_partition {
    struct fake_event log[FAKE_MAX];
    int64_t log_end;
    struct fake_record topic[FAKE_MAX];
    int64_t topic_end;
    bool is_started;
    bool is_dropped; /* its records are in the same batch as its revocation */
    int64_t next_offset;
    struct checkpoint stored;
    int write_count;
    int64_t committed_offset;
};

/* The store's contents as they were when a transaction began. */
struct fake_before {
    struct checkpoint stored[FAKE_PARTITIONS];
    int write_counts[FAKE_PARTITIONS];
    struct fake_cart carts[FAKE_MAX]; /* with bodies of their own */
    size_t cart_count;
    size_t timeline_count;
    size_t parked_count;
    int64_t next_record_id;
};

struct fake {
    struct fake_partition partitions[FAKE_PARTITIONS];
    int64_t now_us;

    /* The feed. */
    struct feed_change changes[16];
    size_t change_count;
    struct feed_record records[FAKE_MAX];
    struct cloud_event made[FAKE_MAX];
    size_t feed_max; /* records in one poll; 0: all */
    enum status start_answer;
    int starts;

    /* The store. */
    enum status store_answer;  /* of everything */
    enum status mark_answer;   /* of what was delivered as dead letters */
    enum status replay_answer; /* of the end of a step of a replay */
    enum status begin_answer;  /* of the first half of a write: not done */
    enum status write_answer;  /* of writes; UNCERTAIN: after having written */
    bool is_writing;           /* begun, and not ended: */
    enum status written;
    bool moved[FAKE_PARTITIONS];
    struct error write_error;
    /* Between two writes of a transaction. Nobody else can then move the partitions that it has
     * touched. */
    bool is_in_transaction;
    bool is_doomed; /* it can only be abandoned */
    struct fake_before before;
    size_t commits;
    /* carts in a write or a load: more take too long, UNAVAILABLE; 0: any number */
    size_t rows_max;
    /* A write or a replay with one of them in the timeline is STATUS_INVALID. */
    struct uuid refused_events[FAKE_PARTITIONS];
    size_t load_max; /* carts in one answer; 0: all */
    useconds_t load_us;
    atomic_int loads; /* the only one to be looked at while a projector runs */
    bool is_log_known;
    struct uuid known_log;
    struct fake_cart carts[FAKE_MAX];
    size_t cart_count;
    size_t timeline_count;
    struct fake_parked parked[FAKE_MAX];
    size_t parked_count;
    int64_t next_record_id;
    bool is_replaying;

    /* The log. */
    struct uuid log_id;
    int log_partitions;
    enum status log_answer;
    int16_t silent_partition; /* has no answer; -1: none */
    struct log_request request;
    struct recorded_event answer[LOG_PAGE_EVENTS];
    int64_t ends[FAKE_PARTITIONS];
    int event_requests;
    int64_t last_after;
    int last_limit;

    /* The dead-letter topic. */
    bool is_dead_topic_down;
    bool is_dead_topic_slow;   /* what was sent stays on its way */
    bool is_dead_topic_losing; /* what was sent is not delivered */
    int64_t never_taken_until; /* records up to this one never fit */
    int64_t delivered[DEAD_LETTERS_MAX];
    size_t delivered_count;

    /* The observer. */
    char said[2][512];
    bool said_ok[2];
    size_t changed;
    int32_t changed_version;
    bool is_held[FAKE_PARTITIONS];
    bool was_held[FAKE_PARTITIONS]; /* when the store was asked for the end of a write */
    size_t open_writes;             /* announced, and not over */
    size_t announced_carts;         /* by all announcements */

    struct event_feed feed_port;
    struct view_store store_port;
    struct log_client log_port;
    struct dead_letter_topic dead_port;
    struct projector *projector;
};

/* The n-th cart of a partition. */
struct uuid fake_cart_id(int16_t partition, int n);

/* The next event of the log; it's not in the topic yet. */
struct fake_event *fake_log(struct fake *fake, int16_t partition, int cart, int32_t version);

struct fake_record *fake_publish(struct fake *fake, const struct fake_event *event);

/* An event that is in the log and in the topic. */
struct fake_event *fake_happen(struct fake *fake, int16_t partition, int cart, int32_t version);

/* The feed. */

void fake_change(struct fake *fake, enum feed_change_kind kind, int16_t partition);

/* The store. */

struct fake_cart *fake_find(struct fake *fake, const struct uuid *cart_id);
/* What others see: without an open transaction. */
int32_t fake_version(struct fake *fake, int16_t partition, int cart);
int64_t fake_position(const struct fake *fake, int16_t partition);

#define fake_stat(fake, name) atomic_load(&projector_stats((fake)->projector)->name)

enum status fake_forget_everything(void *self, struct error *error);

/* Takes a partition back to a position up to which all its events could be applied. */
void fake_rewind(struct fake *fake, int16_t partition, int64_t position);

struct fake *fake_new(void);

/* A projector that has just been given all partitions; also a restarted one. */
void fake_projector(struct fake *fake, size_t cache_bytes);

void fake_free(struct fake *fake);

/* Some turns of the loop, a little time apart. */
void fake_turns(struct fake *fake, int count);

/* As much time as anything waits. */
void fake_pass_time(struct fake *fake);
