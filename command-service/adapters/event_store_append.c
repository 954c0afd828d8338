#include "event_store_postgres_internal.h"

#include <assert.h>

/*
 * One statement is one transaction and one fsync.
 *
 * `locked` takes the partitions' rows in partition order, whatever the plan: `advanced` can change
 * a row only after the join has got it from `locked`, and `locked` returns the rows in order, each
 * once its lock is held. So two writers wait for each other but never in a circle.
 *
 * The statement's snapshot may be older than the rows that it waited for. At READ COMMITTED the
 * UPDATE then uses the newest committed version of the row (src/backend/executor/README,
 * EvalPlanQual). The row is locked, so this version cannot change any more. Positions continue from
 * what the previous transaction left. The lock is held until commit, so they follow commit order. A
 * rollback restores the counter: no gap.
 *
 * Only one writer of a partition at a time reaches `events`. So its unique keys never wait, and a
 * violation means that the other event is committed and visible to the next statement.
 *
 * The events' columns, arrays of one length, are unnested in a SELECT list: in FROM each would go
 * through a tuple store.
 */
static const Oid APPEND_TYPES[] = {
    PG_INT2_ARRAY, PG_INT8_ARRAY, PG_INT2_ARRAY, PG_INT4_ARRAY,        PG_UUID_ARRAY, PG_INT4_ARRAY,
    PG_UUID_ARRAY, PG_TEXT_ARRAY, PG_INT2_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_JSON_ARRAY, PG_JSON_ARRAY,
};
static const struct postgres_statement APPEND = {
    .name = "append",
    .sql = "WITH locked AS MATERIALIZED ("
           "  SELECT partition FROM event_partitions WHERE partition = ANY ($1)"
           "  ORDER BY partition FOR UPDATE),"
           " advanced AS ("
           "  UPDATE event_partitions AS p SET last_position = p.last_position + c.count"
           "  FROM locked JOIN unnest($1, $2) AS c (partition, count) USING (partition)"
           "  WHERE p.partition = locked.partition"
           "  RETURNING p.partition, p.last_position - c.count AS base),"
           " inserted AS ("
           "  INSERT INTO events (partition, position, cart_id, version, event_id, type,"
           "                      schema_version, occurred_at, data, metadata)"
           "  SELECT e.partition, a.base + e.ordinal, e.cart_id, e.version, e.event_id, e.type,"
           "         e.schema_version, e.occurred_at, e.data, e.metadata"
           "  FROM (SELECT unnest($3) AS partition, unnest($4) AS ordinal, unnest($5) AS cart_id,"
           "               unnest($6) AS version, unnest($7) AS event_id, unnest($8) AS type,"
           "               unnest($9) AS schema_version, unnest($10) AS occurred_at,"
           "               unnest($11) AS data, unnest($12) AS metadata) AS e"
           "  JOIN advanced AS a USING (partition))"
           " SELECT partition, base FROM advanced",
    .parameter_count = ARRAY_SIZE(APPEND_TYPES),
    .parameter_types = APPEND_TYPES,
};

enum { FIRST_EVENT_ARRAY = 2, EVENT_ARRAYS = 10 };
static const Oid EVENT_ARRAY_TYPES[EVENT_ARRAYS] = {
    PG_INT2, PG_INT4, PG_UUID, PG_INT4, PG_UUID, PG_TEXT, PG_INT2, PG_TIMESTAMPTZ, PG_JSON, PG_JSON,
};

/* Parameters 3 to 12. Counts the events of each partition in store->ordinals. */
static void write_events(struct event_store_postgres *store, const struct new_event *events,
                         size_t count)
{
    struct text *array = store->arrays + FIRST_EVENT_ARRAY;
    for (size_t i = 0; i < EVENT_ARRAYS; i++)
        event_store_array(store, FIRST_EVENT_ARRAY + i, EVENT_ARRAY_TYPES[i], count);
    for (size_t i = 0; i < count; i++) {
        const struct new_event *event = &events[i];
        assert(event->cart.partition >= 0 && event->cart.partition < store->partition_count);
        pg_array_int2(&array[0], event->cart.partition);
        pg_array_int4(&array[1], ++store->ordinals[event->cart.partition]);
        pg_array_uuid(&array[2], &event->cart.cart_id);
        pg_array_int4(&array[3], event->version);
        pg_array_uuid(&array[4], &event->event_id);
        pg_array_str(&array[5], str_from(event_type_name(event->type)));
        pg_array_int2(&array[6], (int16_t)event_type_schema_version(event->type));
        pg_array_time(&array[7], event->occurred_at_us);
        pg_array_str(&array[8], event->data);
        pg_array_str(&array[9], event->metadata);
    }
}

/* Parameters 1 and 2: the partitions and how many events each gets. */
static void write_partitions(struct event_store_postgres *store)
{
    size_t touched = 0;
    for (int partition = 0; partition < store->partition_count; partition++)
        touched += store->ordinals[partition] > 0;
    struct text *partitions = event_store_array(store, 0, PG_INT2, touched);
    struct text *counts = event_store_array(store, 1, PG_INT8, touched);
    for (int partition = 0; partition < store->partition_count; partition++) {
        if (store->ordinals[partition] == 0)
            continue;
        pg_array_int2(partitions, (int16_t)partition);
        pg_array_int8(counts, store->ordinals[partition]);
    }
}

static const struct postgres_statement BEGIN = {.name = "begin", .sql = "BEGIN"};
static const struct postgres_statement COMMIT = {.name = "commit", .sql = "COMMIT"};
static const struct postgres_statement ROLLBACK = {.name = "rollback", .sql = "ROLLBACK"};

static const Oid HOLD_TYPES[] = {PG_INT2_ARRAY};
static const struct postgres_statement HOLD = {
    .name = "hold",
    .sql = "SELECT FROM event_partitions WHERE partition = ANY ($1) ORDER BY partition FOR UPDATE",
    .parameter_count = ARRAY_SIZE(HOLD_TYPES),
    .parameter_types = HOLD_TYPES,
};

enum status event_store_hold(void *context, const int16_t *partitions, size_t count,
                             int64_t deadline_us, struct error *error)
{
    struct event_store_postgres *store = context;
    AUTO(postgres_result_clear) PGresult *begun = NULL;
    AUTO(postgres_result_clear) PGresult *held = NULL;
    assert(!store->is_holding);
    enum status status = event_store_run(store, &BEGIN, deadline_us, &begun, error);
    if (status != STATUS_OK)
        return status;
    store->is_holding = true;
    struct text *array = event_store_array(store, 0, PG_INT2, count);
    for (size_t i = 0; i < count; i++)
        pg_array_int2(array, partitions[i]);
    return event_store_run(store, &HOLD, deadline_us, &held, error);
}

/* If the rollback fails, closing the connection ends the transaction. */
void event_store_release(void *context, int64_t deadline_us)
{
    struct event_store_postgres *store = context;
    if (!store->is_holding)
        return;
    store->is_holding = false;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    if (event_store_run(store, &ROLLBACK, deadline_us, &result, NULL) != STATUS_OK)
        postgres_disconnect(store->postgres);
}

/* A COMMIT that fails in any way may still have happened. */
static enum status commit(struct event_store_postgres *store, int64_t deadline_us,
                          struct error *error)
{
    AUTO(postgres_result_clear) PGresult *result = NULL;
    store->is_holding = false;
    enum status status = event_store_run(store, &COMMIT, deadline_us, &result, error);
    if (status == STATUS_OK)
        return STATUS_OK;
    postgres_disconnect(store->postgres);
    return error_set(error, STATUS_UNCERTAIN, "commit: no good answer");
}

/* Without its COMMIT, an append inside a transaction is certainly not done. */
static enum status run_append(struct event_store_postgres *store, int64_t deadline_us,
                              PGresult **ret_result, struct error *error)
{
    bool is_holding = store->is_holding;
    enum status status = event_store_run(store, &APPEND, deadline_us, ret_result, error);
    if (status == STATUS_UNCERTAIN && is_holding)
        return STATUS_UNAVAILABLE;
    if (status == STATUS_OK && is_holding)
        status = commit(store, deadline_us, error);
    return status;
}

enum status event_store_append(void *context, struct new_event *events, size_t count,
                               int64_t deadline_us, struct error *error)
{
    struct event_store_postgres *store = context;
    assert(count > 0 && count <= EVENT_STORE_APPEND_EVENTS_MAX);
    memset(store->ordinals, 0, sizeof(store->ordinals));
    write_events(store, events, count);
    write_partitions(store);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = run_append(store, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++) {
        int16_t partition = pg_get_int2(result, row, 0);
        assert(partition >= 0 && partition < store->partition_count);
        store->bases[partition] = pg_get_int8(result, row, 1);
    }
    for (size_t i = 0; i < count; i++)
        events[i].position = ++store->bases[events[i].cart.partition];
    return STATUS_OK;
}
