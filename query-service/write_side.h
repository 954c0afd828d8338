/*
 * write_side.h - everything that makes the views, put together: the topic, the log, the read
 * database, the dead letters and the projector between them.
 */
#pragma once

#include "dead_letter_kafka.h"
#include "event_feed_kafka.h"
#include "health.h"
#include "hot_views.h"
#include "log_client_http.h"
#include "log_place.h"
#include "parked_replay.h"
#include "projector.h"
#include "query_config.h"
#include "query_metrics.h"
#include "view_store_postgres.h"
#include "view_waiters.h"

struct write_side {
    struct health_check *progress_check; /* borrowed */
    struct health_check *parked_check;   /* borrowed */
    struct query_metrics *metrics;       /* borrowed */
    struct view_waiters *waiters;        /* borrowed */
    struct hot_views *hot;               /* borrowed */
    struct view_store_postgres *store;
    struct event_feed_kafka *feed;
    struct log_client_http *log;
    struct dead_letter_kafka *dead_letters;
    struct projector *projector;
};

/*
 * Builds it; nothing runs yet. `side` holds what is borrowed. Looks at the topic once.
 * STATUS_CONFLICT: it has another number of partitions than configured. A topic that is away is
 * waited for. The caller owes write_side_done() in any case.
 */
MUST_CHECK enum status write_side_build(struct write_side *side, const struct query_config *config,
                                        struct error *error);
MUST_CHECK enum status write_side_start(struct write_side *side, struct error *error);
/* Finishes the batch in hand. Works however much was built. */
void write_side_stop(struct write_side *side);
void write_side_done(struct write_side *side);

/* Operators' commands, beside a running service or without one. */

/* Forgets every view; running services make them again from the log. */
MUST_CHECK enum status write_side_rebuild(const struct query_config *config, struct error *error);
/* Takes the views of a partition back to before `place` (view_rewind.h). */
MUST_CHECK enum status write_side_replay_from(const struct query_config *config,
                                              const struct log_place *place,
                                              struct rewound *ret_rewound, struct error *error);
/* Applies what is parked, as far as that is possible now. */
MUST_CHECK enum status write_side_replay_parked(const struct query_config *config,
                                                struct replay_result *ret_result,
                                                struct error *error);
