/*
 * clock.h - the two clocks, and times as text.
 *
 * Wall-clock times are microseconds since 1970-01-01T00:00:00Z; monotonic times are microseconds
 * since some point and only good for deadlines and durations. Pure code takes times as arguments
 * instead of calling these.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

int64_t clock_wall_us(void);
int64_t clock_monotonic_us(void);

enum {
    TIME_TEXT_LENGTH = 27, /* 2026-11-23T09:00:00.123456Z */
    MICROSECONDS_PER_SECOND = 1000000,
    MICROSECONDS_PER_MILLISECOND = 1000,
};

/* The monotonic time that many milliseconds from now. */
static inline int64_t clock_deadline_us(int64_t milliseconds)
{
    return clock_monotonic_us() + milliseconds * MICROSECONDS_PER_MILLISECOND;
}

/* A monotonic time, for calls that take CLOCK_MONOTONIC. */
static inline struct timespec clock_timespec(int64_t monotonic_us)
{
    return (struct timespec){.tv_sec = monotonic_us / MICROSECONDS_PER_SECOND,
                             .tv_nsec = monotonic_us % MICROSECONDS_PER_SECOND * 1000};
}

/* Waits for a condition until a monotonic time. Returns 0 or ETIMEDOUT. */
static inline int clock_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                                  int64_t until_us)
{
    const struct timespec until = clock_timespec(until_us);
    return pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &until);
}

/* Years 0001 to 9999; writes TIME_TEXT_LENGTH characters and a NUL. */
void time_format(int64_t time_us, char ret_text[TIME_TEXT_LENGTH + 1]);

/* RFC 3339 date-time: any offset, 0 to 9 decimals (cut to microseconds), `T` and `Z` in either
 * case. A leap second (23:59:60 in UTC) is the following second. False for anything else. */
MUST_CHECK bool time_parse(struct str text, int64_t *ret_time_us);
