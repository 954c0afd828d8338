/*
 * fake_view_source.h - a database of cart views in memory that can be away, stand still or break,
 * and requests that note how they were answered.
 */
#pragma once

#include "clock.h"
#include "view_request.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { FAKE_CARTS = 2000, FAKE_PIECE = 10, PATIENCE_MS = 10000 };

/* One lock for all of it; tests take it with fake_set(), fake_count() and the like while somebody
 * may be at work. */
struct fake_source {
    struct view_source port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_away;      /* nobody there */
    bool is_still;     /* calls do not return until it moves again */
    bool is_connected; /* connect() was called, and nothing broke since */
    enum status fails_with;
    int breaks;                   /* calls that will find the connection broken */
    int32_t versions[FAKE_CARTS]; /* 0: no such cart */
    int finds;                    /* calls with carts */
    int lists;
    int pieces;       /* of events */
    int calls_inside; /* that stand still */
    int largest_group;
    int find_ms; /* how long a call with carts takes */
};

static inline struct uuid fake_id(int number)
{
    struct uuid id = {.bytes = {0x01, 0x98}};
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

static inline int fake_number(const struct uuid *id)
{
    return id->bytes[14] << 8 | id->bytes[15];
}

static inline enum status fake_connect(void *self, int64_t deadline_us, struct error *error)
{
    struct fake_source *fake = self;
    (void)deadline_us;
    pthread_mutex_lock(&fake->lock);
    bool is_connected = !fake->is_away;
    fake->is_connected = is_connected;
    pthread_mutex_unlock(&fake->lock);
    return is_connected ? STATUS_OK : error_set(error, STATUS_UNAVAILABLE, "it is away");
}

/* Stands still if it shall, and tells how the call ends. The lock is held. */
static inline enum status fake_call(struct fake_source *fake, struct error *error)
{
    fake->calls_inside++;
    pthread_cond_broadcast(&fake->changed);
    while (fake->is_still)
        pthread_cond_wait(&fake->changed, &fake->lock);
    fake->calls_inside--;
    if (fake->is_away || fake->breaks > 0 || !fake->is_connected) {
        fake->breaks -= fake->breaks > 0 ? 1 : 0;
        fake->is_connected = false;
        return error_set(error, STATUS_UNCERTAIN, "the connection was lost");
    }
    return fake->fails_with == STATUS_OK ? STATUS_OK : error_set(error, fake->fails_with, "failed");
}

static inline enum status fake_find(void *self, const struct view_lookup *lookups, size_t count,
                                    int64_t deadline_us, view_found_fn *found, void *context,
                                    struct error *error)
{
    struct fake_source *fake = self;
    (void)deadline_us;
    int32_t versions[VIEW_GROUP_MAX];
    pthread_mutex_lock(&fake->lock);
    fake->finds += count > 0 ? 1 : 0;
    if ((int)count > fake->largest_group)
        fake->largest_group = (int)count;
    for (size_t i = 0; i < count; i++) /* what is read is older than the answer */
        versions[i] = fake->versions[fake_number(&lookups[i].cart_id)];
    enum status status = count > 0       ? fake_call(fake, error)
                         : fake->is_away ? STATUS_UNAVAILABLE
                                         : STATUS_OK;
    pthread_mutex_unlock(&fake->lock);
    if (count > 0)
        usleep((useconds_t)(fake->find_ms * MICROSECONDS_PER_MILLISECOND));
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        if (versions[i] > 0 && versions[i] >= lookups[i].least_version)
            found(context, i, versions[i], STR_LITERAL("{}"));
    return status;
}

static inline enum status fake_list(void *self, const struct view_list *list, int64_t deadline_us,
                                    view_row_fn *row, void *context, bool *ret_more,
                                    struct error *error)
{
    struct fake_source *fake = self;
    (void)deadline_us;
    pthread_mutex_lock(&fake->lock);
    fake->lists++;
    enum status status = fake_call(fake, error);
    pthread_mutex_unlock(&fake->lock);
    for (int i = 0; status == STATUS_OK && i < list->limit; i++)
        row(context, &(struct view_place){i, fake_id(i)}, STR_LITERAL("{}"));
    *ret_more = true;
    return status;
}

/* A cart's version is how many events it has; a piece has FAKE_PIECE of them. */
static inline enum status fake_events(void *self, const struct view_events *events,
                                      int64_t deadline_us, view_event_fn *event, void *context,
                                      bool *ret_more, struct error *error)
{
    struct fake_source *fake = self;
    (void)deadline_us;
    pthread_mutex_lock(&fake->lock);
    fake->pieces++;
    int32_t last = fake->versions[fake_number(&events->cart_id)];
    enum status status = fake_call(fake, error);
    pthread_mutex_unlock(&fake->lock);
    if (status != STATUS_OK)
        return status;
    last = last < events->until ? last : events->until;
    int32_t version = events->after;
    int32_t end = version + FAKE_PIECE < last ? version + FAKE_PIECE : last;
    for (bool goes_on = true; goes_on && version < end;)
        goes_on = event(context, &(struct recorded_event){.version = ++version});
    *ret_more = version < last;
    return STATUS_OK;
}

/* A version a second. */
static inline enum status fake_version_at(void *self, const struct uuid *cart_id, int64_t time_us,
                                          int64_t deadline_us, int32_t *ret_version,
                                          struct error *error)
{
    struct fake_source *fake = self;
    (void)deadline_us;
    pthread_mutex_lock(&fake->lock);
    int32_t last = fake->versions[fake_number(cart_id)];
    enum status status = fake_call(fake, error);
    pthread_mutex_unlock(&fake->lock);
    if (status != STATUS_OK)
        return status;
    if (last == 0)
        return error_set(error, STATUS_NOT_FOUND, "no such cart");
    int64_t second = time_us / MICROSECONDS_PER_SECOND;
    *ret_version = second < last ? (int32_t)second : last;
    return STATUS_OK;
}

static inline void fake_source_init(struct fake_source *fake)
{
    *fake = (struct fake_source){
        .port = {fake, fake_connect, fake_find, fake_list, fake_events, fake_version_at},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
}

static inline void fake_set(struct fake_source *fake, bool *flag, bool value)
{
    pthread_mutex_lock(&fake->lock);
    *flag = value;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

/* From the next call on. */
static inline void fake_fail(struct fake_source *fake, enum status status)
{
    pthread_mutex_lock(&fake->lock);
    fake->fails_with = status;
    pthread_mutex_unlock(&fake->lock);
}

static inline void fake_break(struct fake_source *fake, int calls)
{
    pthread_mutex_lock(&fake->lock);
    fake->breaks = calls;
    pthread_mutex_unlock(&fake->lock);
}

static inline void fake_set_version(struct fake_source *fake, int number, int32_t version)
{
    pthread_mutex_lock(&fake->lock);
    fake->versions[number] = version;
    pthread_mutex_unlock(&fake->lock);
}

static inline int fake_count(struct fake_source *fake, const int *count)
{
    pthread_mutex_lock(&fake->lock);
    int value = *count;
    pthread_mutex_unlock(&fake->lock);
    return value;
}

/* Returns when one of the counts is that high. */
static inline void fake_wait_count(struct fake_source *fake, const int *count, int least)
{
    int64_t until_us = clock_deadline_us(PATIENCE_MS);
    pthread_mutex_lock(&fake->lock);
    while (*count < least) {
        cr_assert_lt(clock_monotonic_us(), until_us, "%d, not %d", *count, least);
        clock_cond_wait(&fake->changed, &fake->lock, until_us);
    }
    pthread_mutex_unlock(&fake->lock);
}

/* Returns when `calls` calls stand still inside. */
static inline void fake_wait_inside(struct fake_source *fake, int calls)
{
    fake_wait_count(fake, &fake->calls_inside, calls);
}

/* --- requests ------------------------------------------------------------------------------ */

struct asked {
    struct view_request request; /* first */
    _Atomic int answers;
    _Atomic int outcome;
    _Atomic int version;
    _Atomic int rows; /* or events */
    int enough;       /* events; 0: all of them */
    bool more;
    _Atomic int64_t answered_us;
};

static inline void asked_answer(struct view_request *request, enum view_outcome outcome,
                                int32_t version, struct str body, bool more)
{
    struct asked *asked = (struct asked *)request;
    (void)body;
    asked->more = more;
    asked->outcome = (int)outcome;
    asked->version = version;
    asked->answered_us = clock_monotonic_us();
    asked->answers++;
}

static inline void asked_row(void *context, const struct view_place *place, struct str body)
{
    struct asked *asked = context;
    (void)place;
    (void)body;
    asked->rows++;
}

static inline void ask_cart(struct asked *asked, int number)
{
    *asked = (struct asked){.request = {.lookup = {fake_id(number), 1}, .answer = asked_answer}};
}

static inline void ask_version(struct asked *asked, int number, int32_t version, int wait_ms)
{
    ask_cart(asked, number);
    asked->request.lookup.least_version = version;
    asked->request.wait_us = wait_ms * MICROSECONDS_PER_MILLISECOND;
}

static inline void ask_page(struct asked *asked, int limit)
{
    *asked = (struct asked){
        .request = {VIEW_PAGE, .list = {.limit = limit}, .row = asked_row, .answer = asked_answer}};
}

static inline bool asked_event(void *context, const struct recorded_event *event)
{
    struct asked *asked = context;
    cr_assert_eq(event->version, ++asked->rows);
    return asked->rows != asked->enough;
}

static inline void ask_events(struct asked *asked, int number, int32_t until)
{
    *asked = (struct asked){.request = {VIEW_EVENTS,
                                        .events = {.cart_id = fake_id(number), .until = until},
                                        .event = asked_event, .answer = asked_answer}};
}

static inline void ask_version_at(struct asked *asked, int number, int seconds)
{
    *asked = (struct asked){.request = {VIEW_VERSION_AT, .lookup = {fake_id(number), 1},
                                        .time_us = (int64_t)seconds * MICROSECONDS_PER_SECOND,
                                        .answer = asked_answer}};
}

static inline void wait_answered(struct asked *asked)
{
    for (int i = 0; asked->answers == 0; i++) {
        cr_assert_lt(i, PATIENCE_MS, "no answer");
        usleep(1000);
    }
}

static inline void is_answered(struct asked *asked, enum view_outcome outcome)
{
    wait_answered(asked);
    cr_assert_eq(asked->outcome, (int)outcome, "%d, not %d", asked->outcome, (int)outcome);
}
