#include "view_store_postgres_internal.h"

#include "record_headers.h"

/*
 * One statement for a whole batch, and one transaction and fsync for it or for several.
 *
 * `locked` takes the partitions' rows in partition order, so two projectors wait for each other but
 * never in a circle. After waiting it sees the newest version of the row (READ COMMITTED), and
 * returns only partitions that are still where the batch began. Everything else is joined with
 * `moved`. So nothing is written for a partition that somebody else has moved, and only the holder
 * of a partition's row ever writes that partition's rows of cart_views.
 */
static const Oid WRITE_TYPES[] = {
    /* moves */
    PG_INT2_ARRAY,
    PG_INT8_ARRAY,
    PG_UUID_ARRAY,
    PG_INT8_ARRAY,
    PG_INT8_ARRAY,
    PG_UUID_ARRAY,
    PG_TIMESTAMPTZ_ARRAY,
    PG_INT8_ARRAY,
    /* $9, $16 */
    VIEW_COLUMN_TYPES,
    TIMELINE_COLUMN_TYPES,
    /* $26: parked carts */
    PG_UUID_ARRAY,
    PG_INT2_ARRAY,
    PG_INT4_ARRAY,
    PG_TEXT_ARRAY,
    /* $30: parked records */
    PG_INT2_ARRAY,
    PG_INT8_ARRAY,
    PG_INT8_ARRAY,
    PG_UUID_ARRAY,
    PG_BYTEA_ARRAY,
    PG_BYTEA_ARRAY,
    PG_JSON_ARRAY,
    PG_TEXT_ARRAY,
};
static const struct postgres_statement WRITE = {
    .name = "write",
    .sql =
        "WITH wanted AS MATERIALIZED ("
        "  SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS w (partition, old_position,"
        "         old_event_id, epoch, position, event_id, occurred_at, kafka_offset)),"
        " locked AS MATERIALIZED ("
        "  SELECT p.partition FROM projection_positions AS p JOIN wanted AS w USING (partition)"
        "  WHERE p.position = w.old_position AND p.epoch = w.epoch"
        "        AND (p.position = 0 OR p.event_id = w.old_event_id)"
        "  ORDER BY p.partition FOR UPDATE OF p),"
        " moved AS ("
        "  UPDATE projection_positions AS p SET position = w.position,"
        "         event_id = CASE WHEN w.position > 0 THEN w.event_id END,"
        "         occurred_at = CASE WHEN w.position > 0 THEN w.occurred_at END,"
        "         kafka_offset = CASE WHEN w.kafka_offset >= 0 THEN w.kafka_offset END"
        "  FROM locked JOIN wanted AS w USING (partition) WHERE p.partition = locked.partition"
        "  RETURNING p.partition),"
        " views AS ("
        "  INSERT INTO cart_views AS v (cart_id, partition, version, status, customer_id,"
        "                               updated_at, body)"
        "  SELECT * FROM (SELECT unnest($9), unnest($10) AS partition, unnest($11), unnest($12),"
        "                        unnest($13), unnest($14), unnest($15)) AS c"
        "  WHERE partition = ANY (ARRAY(SELECT partition FROM moved))"
        "  ON CONFLICT (cart_id) DO UPDATE SET version = excluded.version,"
        "     status = excluded.status, customer_id = excluded.customer_id,"
        "     updated_at = excluded.updated_at, body = excluded.body),"
        " timeline AS ("
        "  INSERT INTO cart_timeline (cart_id, version, partition, position, event_id, type,"
        "                             schema_version, occurred_at, data, metadata)"
        "  SELECT * FROM (SELECT unnest($16), unnest($17), unnest($18) AS partition, unnest($19),"
        "                        unnest($20), unnest($21), unnest($22), unnest($23), unnest($24),"
        "                        unnest($25)) AS t"
        "  WHERE partition = ANY (ARRAY(SELECT partition FROM moved))),"
        " carts AS ("
        "  INSERT INTO parked_carts (cart_id, partition, version, reason)"
        "  SELECT k.* FROM unnest($26, $27, $28, $29) AS k (cart_id, partition, version, reason)"
        "  JOIN moved USING (partition) ON CONFLICT DO NOTHING),"
        " records AS ("
        "  INSERT INTO parked_records (partition, position, kafka_offset, cart_id, key, value,"
        "                              headers, reason)"
        "  SELECT r.partition, CASE WHEN r.position > 0 THEN r.position END,"
        "         CASE WHEN r.kafka_offset >= 0 THEN r.kafka_offset END,"
        "         CASE WHEN r.position > 0 THEN r.cart_id END, r.key, r.value, r.headers, r.reason"
        "  FROM unnest($30, $31, $32, $33, $34, $35, $36, $37) AS r (partition, position,"
        "       kafka_offset, cart_id, key, value, headers, reason) JOIN moved USING (partition)"
        "  ON CONFLICT DO NOTHING)"
        " SELECT partition FROM moved",
    .parameter_count = ARRAY_SIZE(WRITE_TYPES),
    .parameter_types = WRITE_TYPES,
};

enum {
    FIRST_MOVE = 0,
    FIRST_VIEW = 8,
    FIRST_TIMELINE = FIRST_VIEW + VIEW_COLUMNS,
    FIRST_PARKED_CART = FIRST_TIMELINE + TIMELINE_COLUMNS,
    FIRST_PARKED_RECORD = FIRST_PARKED_CART + 4,
};
_Static_assert(FIRST_PARKED_RECORD + 8 == ARRAY_SIZE(WRITE_TYPES), "the parameters of WRITE");
_Static_assert(ARRAY_SIZE(WRITE_TYPES) <= STORE_PARAMETERS_MAX, "room for them");

static struct text *begin_arrays(struct view_store_postgres *store, size_t first,
                                 const Oid *element_types, size_t columns, size_t rows)
{
    for (size_t i = 0; i < columns; i++)
        store_array(store, first + i, element_types[i], rows);
    return &store->parameters[first];
}

static void put_moves(struct view_store_postgres *store, const struct checkpoint_move *moves,
                      size_t count)
{
    static const Oid types[] = {PG_INT2, PG_INT8, PG_UUID,        PG_INT8,
                                PG_INT8, PG_UUID, PG_TIMESTAMPTZ, PG_INT8};
    struct text *array = begin_arrays(store, FIRST_MOVE, types, ARRAY_SIZE(types), count);
    for (size_t i = 0; i < count; i++) {
        const struct checkpoint_move *move = &moves[i];
        pg_array_int2(&array[0], move->partition);
        pg_array_int8(&array[1], move->from.position);
        pg_array_uuid(&array[2], &move->from.event_id);
        pg_array_int8(&array[3], move->from.epoch);
        pg_array_int8(&array[4], move->to.position);
        pg_array_uuid(&array[5], &move->to.event_id);
        pg_array_time(&array[6], move->to.occurred_at_us);
        pg_array_int8(&array[7], move->to.kafka_offset);
    }
}

void store_put_views(struct view_store_postgres *store, size_t first, const struct view_row *views,
                     size_t count)
{
    static const Oid types[VIEW_COLUMNS] = {PG_UUID, PG_INT2,        PG_INT4, PG_TEXT,
                                            PG_TEXT, PG_TIMESTAMPTZ, PG_TEXT};
    struct text *array = begin_arrays(store, first, types, VIEW_COLUMNS, count);
    for (size_t i = 0; i < count; i++) {
        const struct view_row *view = &views[i];
        pg_array_uuid(&array[0], &view->cart_id);
        pg_array_int2(&array[1], view->partition);
        pg_array_int4(&array[2], view->version);
        pg_array_str(&array[3], str_from(view->status));
        pg_array_str(&array[4], view->customer_id);
        pg_array_time(&array[5], view->updated_at_us);
        pg_array_str(&array[6], view->body);
    }
}

void store_put_timeline(struct view_store_postgres *store, size_t first,
                        const struct recorded_event *const *events, size_t count)
{
    static const Oid types[TIMELINE_COLUMNS] = {PG_UUID, PG_INT4, PG_INT2,        PG_INT8, PG_UUID,
                                                PG_TEXT, PG_INT2, PG_TIMESTAMPTZ, PG_TEXT, PG_TEXT};
    struct text *array = begin_arrays(store, first, types, TIMELINE_COLUMNS, count);
    for (size_t i = 0; i < count; i++) {
        const struct recorded_event *event = events[i];
        pg_array_uuid(&array[0], &event->cart_id);
        pg_array_int4(&array[1], event->version);
        pg_array_int2(&array[2], event->partition);
        pg_array_int8(&array[3], event->position);
        pg_array_uuid(&array[4], &event->event_id);
        pg_array_str(&array[5], event->type);
        pg_array_int2(&array[6], event->schema_version);
        pg_array_time(&array[7], event->occurred_at_us);
        pg_array_str(&array[8], event->data);
        pg_array_str(&array[9], event->metadata);
    }
}

static void put_parked_carts(struct view_store_postgres *store, const struct parked_cart *carts,
                             size_t count)
{
    static const Oid types[] = {PG_UUID, PG_INT2, PG_INT4, PG_TEXT};
    struct text *array = begin_arrays(store, FIRST_PARKED_CART, types, ARRAY_SIZE(types), count);
    for (size_t i = 0; i < count; i++) {
        pg_array_uuid(&array[0], &carts[i].cart_id);
        pg_array_int2(&array[1], carts[i].partition);
        pg_array_int4(&array[2], carts[i].version);
        pg_array_str(&array[3], str_from(carts[i].reason));
    }
}

static enum status put_parked_records(struct view_store_postgres *store,
                                      const struct parked_record *records, size_t count,
                                      struct error *error)
{
    static const Oid types[] = {PG_INT2,  PG_INT8,  PG_INT8, PG_UUID,
                                PG_BYTEA, PG_BYTEA, PG_JSON, PG_TEXT};
    AUTO(text_done) struct text headers = TEXT_INIT(STORE_PARAMETER_BYTES_MAX);
    struct text *array = begin_arrays(store, FIRST_PARKED_RECORD, types, ARRAY_SIZE(types), count);
    for (size_t i = 0; i < count; i++) {
        const struct parked_record *record = &records[i];
        pg_array_int2(&array[0], record->partition);
        pg_array_int8(&array[1], record->position);
        pg_array_int8(&array[2], record->kafka_offset);
        pg_array_uuid(&array[3], &record->cart_id);
        pg_array_str(&array[4], record->key);
        pg_array_str(&array[5], record->value);
        text_clear(&headers);
        record_headers_write(record->headers, record->header_count, &headers);
        if (!text_ok(&headers))
            return error_set(error, STATUS_NO_MEMORY, "out of memory");
        pg_array_str(&array[6], text_str(&headers));
        pg_array_str(&array[7], str_from(record->reason));
    }
    return STATUS_OK;
}

enum status store_blame(struct view_store_postgres *store, enum status status)
{
    const char *sqlstate = postgres_sqlstate(store->postgres);
    bool is_of_data = strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
                      strncmp(sqlstate, "54", 2) == 0;
    return (status == STATUS_INTERNAL || status == STATUS_CONFLICT) && is_of_data ? STATUS_INVALID
                                                                                  : status;
}

enum status view_store_begin_write(void *self, const struct view_write *write, struct error *error)
{
    struct view_store_postgres *store = self;
    if (write->stays_open && !store->is_in_transaction) {
        enum status begun = store_begin(store, error);
        if (begun != STATUS_OK)
            return begun;
    }
    put_moves(store, write->moves, write->move_count);
    store_put_views(store, FIRST_VIEW, write->views, write->view_count);
    store_put_timeline(store, FIRST_TIMELINE, write->timeline, write->timeline_count);
    put_parked_carts(store, write->parked_carts, write->parked_cart_count);
    enum status status =
        put_parked_records(store, write->parked_records, write->parked_record_count, error);
    return status == STATUS_OK ? store_send(store, &WRITE, VIEW_STORE_CALL_MS, error) : status;
}

enum status view_store_end_write(void *self, const struct view_write *write, bool *ret_moved,
                                 struct error *error)
{
    struct view_store_postgres *store = self;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = store_receive(store, &result, error);
    if (status != STATUS_OK)
        return store_blame(store, status);
    for (size_t i = 0; i < write->move_count; i++) {
        ret_moved[i] = false;
        for (int row = 0; row < PQntuples(result); row++)
            if (pg_get_int2(result, row, 0) == write->moves[i].partition)
                ret_moved[i] = true;
    }
    bool is_end = store->is_in_transaction && !write->stays_open;
    return is_end ? view_store_commit(store, error) : STATUS_OK;
}
