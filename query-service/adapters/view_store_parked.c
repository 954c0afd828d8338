#include "view_store_postgres_internal.h"

#include "record_headers.h"

#define RECORD_COLUMNS                                                                             \
    "record_id, partition, coalesce(position, 0), coalesce(kafka_offset, -1), cart_id, key,"       \
    " value, headers, reason"

static const struct postgres_statement COUNT_PARKED = {
    .name = "count_parked",
    .sql = "SELECT (SELECT count(*) FROM parked_carts WHERE partition = ANY ($1)),"
           "       (SELECT count(*) FROM parked_records"
           "        WHERE partition = ANY ($1) AND dead_lettered_at IS NULL)",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT2_ARRAY},
};
/* The length of a bytea is known without reading it. */
#define RECORD_SIZE                                                                                \
    "coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + " POSTGRES_SIZE("header"  \
                                                                                         "s")
/* Of the records by the condition and the order: each before which there are less than
 * PARKED_BYTES_MAX. */
#define PARKED_RECORDS(rest)                                                                       \
    "SELECT " RECORD_COLUMNS " FROM ("                                                             \
    "SELECT *, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS bytes FROM ("                          \
    "SELECT *, " RECORD_SIZE " AS size FROM parked_records WHERE " rest ") AS rows) AS sized"      \
    " WHERE bytes - size < 4194304"
_Static_assert(PARKED_BYTES_MAX == 4194304, "as PARKED_RECORDS says");

static const struct postgres_statement READ_DEAD_LETTERS = {
    .name = "read_dead_letters",
    .sql = PARKED_RECORDS("dead_lettered_at IS NULL AND partition = ANY ($1) AND record_id > $2"
                          " ORDER BY record_id LIMIT 100"),
    .parameter_count = 2,
    .parameter_types = (const Oid[]){PG_INT2_ARRAY, PG_INT8},
};
_Static_assert(DEAD_LETTERS_MAX == 100, "the limit in READ_DEAD_LETTERS");
static const struct postgres_statement MARK_DEAD_LETTERED = {
    .name = "mark_dead_lettered",
    .sql = "UPDATE parked_records SET dead_lettered_at = now() WHERE record_id = ANY ($1)",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT8_ARRAY},
};
static const struct postgres_statement FIRST_PARKED_CART_OF_ALL = {
    .name = "first_parked_cart",
    .sql = "SELECT cart_id, partition FROM parked_carts ORDER BY cart_id LIMIT 1",
};
static const struct postgres_statement NEXT_PARKED_CART = {
    .name = "next_parked_cart",
    .sql = "SELECT cart_id, partition FROM parked_carts WHERE cart_id > $1"
           " ORDER BY cart_id LIMIT 1",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_UUID},
};
static const struct postgres_statement READ_PARKED = {
    .name = "read_parked",
    .sql = PARKED_RECORDS("cart_id = $1 ORDER BY position LIMIT 500"),
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_UUID},
};
_Static_assert(REPLAY_RECORDS_MAX == 500, "the limit in READ_PARKED");

static const struct postgres_statement IS_PARKED = {
    .name = "is_parked",
    .sql = "SELECT 1 FROM parked_carts WHERE cart_id = $1",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_UUID},
};

static const Oid REPLAY_TYPES[] = {PG_UUID, VIEW_COLUMN_TYPES, TIMELINE_COLUMN_TYPES};
static const struct postgres_statement REPLAY = {
    .name = "replay",
    .sql = "WITH views AS ("
           "  INSERT INTO cart_views AS v (cart_id, partition, version, status, customer_id,"
           "                               updated_at, body)"
           "  SELECT * FROM unnest($2, $3, $4, $5, $6, $7, $8)"
           "  ON CONFLICT (cart_id) DO UPDATE SET version = excluded.version,"
           "     status = excluded.status, customer_id = excluded.customer_id,"
           "     updated_at = excluded.updated_at, body = excluded.body),"
           " timeline AS ("
           "  INSERT INTO cart_timeline (cart_id, version, partition, position, event_id, type,"
           "                             schema_version, occurred_at, data, metadata)"
           "  SELECT * FROM unnest($9, $10, $11, $12, $13, $14, $15, $16, $17, $18)),"
           " applied AS ("
           "  DELETE FROM parked_records WHERE cart_id = $1 AND position = ANY ($12)),"
           " freed AS ("
           "  DELETE FROM parked_carts AS k WHERE cart_id = $1 AND NOT EXISTS ("
           "   SELECT 1 FROM parked_records AS r WHERE r.cart_id = $1 AND r.position <> ALL ($12))"
           "  RETURNING 1),"
           " moved AS ("
           "  UPDATE projection_positions SET epoch = epoch + 1"
           "  WHERE partition = (SELECT partition FROM parked_carts WHERE cart_id = $1)"
           "  RETURNING epoch)"
           " SELECT count(*), coalesce((SELECT epoch FROM moved), 0) FROM freed",
    .parameter_count = ARRAY_SIZE(REPLAY_TYPES),
    .parameter_types = REPLAY_TYPES,
};

enum status view_store_count_parked(void *self, const int16_t *partitions, size_t count,
                                    int64_t *ret_carts, int64_t *ret_pending, struct error *error)
{
    struct view_store_postgres *store = self;
    store_put_partitions(store, 0, partitions, count);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_run(store, &COUNT_PARKED, VIEW_STORE_CALL_MS, &result, error);
    if (status != STATUS_OK)
        return status;
    *ret_carts = pg_get_int8(result, 0, 0);
    *ret_pending = pg_get_int8(result, 0, 1);
    return STATUS_OK;
}

static enum status visit_records(const PGresult *result, parked_record_fn *visit, void *context,
                                 struct error *error)
{
    enum status status = STATUS_OK;
    for (int row = 0; status == STATUS_OK && row < PQntuples(result); row++) {
        AUTO(record_headers_done) struct record_headers headers = {0};
        status = record_headers_read(pg_get_str(result, row, 7), &headers, error);
        if (status != STATUS_OK)
            return status;
        char reason[ERROR_MESSAGE_MAX];
        struct str text = pg_get_str(result, row, 8);
        size_t length = text.length < sizeof(reason) - 1 ? text.length : sizeof(reason) - 1;
        memcpy(reason, text.bytes, length);
        reason[length] = '\0';
        struct parked_record record = {
            .record_id = pg_get_int8(result, row, 0),
            .partition = pg_get_int2(result, row, 1),
            .position = pg_get_int8(result, row, 2),
            .kafka_offset = pg_get_int8(result, row, 3),
            .has_cart = PQgetisnull(result, row, 4) == 0,
            .key = pg_get_str(result, row, 5),
            .value = pg_get_str(result, row, 6),
            .headers = headers.headers,
            .header_count = headers.count,
            .reason = reason,
        };
        if (record.has_cart)
            record.cart_id = pg_get_uuid(result, row, 4);
        status = visit(context, &record, error);
    }
    return status;
}

enum status view_store_read_dead_letters(void *self, const int16_t *partitions, size_t count,
                                         int64_t after, parked_record_fn *visit, void *context,
                                         struct error *error)
{
    struct view_store_postgres *store = self;
    store_put_partitions(store, 0, partitions, count);
    store_put_int8(store, 1, after);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_run(store, &READ_DEAD_LETTERS, VIEW_STORE_CALL_MS, &result, error);
    return status == STATUS_OK ? visit_records(result, visit, context, error) : status;
}

enum status view_store_mark_dead_lettered(void *self, const int64_t *record_ids, size_t count,
                                          struct error *error)
{
    struct view_store_postgres *store = self;
    struct text *array = store_array(store, 0, PG_INT8, count);
    for (size_t i = 0; i < count; i++)
        pg_array_int8(array, record_ids[i]);
    return store_do(store, &MARK_DEAD_LETTERED, VIEW_STORE_CALL_MS, error);
}

enum status view_store_next_parked_cart(void *self, const struct uuid *after,
                                        struct uuid *ret_cart_id, int16_t *ret_partition,
                                        struct error *error)
{
    struct view_store_postgres *store = self;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    if (after != NULL)
        store_put_uuid(store, 0, after);
    enum status status =
        store_run(store, after != NULL ? &NEXT_PARKED_CART : &FIRST_PARKED_CART_OF_ALL,
                  VIEW_STORE_CALL_MS, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) == 0)
        return error_set(error, STATUS_NOT_FOUND, "no more parked carts");
    *ret_cart_id = pg_get_uuid(result, 0, 0);
    *ret_partition = pg_get_int2(result, 0, 1);
    return STATUS_OK;
}

enum status view_store_replay_begin(void *self, const struct uuid *cart_id, int16_t partition,
                                    struct error *error)
{
    struct view_store_postgres *store = self;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_begin_on(store, partition, error);
    if (status == STATUS_OK) {
        store_put_uuid(store, 0, cart_id);
        status = store_run(store, &IS_PARKED, VIEW_STORE_CALL_MS, &result, error);
    }
    if (status == STATUS_OK && PQntuples(result) == 0)
        status = error_set(error, STATUS_NOT_FOUND, "the cart is not parked");
    if (status != STATUS_OK)
        view_store_abandon(store);
    return status;
}

enum status view_store_read_parked(void *self, const struct uuid *cart_id, parked_record_fn *visit,
                                   void *context, struct error *error)
{
    struct view_store_postgres *store = self;
    store_put_uuid(store, 0, cart_id);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_run(store, &READ_PARKED, VIEW_STORE_CALL_MS, &result, error);
    return status == STATUS_OK ? visit_records(result, visit, context, error) : status;
}

enum status view_store_replay_commit(void *self, const struct uuid *cart_id,
                                     const struct view_row *view,
                                     const struct recorded_event *const *timeline,
                                     size_t timeline_count, bool *ret_is_free, int64_t *ret_epoch,
                                     struct error *error)
{
    struct view_store_postgres *store = self;
    store_put_uuid(store, 0, cart_id);
    store_put_views(store, 1, view, view != NULL ? 1 : 0);
    store_put_timeline(store, 1 + VIEW_COLUMNS, timeline, timeline_count);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_run(store, &REPLAY, VIEW_STORE_CALL_MS, &result, error);
    if (status == STATUS_OK)
        status = view_store_commit(store, error);
    if (status != STATUS_OK)
        return store_blame(store, status);
    *ret_is_free = pg_get_int8(result, 0, 0) > 0;
    *ret_epoch = pg_get_int8(result, 0, 1);
    return STATUS_OK;
}
