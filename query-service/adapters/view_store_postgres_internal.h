/*
 * view_store_postgres_internal.h - what the files of this adapter share: view_store_postgres.c
 * (sessions, checkpoints, carts), view_store_write.c (a batch), view_store_parked.c (parked
 * records, replay), view_store_again.c (rebuild, rewind), view_store_transaction.c.
 */
#pragma once

#include "postgres.h"
#include "postgres_array.h"
#include "view_store_postgres.h"

enum {
    STORE_PARAMETERS_MAX = 48,                     /* of one statement */
    STORE_PARAMETER_BYTES_MAX = 128 * 1024 * 1024, /* of one parameter, in memory */
    STORE_PARAMETER_KEPT_MAX = 1024 * 1024,        /* memory kept of it between two calls */
};

struct view_store_postgres {
    struct view_store port;
    struct postgres *postgres;
    bool is_set_up; /* the session's settings */
    /* A transaction of several statements, which must not continue on another connection. */
    bool is_in_transaction;
    struct text parameters[STORE_PARAMETERS_MAX];
    int64_t deadline_us; /* of the statement under way */
};

/* Empties the n-th parameter and begins an array in it. */
struct text *store_array(struct view_store_postgres *store, size_t n, Oid element_type,
                         size_t count);
/* Single values. */
void store_put_int2(struct view_store_postgres *store, size_t n, int16_t value);
void store_put_int8(struct view_store_postgres *store, size_t n, int64_t value);
void store_put_uuid(struct view_store_postgres *store, size_t n, const struct uuid *value);
/* An array. */
void store_put_partitions(struct view_store_postgres *store, size_t n, const int16_t *partitions,
                          size_t count);

/* Connects unless connected, and runs a statement with the first of the parameters, which are empty
 * afterwards; the results are binary. */
MUST_CHECK enum status store_run(struct view_store_postgres *store,
                                 const struct postgres_statement *statement, int call_ms,
                                 PGresult **ret_result, struct error *error);
/* The same in two steps; nothing else may come in between. */
MUST_CHECK enum status store_send(struct view_store_postgres *store,
                                  const struct postgres_statement *statement, int call_ms,
                                  struct error *error);
MUST_CHECK enum status store_receive(struct view_store_postgres *store, PGresult **ret_result,
                                     struct error *error);
/* The same for statements whose result does not matter. */
MUST_CHECK enum status store_do(struct view_store_postgres *store,
                                const struct postgres_statement *statement, int call_ms,
                                struct error *error);

/* view_store_transaction.c: begins a transaction of several statements. view_store_commit() or
 * view_store_abandon() ends it. view_store_abandon() may also be called after a failure, and when
 * no transaction has begun. */
MUST_CHECK enum status store_begin(struct view_store_postgres *store, struct error *error);
/* The same; until it ends, nobody else writes what belongs to the partition. */
MUST_CHECK enum status store_begin_on(struct view_store_postgres *store, int16_t partition,
                                      struct error *error);

/* view_store_write.c: the columns of a view and of a timeline row as array parameters, from number
 * `first` on. */
void store_put_views(struct view_store_postgres *store, size_t first, const struct view_row *views,
                     size_t count);
void store_put_timeline(struct view_store_postgres *store, size_t first,
                        const struct recorded_event *const *events, size_t count);
enum { VIEW_COLUMNS = 7, TIMELINE_COLUMNS = 10 };
#define VIEW_COLUMN_TYPES                                                                          \
    PG_UUID_ARRAY, PG_INT2_ARRAY, PG_INT4_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,                     \
        PG_TIMESTAMPTZ_ARRAY, PG_TEXT_ARRAY
#define TIMELINE_COLUMN_TYPES                                                                      \
    PG_UUID_ARRAY, PG_INT4_ARRAY, PG_INT2_ARRAY, PG_INT8_ARRAY, PG_UUID_ARRAY, PG_TEXT_ARRAY,      \
        PG_INT2_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY

/* STATUS_INVALID when a write failed because of its data: a value that does not fit its column, or
 * a violated check. */
enum status store_blame(struct view_store_postgres *store, enum status status);

/* The port's functions; view_store.h says what they do. */
enum status view_store_begin_write(void *self, const struct view_write *write, struct error *error);
enum status view_store_end_write(void *self, const struct view_write *write, bool *ret_moved,
                                 struct error *error);
enum status view_store_count_parked(void *self, const int16_t *partitions, size_t count,
                                    int64_t *ret_carts, int64_t *ret_pending, struct error *error);
enum status view_store_read_dead_letters(void *self, const int16_t *partitions, size_t count,
                                         int64_t after, parked_record_fn *visit, void *context,
                                         struct error *error);
enum status view_store_mark_dead_lettered(void *self, const int64_t *record_ids, size_t count,
                                          struct error *error);
enum status view_store_next_parked_cart(void *self, const struct uuid *after,
                                        struct uuid *ret_cart_id, int16_t *ret_partition,
                                        struct error *error);
enum status view_store_replay_begin(void *self, const struct uuid *cart_id, int16_t partition,
                                    struct error *error);
enum status view_store_read_parked(void *self, const struct uuid *cart_id, parked_record_fn *visit,
                                   void *context, struct error *error);
enum status view_store_replay_commit(void *self, const struct uuid *cart_id,
                                     const struct view_row *view,
                                     const struct recorded_event *const *timeline,
                                     size_t timeline_count, bool *ret_is_free, int64_t *ret_epoch,
                                     struct error *error);
enum status view_store_rewind_begin(void *self, int16_t partition, int64_t position,
                                    struct rewound *ret_rewound, struct error *error);
enum status view_store_rewind_read(void *self, stored_event_fn *visit, void *context,
                                   bool *ret_more, struct error *error);
enum status view_store_rewind_put(void *self, const struct view_row *views, size_t count,
                                  struct error *error);
enum status view_store_commit(void *self, struct error *error);
void view_store_abandon(void *self);
enum status view_store_forget_everything(void *self, struct error *error);
