#include "view_waiters.h"

#include "clock.h"
#include "log.h"
#include "view_link.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BUCKETS_MIN = 64 };

struct view_waiters {
    struct view_observer observer;
    struct view_link link; /* the thread's own */
    pthread_t thread;
    bool is_started;
    size_t most;
    uint64_t seed;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
    bool is_down;         /* the last look failed */
    _Atomic size_t count; /* written under the lock */
    uint64_t round;       /* of looks; requests already looked for in it come after the others */
    size_t bucket_count;  /* a power of two */
    struct view_request **buckets; /* by cart, chained by `next` */

    /* The thread's current work. */
    size_t group_size;
    struct view_request *group[VIEW_GROUP_MAX]; /* NULL: answered */
    struct view_lookup lookups[VIEW_GROUP_MAX];
};

struct view_waiters *view_waiters_new(const struct view_waiters_options *options)
{
    struct view_waiters *waiters = calloc(1, sizeof(*waiters));
    if (waiters == NULL)
        return NULL;
    waiters->bucket_count = BUCKETS_MIN;
    while (waiters->bucket_count < options->most)
        waiters->bucket_count *= 2;
    waiters->buckets = calloc(waiters->bucket_count, sizeof(struct view_request *));
    if (waiters->buckets == NULL) {
        free(waiters);
        return NULL;
    }
    waiters->most = options->most;
    waiters->seed = uuid_hash_seed();
    waiters->round = 1;
    waiters->observer = options->observer;
    waiters->link = (struct view_link){.source = options->source, .observer = &waiters->observer};
    pthread_mutex_init(&waiters->lock, NULL);
    pthread_cond_init(&waiters->wake, NULL);
    return waiters;
}

void view_waiters_free(struct view_waiters *waiters)
{
    if (waiters == NULL)
        return;
    pthread_cond_destroy(&waiters->wake);
    pthread_mutex_destroy(&waiters->lock);
    free(waiters->buckets);
    free(waiters);
}

static struct view_request **bucket_of(struct view_waiters *waiters, const struct uuid *cart_id)
{
    return &waiters->buckets[uuid_hash(cart_id, waiters->seed) & (waiters->bucket_count - 1)];
}

static void tell_waiting(struct view_waiters *waiters)
{
    if (waiters->observer.waiting != NULL)
        waiters->observer.waiting(waiters->observer.context, waiters->count);
}

void view_waiters_submit(struct view_waiters *waiters, struct view_request *request)
{
    request->submitted_us = clock_monotonic_us();
    request->due_us = request->submitted_us;
    request->is_checked = false;
    request->round = 0;
    enum view_outcome refusal = VIEW_FOUND;
    pthread_mutex_lock(&waiters->lock);
    if (waiters->is_stopping) {
        refusal = VIEW_NOT_YET;
    } else if (!waiters->is_started || waiters->is_down) {
        refusal = VIEW_STORE_UNAVAILABLE;
    } else if (waiters->count == waiters->most) {
        refusal = VIEW_OVERLOADED;
    } else {
        struct view_request **bucket = bucket_of(waiters, &request->lookup.cart_id);
        request->next = *bucket;
        *bucket = request;
        waiters->count++;
        pthread_cond_signal(&waiters->wake);
    }
    pthread_mutex_unlock(&waiters->lock);
    if (refusal != VIEW_FOUND)
        view_request_end(request, refusal);
}

void view_waiters_changed(struct view_waiters *waiters, const struct uuid *cart_id)
{
    if (waiters->count == 0)
        return;
    bool is_due = false;
    pthread_mutex_lock(&waiters->lock);
    for (struct view_request *request = *bucket_of(waiters, cart_id); request != NULL;
         request = request->next) {
        if (!uuid_equal(&request->lookup.cart_id, cart_id))
            continue;
        request->due_us = 0;
        is_due = true;
    }
    if (is_due)
        pthread_cond_signal(&waiters->wake);
    pthread_mutex_unlock(&waiters->lock);
}

/* Takes the request out of its chain; the lock is held. */
static void unlink_request(struct view_waiters *waiters, struct view_request *request)
{
    struct view_request **link = bucket_of(waiters, &request->lookup.cart_id);
    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
    waiters->count--;
}

static void end_all(struct view_request *request, enum view_outcome outcome)
{
    while (request != NULL) {
        struct view_request *next = request->next;
        view_request_end(request, outcome);
        request = next;
    }
}

/* Everybody, as a list by `next`; the lock is held. */
static struct view_request *take_all(struct view_waiters *waiters)
{
    struct view_request *all = NULL;
    for (size_t i = 0; i < waiters->bucket_count; i++) {
        struct view_request *next;
        for (struct view_request *request = waiters->buckets[i]; request != NULL; request = next) {
            next = request->next;
            request->next = all;
            all = request;
        }
        waiters->buckets[i] = NULL;
    }
    waiters->count = 0;
    return all;
}

static bool is_expired(const struct view_request *request, int64_t now_us)
{
    return request->is_checked && now_us - request->submitted_us >= request->wait_us;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* About VIEW_WAIT_POLL_MS from now, at a time common to all waiting requests: one statement looks
 * for them together, whenever each of them came. */
static int64_t next_look_us(int64_t now_us)
{
    const int64_t poll_us = VIEW_WAIT_POLL_MS * MICROSECONDS_PER_MILLISECOND;
    return (now_us + poll_us + poll_us / 2) / poll_us * poll_us;
}

/*
 * Sorts the waiting requests: due ones go into the group, expired ones onto *ret_expired. Returns
 * when there will be something to do, if there is nothing now. The lock is held.
 */
static int64_t sort_out(struct view_waiters *waiters, struct view_request **ret_expired)
{
    int64_t now_us = clock_monotonic_us();
    int64_t next_us = now_us + VIEW_PING_MS * MICROSECONDS_PER_MILLISECOND;
    bool is_round_over = true;
    waiters->group_size = 0;
    *ret_expired = NULL;
    for (size_t i = 0; i < waiters->bucket_count && waiters->count > 0; i++) {
        struct view_request **link = &waiters->buckets[i];
        while (*link != NULL) {
            struct view_request *request = *link;
            if (is_expired(request, now_us)) {
                *link = request->next;
                waiters->count--;
                request->next = *ret_expired;
                *ret_expired = request;
                continue;
            }
            link = &request->next;
            if (request->due_us > now_us) {
                next_us = earlier(
                    next_us, earlier(request->due_us, request->submitted_us + request->wait_us));
                continue;
            }
            next_us = now_us;
            if (request->round == waiters->round)
                continue;
            if (waiters->group_size == VIEW_GROUP_MAX) {
                is_round_over = false;
                continue;
            }
            request->round = waiters->round;
            request->due_us = next_look_us(now_us);
            waiters->group[waiters->group_size] = request;
            waiters->lookups[waiters->group_size++] = request->lookup;
        }
    }
    waiters->round += is_round_over ? 1 : 0;
    return next_us;
}

static void answer_found(void *context, size_t index, int32_t version, struct str body)
{
    struct view_waiters *waiters = context;
    struct view_request *request = waiters->group[index];
    waiters->group[index] = NULL;
    pthread_mutex_lock(&waiters->lock);
    unlink_request(waiters, request);
    pthread_mutex_unlock(&waiters->lock);
    request->answer(request, VIEW_FOUND, version, body, false);
}

/* Requests that are still in the group afterwards go on waiting. */
static void look(struct view_waiters *waiters)
{
    struct error error = {0};
    enum status status = view_link_find(&waiters->link, waiters->lookups, waiters->group_size,
                                        answer_found, waiters, &error);
    if (status == STATUS_INTERNAL)
        log_error("view-store", "a read has failed", LOG_STR("reason", error.message));
    struct view_request *refused = NULL;
    pthread_mutex_lock(&waiters->lock);
    waiters->is_down = status != STATUS_OK;
    if (waiters->is_down)
        refused = take_all(waiters);
    for (size_t i = 0; i < waiters->group_size && !waiters->is_down; i++)
        if (waiters->group[i] != NULL)
            waiters->group[i]->is_checked = true;
    pthread_mutex_unlock(&waiters->lock);
    end_all(refused, status == STATUS_INTERNAL ? VIEW_FAILED : VIEW_STORE_UNAVAILABLE);
}

/* The lock is held. */
static void wait_until(struct view_waiters *waiters, int64_t until_us)
{
    if (waiters->is_down)
        until_us = clock_deadline_us(VIEW_RETRY_MS);
    clock_cond_wait(&waiters->wake, &waiters->lock, until_us);
}

static void *thread_main(void *argument)
{
    struct view_waiters *waiters = argument;
    look(waiters); /* for nobody yet: this connects */
    for (;;) {
        struct view_request *expired;
        pthread_mutex_lock(&waiters->lock);
        int64_t next_us = sort_out(waiters, &expired);
        tell_waiting(waiters);
        bool is_idle = waiters->group_size == 0 && expired == NULL && !waiters->is_stopping;
        if (is_idle)
            wait_until(waiters, next_us);
        bool ends = waiters->is_stopping;
        bool asks = waiters->group_size > 0 || (is_idle && waiters->count == 0);
        pthread_mutex_unlock(&waiters->lock);
        end_all(expired, VIEW_NOT_YET);
        if (ends)
            return NULL;
        if (asks)
            look(waiters);
    }
}

enum status view_waiters_start(struct view_waiters *waiters, struct error *error)
{
    pthread_mutex_lock(&waiters->lock);
    waiters->is_started = pthread_create(&waiters->thread, NULL, thread_main, waiters) == 0;
    bool is_started = waiters->is_started;
    pthread_mutex_unlock(&waiters->lock);
    if (!is_started)
        return error_set(error, STATUS_UNAVAILABLE, "no thread for those who wait");
    return STATUS_OK;
}

void view_waiters_stop(struct view_waiters *waiters)
{
    if (!waiters->is_started)
        return;
    pthread_mutex_lock(&waiters->lock);
    waiters->is_stopping = true;
    pthread_cond_signal(&waiters->wake);
    pthread_mutex_unlock(&waiters->lock);
    pthread_join(waiters->thread, NULL);
    pthread_mutex_lock(&waiters->lock);
    waiters->is_started = false;
    struct view_request *left = take_all(waiters);
    pthread_mutex_unlock(&waiters->lock);
    end_all(left, VIEW_NOT_YET);
}
