/* Views that are to be made again: all of them, or those of a partition from a position on. */
#include "view_store_postgres_internal.h"

/* The tables in the order in which WRITE locks them, so that the two never wait for each other in a
 * circle. */
static const struct postgres_statement TRUNCATE = {
    .name = "truncate",
    .sql = "TRUNCATE cart_views, cart_timeline, parked_carts, parked_records, projection_log",
};
static const struct postgres_statement RESET_POSITIONS = {
    .name = "reset_positions",
    .sql = "UPDATE projection_positions SET position = 0, event_id = NULL, occurred_at = NULL,"
           " kafka_offset = NULL, epoch = epoch + 1",
};
static const struct postgres_statement ALLOW_TIME = {
    .name = "allow_time",
    .sql = "SELECT set_config('statement_timeout', '55s', true),"
           "       set_config('lock_timeout', '50s', true)",
};

/* For statements that read a whole timeline, and for the work on their events in between. If the
 * process ends in the middle, the server notices and releases its locks. */
static const struct postgres_statement ALLOW_AN_HOUR = {
    .name = "allow_an_hour",
    .sql = "SELECT set_config('statement_timeout', '3595s', true),"
           "       set_config('idle_in_transaction_session_timeout', '60s', true),"
           "       set_config('client_connection_check_interval', '1s', true)",
};
/*
 * Every applied position is stored once: in the timeline or among the parked records. `base` is the
 * last position before $2 up to which none is missing. It must have left its event's id, which the
 * projection compares with the log's. A view stays if its version is that of its cart's last event
 * in the timeline and that event is not after `base`.
 */
static const struct postgres_statement REWIND = {
    .name = "rewind",
    .sql =
        "WITH base AS MATERIALIZED ("
        "  SELECT position, event_id, occurred_at FROM ("
        "   SELECT *, row_number() OVER (ORDER BY position) - 1 AS place FROM ("
        "    SELECT 0::bigint AS position, NULL::uuid AS event_id, NULL::timestamptz AS occurred_at"
        "    UNION ALL"
        "    SELECT position, event_id, occurred_at FROM cart_timeline"
        "    WHERE partition = $1 AND position < $2"
        "    UNION ALL"
        "    SELECT position, NULL, NULL FROM parked_records"
        "    WHERE partition = $1 AND position < $2) AS e) AS numbered"
        "  WHERE place = position AND (position = 0 OR event_id IS NOT NULL)"
        "  ORDER BY position DESC LIMIT 1),"
        " moved AS ("
        "  UPDATE projection_positions AS p SET position = base.position,"
        "         event_id = base.event_id, occurred_at = base.occurred_at, kafka_offset = NULL,"
        "         epoch = epoch + 1"
        "  FROM base WHERE p.partition = $1 AND p.position >= $2 RETURNING base.position),"
        " views AS ("
        "  DELETE FROM cart_views AS v USING moved WHERE v.partition = $1"
        "  AND v.version IS DISTINCT FROM ("
        "   SELECT CASE WHEN t.position <= moved.position THEN t.version END"
        "   FROM cart_timeline AS t WHERE t.cart_id = v.cart_id ORDER BY t.version DESC LIMIT 1)"
        "  RETURNING 1),"
        " timeline AS ("
        "  DELETE FROM cart_timeline AS t USING moved"
        "  WHERE t.partition = $1 AND t.position > moved.position),"
        " records AS ("
        "  DELETE FROM parked_records AS r USING moved"
        "  WHERE r.partition = $1 AND r.position > moved.position),"
        " carts AS ("
        "  DELETE FROM parked_carts AS k USING moved WHERE k.partition = $1 AND NOT EXISTS ("
        "   SELECT 1 FROM parked_records AS r"
        "   WHERE r.cart_id = k.cart_id AND r.position <= moved.position))"
        " SELECT position, (SELECT count(*) FROM views) FROM moved",
    .parameter_count = 2,
    .parameter_types = (const Oid[]){PG_INT2, PG_INT8},
};
/* The events of carts without a view. The carts are found by their first events. */
static const struct postgres_statement DECLARE_EVENTS = {
    .name = "declare_events",
    .sql = "DECLARE rewound NO SCROLL CURSOR FOR"
           " SELECT cart_id, t.version, t.position, t.event_id, t.type, t.schema_version,"
           "        t.occurred_at, t.data"
           " FROM cart_timeline AS f JOIN cart_timeline AS t USING (cart_id)"
           " WHERE f.version = 1 AND f.partition = $1"
           "       AND NOT EXISTS (SELECT 1 FROM cart_views AS v WHERE v.cart_id = f.cart_id)"
           " ORDER BY cart_id, t.version",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT2},
};
static const struct postgres_statement FETCH_EVENTS = {
    .name = "fetch_events",
    .sql = "FETCH 32 FROM rewound",
};
_Static_assert(REWIND_EVENTS_MAX == 32, "the limit in FETCH_EVENTS");
static const struct postgres_statement PUT_VIEWS = {
    .name = "put_views",
    .sql = "INSERT INTO cart_views (cart_id, partition, version, status, customer_id, updated_at,"
           "                        body)"
           " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)",
    .parameter_count = VIEW_COLUMNS,
    .parameter_types = (const Oid[]){VIEW_COLUMN_TYPES},
};

enum status view_store_forget_everything(void *self, struct error *error)
{
    struct view_store_postgres *store = self;
    enum status status = store_begin(store, error);
    if (status == STATUS_OK)
        status = store_do(store, &ALLOW_TIME, VIEW_STORE_CALL_MS, error);
    if (status == STATUS_OK)
        status = store_do(store, &TRUNCATE, VIEW_STORE_REBUILD_MS, error);
    if (status == STATUS_OK)
        status = store_do(store, &RESET_POSITIONS, VIEW_STORE_REBUILD_MS, error);
    if (status == STATUS_OK)
        status = view_store_commit(store, error);
    if (status != STATUS_OK)
        view_store_abandon(store);
    return status;
}

static enum status take_back(struct view_store_postgres *store, int16_t partition, int64_t position,
                             struct rewound *ret_rewound, struct error *error)
{
    AUTO(postgres_result_clear) PGresult *result = NULL;
    store_put_int2(store, 0, partition);
    store_put_int8(store, 1, position);
    enum status status = store_run(store, &REWIND, VIEW_STORE_REWIND_MS, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) == 0)
        return error_set(error, STATUS_NOT_FOUND, "nothing was made of these events");
    *ret_rewound = (struct rewound){pg_get_int8(result, 0, 0), pg_get_int8(result, 0, 1)};
    return STATUS_OK;
}

enum status view_store_rewind_begin(void *self, int16_t partition, int64_t position,
                                    struct rewound *ret_rewound, struct error *error)
{
    struct view_store_postgres *store = self;
    enum status status = store_begin_on(store, partition, error);
    if (status == STATUS_OK)
        status = store_do(store, &ALLOW_AN_HOUR, VIEW_STORE_CALL_MS, error);
    if (status == STATUS_OK)
        status = take_back(store, partition, position, ret_rewound, error);
    if (status == STATUS_OK) {
        store_put_int2(store, 0, partition);
        status = store_do(store, &DECLARE_EVENTS, VIEW_STORE_CALL_MS, error);
    }
    if (status != STATUS_OK)
        view_store_abandon(store);
    return status;
}

enum status view_store_rewind_read(void *self, stored_event_fn *visit, void *context,
                                   bool *ret_more, struct error *error)
{
    struct view_store_postgres *store = self;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_run(store, &FETCH_EVENTS, VIEW_STORE_REWIND_MS, &result, error);
    if (status != STATUS_OK)
        return status;
    int count = PQntuples(result);
    for (int row = 0; status == STATUS_OK && row < count; row++)
        status = visit(context,
                       &(struct recorded_event){
                           .cart_id = pg_get_uuid(result, row, 0),
                           .version = pg_get_int4(result, row, 1),
                           .position = pg_get_int8(result, row, 2),
                           .event_id = pg_get_uuid(result, row, 3),
                           .type = pg_get_str(result, row, 4),
                           .schema_version = pg_get_int2(result, row, 5),
                           .occurred_at_us = pg_get_time(result, row, 6),
                           .data = pg_get_str(result, row, 7),
                       },
                       error);
    *ret_more = count == REWIND_EVENTS_MAX;
    return status;
}

enum status view_store_rewind_put(void *self, const struct view_row *views, size_t count,
                                  struct error *error)
{
    struct view_store_postgres *store = self;
    store_put_views(store, 0, views, count);
    return store_do(store, &PUT_VIEWS, VIEW_STORE_CALL_MS, error);
}
