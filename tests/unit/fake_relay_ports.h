/*
 * fake_relay_ports.h - a log and a topic in memory, to be broken at will, for the tests of the
 * relay.
 */
#pragma once

#include "relay_log.h"
#include "relay_publisher.h"

#include <pthread.h>

enum { FAKE_PARTITIONS = 2, FAKE_RECORDS_MAX = 60000 };

struct fake_record {
    int64_t position;
    struct uuid id;
};

/* One lock for both; tests take it with fake_lock() to change things under the relay. */
struct fake {
    pthread_mutex_t lock;

    /* The log. */
    int64_t log_end[FAKE_PARTITIONS];
    int64_t hole[FAKE_PARTITIONS]; /* a position that the log has lost; 0: none */
    uint8_t course;                /* part of every event id */
    enum status lead_answer;
    bool session;               /* false: every call fails until the next lead() or connect() */
    bool flush_ends_session;    /* as one that was idle for too long meanwhile */
    enum status connect_answer; /* from that connect() on: */
    int refused_connects_from;
    int connects;
    bool reads_failing;
    enum status ends_answer;
    int leads;
    int pages; /* read that had events */
    size_t event_bytes[FAKE_PARTITIONS];

    /* The topic. */
    enum status topic_answer;
    enum status send_answer;
    enum status serve_answer;
    bool hide_offsets;       /* of deliveries */
    int64_t skewed_position; /* delivered as the one behind it; 0: none */
    struct fake_record records[FAKE_PARTITIONS][FAKE_RECORDS_MAX];
    int64_t record_count[FAKE_PARTITIONS];
    bool hold;                               /* deliver nothing */
    bool is_partition_held[FAKE_PARTITIONS]; /* the same of one */
    int64_t queue_max;                       /* send() is full beyond this; 0: never */
    size_t queue_bytes;
    bool open;
    int64_t in_flight_max; /* the most that was ever in flight */
    int opens;
    int64_t late_until[FAKE_PARTITIONS]; /* what find_ends() says; RELAY_LATE_AND_NO_BEGINNING: and
                                            that the partition holds nothing to go on from */
    int64_t trimmed[FAKE_PARTITIONS];
    int trims;
    enum status trim_answer;

    /* What was sent and not delivered, in order. */
    struct relay_delivery *queue;
    struct uuid *queue_ids;
    int64_t queue_count;
    struct relay_delivery *served; /* room for what serve() hands out */
    int notify_fd;
    relay_delivered_fn *delivered;
    void *context;
};

struct uuid fake_id(uint8_t course, int partition, int64_t position);
void fake_lock(struct fake *fake);
void fake_unlock(struct fake *fake);
struct fake *fake_new(void);
void fake_free(struct fake *fake);
void fake_write(struct fake *fake, int partition, int64_t position, struct uuid id);
void fake_wipe(struct fake *fake);
struct relay_log fake_log_port(struct fake *fake);
struct relay_publisher fake_publisher_port(struct fake *fake);
