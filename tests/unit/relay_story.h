/*
 * relay_story.h - tests of the relay: given what a log and a topic in memory hold, when something
 * happens, then this is published.
 */
#pragma once

#include "clock.h"
#include "fake_relay_ports.h"
#include "relay.h"

#include <criterion/criterion.h>
#include <unistd.h>

enum { PATIENCE_MS = 8000, QUIET_MS = 150 };

extern struct fake *fake;
extern struct relay_log log_port;
extern struct relay_publisher publisher_port;
extern struct relay_options options;
extern struct relay *relay;

void set_up(void);
int64_t deadline(int wait_ms);
void start(void);
void stop(void);
void tear_down(void);
void append(int partition, int64_t count);

/* The message is formatted. */
#define WAIT_UNTIL(condition, ...)                                                                 \
    for (int64_t until_us = deadline(PATIENCE_MS); !(condition); usleep(1000))                     \
    cr_assert_lt(clock_monotonic_us(), until_us, __VA_ARGS__)

void wait_published(int partition, int64_t position);
void wait_state(enum relay_state state);
void wait_delivered(int64_t total);
void wait_in_flight(int64_t count);
void hold_deliveries(bool hold);
void wait_restart(void);
int see_int(const int *value);
int64_t see_int64(const int64_t *value);
bool see_bool(const bool *value);

/* What the fake holds now, while a relay may be at work. */
#define see(value) _Generic((value), int : see_int, int64_t : see_int64, bool : see_bool)(&(value))

int64_t record_count(int partition);

/* The topic's partition holds exactly the positions first, first + 1 ... from `offset` on. */
void expect_records(int partition, int64_t offset, int64_t first, int64_t count);
