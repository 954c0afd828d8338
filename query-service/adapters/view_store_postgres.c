#include "view_store_postgres_internal.h"

#include "clock.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

static struct text *store_parameter(struct view_store_postgres *store, size_t n)
{
    assert(n < STORE_PARAMETERS_MAX);
    text_clear(&store->parameters[n]);
    return &store->parameters[n];
}

struct text *store_array(struct view_store_postgres *store, size_t n, Oid element_type,
                         size_t count)
{
    struct text *array = store_parameter(store, n);
    pg_array_begin(array, element_type, count);
    return array;
}

void store_put_int2(struct view_store_postgres *store, size_t n, int16_t value)
{
    uint16_t wire = htobe16((uint16_t)value);
    text_append(store_parameter(store, n), (const char *)&wire, sizeof(wire));
}

void store_put_int8(struct view_store_postgres *store, size_t n, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    text_append(store_parameter(store, n), (const char *)&wire, sizeof(wire));
}

void store_put_uuid(struct view_store_postgres *store, size_t n, const struct uuid *value)
{
    text_append(store_parameter(store, n), (const char *)value->bytes, sizeof(value->bytes));
}

void store_put_partitions(struct view_store_postgres *store, size_t n, const int16_t *partitions,
                          size_t count)
{
    struct text *array = store_array(store, n, PG_INT2, count);
    for (size_t i = 0; i < count; i++)
        pg_array_int2(array, partitions[i]);
}

/*
 * Everything here is found by a key or an index. A plan may be made while the tables are empty, and
 * a minute later they have a million rows, long before the statistics say so. So a plan that reads
 * a whole table must not be kept, however good it looked.
 */
static const struct postgres_statement SET_UP = {
    .name = "set_up",
    .sql = "SELECT set_config('enable_seqscan', 'off', false),"
           "       set_config('enable_hashjoin', 'off', false),"
           "       set_config('enable_mergejoin', 'off', false),"
           "       set_config('jit', 'off', false)",
};

static void empty(struct text *parameter)
{
    if (parameter->capacity > STORE_PARAMETER_KEPT_MAX)
        text_done(parameter);
    else
        text_clear(parameter);
}

/* The parameters are empty afterwards. */
static enum status send(struct view_store_postgres *store,
                        const struct postgres_statement *statement, int call_ms,
                        struct error *error)
{
    const char *values[STORE_PARAMETERS_MAX];
    int lengths[STORE_PARAMETERS_MAX];
    int formats[STORE_PARAMETERS_MAX];
    bool is_complete = true;
    for (int i = 0; i < statement->parameter_count; i++) {
        is_complete = is_complete && text_ok(&store->parameters[i]);
        struct str value = text_str(&store->parameters[i]);
        values[i] = value.bytes;
        lengths[i] = (int)value.length;
        formats[i] = 1;
    }
    struct postgres_parameters parameters = {values, lengths, formats};
    store->deadline_us = clock_deadline_us(call_ms);
    enum status status =
        is_complete
            ? postgres_send(store->postgres, statement, &parameters, store->deadline_us, error)
            : error_set(error, STATUS_NO_MEMORY, "%s: out of memory", statement->name);
    for (int i = 0; i < statement->parameter_count; i++)
        empty(&store->parameters[i]);
    return status;
}

static enum status execute(struct view_store_postgres *store,
                           const struct postgres_statement *statement, int call_ms,
                           PGresult **ret_result, struct error *error)
{
    enum status status = send(store, statement, call_ms, error);
    return status == STATUS_OK ? store_receive(store, ret_result, error) : status;
}

static enum status connect(struct view_store_postgres *store, struct error *error)
{
    if (postgres_is_connected(store->postgres) && store->is_set_up)
        return STATUS_OK;
    if (store->is_in_transaction)
        return error_set(error, STATUS_UNAVAILABLE, "the connection was lost in a transaction");
    store->is_set_up = false;
    int64_t deadline_us = clock_deadline_us(VIEW_STORE_CONNECT_MS);
    enum status status = postgres_connect(store->postgres, deadline_us, error);
    if (status != STATUS_OK)
        return status == STATUS_INVALID ? STATUS_UNAVAILABLE : status;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    status = execute(store, &SET_UP, VIEW_STORE_CALL_MS, &result, error);
    store->is_set_up = status == STATUS_OK;
    return status;
}

enum status store_send(struct view_store_postgres *store,
                       const struct postgres_statement *statement, int call_ms, struct error *error)
{
    enum status status = connect(store, error);
    return status == STATUS_OK ? send(store, statement, call_ms, error) : status;
}

enum status store_receive(struct view_store_postgres *store, PGresult **ret_result,
                          struct error *error)
{
    return postgres_receive(store->postgres, store->deadline_us, ret_result, error);
}

enum status store_run(struct view_store_postgres *store, const struct postgres_statement *statement,
                      int call_ms, PGresult **ret_result, struct error *error)
{
    enum status status = store_send(store, statement, call_ms, error);
    return status == STATUS_OK ? store_receive(store, ret_result, error) : status;
}

enum status store_do(struct view_store_postgres *store, const struct postgres_statement *statement,
                     int call_ms, struct error *error)
{
    AUTO(postgres_result_clear) PGresult *result = NULL;
    return store_run(store, statement, call_ms, &result, error);
}

static const struct postgres_statement READ_LOG = {
    .name = "read_log",
    .sql = "SELECT log_id, partition_count FROM projection_log",
};
static const struct postgres_statement NOTE_LOG = {
    .name = "note_log",
    .sql = "INSERT INTO projection_log (partition_count) VALUES ($1) ON CONFLICT DO NOTHING",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT2},
};
static const struct postgres_statement ADOPT_LOG = {
    .name = "adopt_log",
    .sql = "UPDATE projection_log SET log_id = $1 WHERE log_id IS NULL",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_UUID},
};
static const struct postgres_statement NOTE_PARTITIONS = {
    .name = "note_partitions",
    .sql = "INSERT INTO projection_positions (partition) SELECT unnest($1) ON CONFLICT DO NOTHING",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT2_ARRAY},
};
static const struct postgres_statement LOAD_CHECKPOINTS = {
    .name = "load_checkpoints",
    .sql = "SELECT p.position, p.event_id, p.occurred_at, p.kafka_offset, p.epoch"
           " FROM unnest($1) WITH ORDINALITY AS w (partition, n)"
           " JOIN projection_positions AS p USING (partition) ORDER BY w.n",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT2_ARRAY},
};
/* As many carts as fit: each before which there are less than VIEW_LOAD_BYTES_MAX. A text's length
 * is known without reading it. */
static const struct postgres_statement LOAD_CARTS = {
    .name = "load_carts",
    .sql = "SELECT cart_id, version, body, is_parked FROM ("
           "  SELECT w.n, w.cart_id, v.version, v.body, k.cart_id IS NOT NULL AS is_parked,"
           "         coalesce(octet_length(v.body), 0) AS size,"
           "         sum(coalesce(octet_length(v.body), 0)) OVER (ORDER BY w.n) AS total"
           "  FROM unnest($1) WITH ORDINALITY AS w (cart_id, n)"
           "  LEFT JOIN cart_views AS v ON v.cart_id = w.cart_id"
           "  LEFT JOIN parked_carts AS k ON k.cart_id = w.cart_id) AS c"
           " WHERE total - size <= 4194304 ORDER BY n",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_UUID_ARRAY},
};
_Static_assert(VIEW_LOAD_BYTES_MAX == 4194304, "the limit in LOAD_CARTS");

static enum status read_log(void *self, int partition_count, struct known_log *ret_log,
                            struct error *error)
{
    struct view_store_postgres *store = self;
    for (int attempt = 0; attempt < 2; attempt++) {
        AUTO(postgres_result_clear) PGresult *result = NULL;
        enum status status = store_run(store, &READ_LOG, VIEW_STORE_CALL_MS, &result, error);
        if (status != STATUS_OK)
            return status;
        if (PQntuples(result) == 1) {
            *ret_log = (struct known_log){.is_known = PQgetisnull(result, 0, 0) == 0,
                                          .partition_count = pg_get_int2(result, 0, 1)};
            if (ret_log->is_known)
                ret_log->log_id = pg_get_uuid(result, 0, 0);
            return STATUS_OK;
        }
        store_put_int2(store, 0, (int16_t)partition_count);
        status = store_do(store, &NOTE_LOG, VIEW_STORE_CALL_MS, error);
        if (status != STATUS_OK)
            return status;
    }
    return error_set(error, STATUS_UNAVAILABLE, "projection_log is being changed");
}

static enum status adopt_log(void *self, const struct uuid *log_id, struct error *error)
{
    struct view_store_postgres *store = self;
    store_put_uuid(store, 0, log_id);
    return store_do(store, &ADOPT_LOG, VIEW_STORE_CALL_MS, error);
}

static struct checkpoint checkpoint_of(const PGresult *result, int row)
{
    struct checkpoint checkpoint = {
        .position = pg_get_int8(result, row, 0),
        .kafka_offset =
            PQgetisnull(result, row, 3) ? KAFKA_OFFSET_UNKNOWN : pg_get_int8(result, row, 3),
        .epoch = pg_get_int8(result, row, 4),
    };
    if (PQgetisnull(result, row, 1) == 0)
        checkpoint.event_id = pg_get_uuid(result, row, 1);
    if (PQgetisnull(result, row, 2) == 0)
        checkpoint.occurred_at_us = pg_get_time(result, row, 2);
    return checkpoint;
}

static enum status load_checkpoints(void *self, const int16_t *partitions, size_t count,
                                    struct checkpoint *ret_checkpoints, struct error *error)
{
    struct view_store_postgres *store = self;
    for (int attempt = 0; attempt < 2; attempt++) {
        AUTO(postgres_result_clear) PGresult *result = NULL;
        store_put_partitions(store, 0, partitions, count);
        enum status status =
            store_run(store, &LOAD_CHECKPOINTS, VIEW_STORE_CALL_MS, &result, error);
        if (status != STATUS_OK)
            return status;
        if ((size_t)PQntuples(result) == count) {
            for (size_t i = 0; i < count; i++)
                ret_checkpoints[i] = checkpoint_of(result, (int)i);
            return STATUS_OK;
        }
        store_put_partitions(store, 0, partitions, count);
        status = store_do(store, &NOTE_PARTITIONS, VIEW_STORE_CALL_MS, error);
        if (status != STATUS_OK)
            return status;
    }
    return error_set(error, STATUS_UNAVAILABLE, "projection_positions is being changed");
}

static enum status load_carts(void *self, const struct uuid *cart_ids, size_t count,
                              stored_cart_fn *visit, void *context, struct error *error)
{
    struct view_store_postgres *store = self;
    struct text *array = store_array(store, 0, PG_UUID, count);
    for (size_t i = 0; i < count; i++)
        pg_array_uuid(array, &cart_ids[i]);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_run(store, &LOAD_CARTS, VIEW_STORE_CALL_MS, &result, error);
    for (int row = 0; status == STATUS_OK && row < PQntuples(result); row++) {
        struct stored_cart cart = {
            .cart_id = pg_get_uuid(result, row, 0),
            .version = PQgetisnull(result, row, 1) ? 0 : pg_get_int4(result, row, 1),
            .body = pg_get_str(result, row, 2),
            .is_parked = PQgetvalue(result, row, 3)[0] != 0,
        };
        status = visit(context, &cart, error);
    }
    return status;
}

struct view_store_postgres *view_store_postgres_new(const char *url)
{
    struct view_store_postgres *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return NULL;
    store->postgres = postgres_new(&(struct postgres_options){
        .url = url,
        .application_name = "cartledger-projector",
        .statement_timeout_ms = VIEW_STORE_STATEMENT_MS,
        .lock_timeout_ms = VIEW_STORE_LOCK_MS,
        .must_write = true,
    });
    if (store->postgres == NULL) {
        free(store);
        return NULL;
    }
    for (size_t i = 0; i < STORE_PARAMETERS_MAX; i++)
        store->parameters[i] = TEXT_INIT(STORE_PARAMETER_BYTES_MAX);
    store->port = (struct view_store){
        .self = store,
        .read_log = read_log,
        .adopt_log = adopt_log,
        .load_checkpoints = load_checkpoints,
        .load_carts = load_carts,
        .begin_write = view_store_begin_write,
        .end_write = view_store_end_write,
        .count_parked = view_store_count_parked,
        .read_dead_letters = view_store_read_dead_letters,
        .mark_dead_lettered = view_store_mark_dead_lettered,
        .next_parked_cart = view_store_next_parked_cart,
        .replay_begin = view_store_replay_begin,
        .read_parked = view_store_read_parked,
        .replay_commit = view_store_replay_commit,
        .rewind_begin = view_store_rewind_begin,
        .rewind_read = view_store_rewind_read,
        .rewind_put = view_store_rewind_put,
        .rewind_commit = view_store_commit,
        .abandon = view_store_abandon,
        .forget_everything = view_store_forget_everything,
    };
    return store;
}

void view_store_postgres_free(struct view_store_postgres *store)
{
    if (store == NULL)
        return;
    postgres_free(store->postgres);
    for (size_t i = 0; i < STORE_PARAMETERS_MAX; i++)
        text_done(&store->parameters[i]);
    free(store);
}

const struct view_store *view_store_postgres_port(struct view_store_postgres *store)
{
    return &store->port;
}
