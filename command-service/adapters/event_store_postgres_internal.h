/*
 * event_store_postgres_internal.h - what the files of this adapter share: event_store_postgres.c
 * (sessions), event_store_read.c, event_store_append.c.
 */
#pragma once

#include "cart_partition.h"
#include "event_store_postgres.h"
#include "postgres.h"
#include "postgres_array.h"

/* The most parameters of one statement. */
enum { EVENT_STORE_ARRAYS_MAX = 12 };

struct event_store_postgres {
    struct postgres *postgres;
    int partition_count;
    bool is_holding; /* a transaction is open */
    bool is_log_known;
    struct uuid log_id;
    struct text arrays[EVENT_STORE_ARRAYS_MAX]; /* parameters; their memory is reused */
    int32_t ordinals[PARTITION_COUNT_MAX];      /* events so far, per partition */
    int64_t bases[PARTITION_COUNT_MAX];         /* last positions before an append */
};

/* Empties the n-th parameter and begins an array in it. */
struct text *event_store_array(struct event_store_postgres *store, size_t n, Oid element_type,
                               size_t count);

/* Runs a statement with the first of the arrays as its parameters; the results are binary. A
 * failure also releases what is held. */
MUST_CHECK enum status event_store_run(struct event_store_postgres *store,
                                       const struct postgres_statement *statement,
                                       int64_t deadline_us, PGresult **ret_result,
                                       struct error *error);

/* The port's functions; event_store.h says what they do. */
enum status event_store_load(void *context, const struct cart_tail *carts, size_t count,
                             int64_t deadline_us, stored_event_fn *sink, void *sink_context,
                             bool *ret_complete, struct error *error);
enum status event_store_versions(void *context, const struct cart_key *carts, size_t count,
                                 int64_t deadline_us, int32_t *ret_versions, struct error *error);
enum status event_store_recall(void *context, const struct past_command *commands, size_t count,
                               int64_t deadline_us, recalled_event_fn *sink, void *sink_context,
                               struct error *error);
enum status event_store_hold(void *context, const int16_t *partitions, size_t count,
                             int64_t deadline_us, struct error *error);
void event_store_release(void *context, int64_t deadline_us);
enum status event_store_append(void *context, struct new_event *events, size_t count,
                               int64_t deadline_us, struct error *error);
enum status event_store_find(void *context, const struct new_event *events, size_t count,
                             int64_t deadline_us, struct standing_event *ret_standing,
                             struct error *error);
