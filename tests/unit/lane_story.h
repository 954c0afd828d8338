/*
 * lane_story.h - tests of the writer lane: *given a log, when commands are queued, then answers*.
 *
 * Commands are queued before the lane starts, so that they make one batch.
 */
#pragma once

#include "clock.h"
#include "command_lane.h"
#include "fake_event_store.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

enum { STORY_REQUESTS_MAX = 600, PATIENCE_MS = 10000 };

extern struct lane_story {
    struct fake_store store;
    struct command_lane *lane;
    struct command_lane_options options;
    struct command_request requests[STORY_REQUESTS_MAX];
    char metadata[STORY_REQUESTS_MAX][128];
    int64_t answered_at_us[STORY_REQUESTS_MAX];
    size_t order[STORY_REQUESTS_MAX]; /* the requests as they were answered */
    size_t connects_before_answer[STORY_REQUESTS_MAX];
    atomic_size_t request_count; /* the lane's thread may submit one too */
    atomic_size_t answered;
    double metrics[LANE_METRIC_COUNT];
    int commits;
    size_t commands_committed;     /* of the last of them */
    size_t answered_before_commit; /* when the last of them was told */
    atomic_int downs;
    atomic_int ups;
} story;

extern const struct cart_line STORY_LINE;

void story_done(struct command_request *request);
void story_begin(void);

/* Commands */

struct cart_command story_create(void);
struct cart_command story_add(void);
struct cart_command story_remove(const char *sku);
struct cart_command story_set(int32_t quantity);
struct cart_command story_cancel(void);
struct cart_command story_merge(struct cart_key target, struct cart_key source);
struct command_request *when_within(struct cart_key cart, struct cart_command command,
                                    int milliseconds);

/* With an Idempotency-Key, and what stands for the hash of the request. */
struct command_request *when_keyed(struct cart_key cart, struct cart_command command,
                                   const char *key, const char *hash);

struct command_request *when(struct cart_key cart, struct cart_command command);
void story_start(void);

/* The message is formatted. */
#define WAIT_UNTIL(condition, ...)                                                                 \
    for (int64_t until_us = clock_deadline_us(PATIENCE_MS); !(condition); usleep(200))             \
    cr_assert_lt(clock_monotonic_us(), until_us, __VA_ARGS__)

/* Waits until everything queued so far has its answer. */
void story_wait(void);

void story_stop(void);
void story_run(void);

/* Answers */

int milliseconds_to_answer(const struct command_request *request);
void then_status(const struct command_request *request, enum status expected);

/* One event, in the log at that version, once. */
void then_version(const struct command_request *request, int32_t version);

/* The same answer as the first one's, and nothing done for it. */
void then_replayed(const struct command_request *request, const struct command_request *first);

void then_refused(const struct command_request *request, enum cart_refusal refusal,
                  int32_t version);

/* Positions and versions of the whole log. */
void then_log_has(size_t count);
