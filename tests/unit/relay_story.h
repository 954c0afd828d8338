/*
 * relay_story.h - tests of the relay: given what a log and a topic in memory hold, when something
 * happens, then this is published.
 */
#pragma once

#include "clock.h"
#include "fake_relay_ports.h"
#include "relay.h"

#include <criterion/criterion.h>

enum { PATIENCE_MS = 8000, QUIET_MS = 150 };

static struct fake *fake;
static struct relay_log log_port;
static struct relay_publisher publisher_port;
static struct relay_options options;
static struct relay *relay;
static inline void set_up(void)
{
    fake = fake_new();
    log_port = fake_log_port(fake);
    publisher_port = fake_publisher_port(fake);
    options = (struct relay_options){
        .log = &log_port, .publisher = &publisher_port, .partition_count = FAKE_PARTITIONS};
}

static inline int64_t deadline(int wait_ms)
{
    return clock_monotonic_us() + (int64_t)wait_ms * MICROSECONDS_PER_MILLISECOND;
}

static inline void start(void)
{
    relay = relay_new(&options);
    cr_assert_not_null(relay);
    struct error error;
    cr_assert_eq(relay_start(relay, &error), STATUS_OK);
}

static inline void stop(void)
{
    relay_stop(relay, deadline(1000));
    relay_free(relay);
    relay = NULL;
}

static inline void tear_down(void)
{
    if (relay != NULL)
        stop();
    fake_free(fake);
}

static inline void append(int partition, int64_t count)
{
    fake_lock(fake);
    fake->log_end[partition] += count;
    fake_unlock(fake);
}

/* The message is formatted. */
#define WAIT_UNTIL(condition, ...)                                                                 \
    for (int64_t until_us = deadline(PATIENCE_MS); !(condition); usleep(1000))                     \
    cr_assert_lt(clock_monotonic_us(), until_us, __VA_ARGS__)

static inline void wait_published(int partition, int64_t position)
{
    WAIT_UNTIL(relay_published_position(relay, partition) == position,
               "partition %d is at %ld, not %ld", partition,
               (long)relay_published_position(relay, partition), (long)position);
}

static inline void wait_state(enum relay_state state)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->state) == (int64_t)state, "never %s",
               relay_state_name(state));
}

static inline void wait_delivered(int64_t total)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->delivered_total) == total, "not %ld deliveries",
               (long)total);
}

static inline void wait_in_flight(int64_t count)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->in_flight) == count, "not %ld in flight",
               (long)count);
}

static inline void hold_deliveries(bool hold)
{
    fake_lock(fake);
    fake->hold = hold;
    fake_unlock(fake);
}

static inline void wait_restart(void)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->restarts_total) > 0,
               "the wiped topic went unnoticed");
}

static inline int see_int(const int *value)
{
    fake_lock(fake);
    int seen = *value;
    fake_unlock(fake);
    return seen;
}

static inline int64_t see_int64(const int64_t *value)
{
    fake_lock(fake);
    int64_t seen = *value;
    fake_unlock(fake);
    return seen;
}

static inline bool see_bool(const bool *value)
{
    fake_lock(fake);
    bool seen = *value;
    fake_unlock(fake);
    return seen;
}

/* What the fake holds now, while a relay may be at work. */
#define see(value) _Generic((value), int : see_int, int64_t : see_int64, bool : see_bool)(&(value))

static inline int64_t record_count(int partition)
{
    return see(fake->record_count[partition]);
}

/* The topic's partition holds exactly the positions first, first + 1 ... from `offset` on. */
static inline void expect_records(int partition, int64_t offset, int64_t first, int64_t count)
{
    cr_assert_eq(record_count(partition), offset + count, "%ld records, not %ld",
                 (long)record_count(partition), (long)(offset + count));
    for (int64_t i = 0; i < count; i++)
        cr_assert_eq(fake->records[partition][offset + i].position, first + i);
}
