#include "event_store_postgres_internal.h"

#include <assert.h>

/*
 * The command's key and hash. PostgreSQL aborts a statement that reads an escape it cannot store
 * (\u0000, a lone surrogate). One such event must not fail every cart's commands. This program
 * never writes such escapes here.
 */
#define COMMAND_KEY                                                                                \
    "CASE WHEN strpos(metadata::text, '\\u') = 0"                                                  \
    "  OR metadata::text !~ '(^|[^\\\\])(\\\\\\\\)*\\\\u' THEN metadata -> 'commandKey' END"

/*
 * Each cart's rows come together and in version order, because the subquery runs once per cart. The
 * order of the carts does not matter.
 *
 * There are two limits of bytes: one for a cart, one for all. The size of a compressed value is not
 * known without reading it, so it counts as 96 times its stored size: pglz never compresses more
 * than that. `cart_found` is the number of rows that a cart had before these limits. A cart without
 * events gets an empty row, which tells it from a cart that was not reached.
 */
static const Oid LOAD_TYPES[] = {PG_INT4_ARRAY, PG_INT2_ARRAY, PG_UUID_ARRAY, PG_INT4_ARRAY};
static const struct postgres_statement LOAD = {
    .name = "load",
    .sql = "SELECT ordinal, version, type, schema_version, occurred_at, data, command_key,"
           "  coalesce(cart_found, 1), event_id"
           " FROM (SELECT *,"
           "   sum(bytes) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before"
           "  FROM (SELECT k.ordinal, e.*"
           "   FROM unnest($1, $2, $3, $4) AS k (ordinal, partition, cart_id, after_version)"
           "   LEFT JOIN LATERAL ("
           "    SELECT * FROM (SELECT *, count(*) OVER () AS cart_found,"
           "      sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) - bytes AS cart_bytes_before"
           "     FROM (SELECT version, event_id, type, schema_version, occurred_at, data,"
           "       " COMMAND_KEY " ->> 'key' AS command_key,"
           "       pg_column_size(data)"
           "        * CASE WHEN pg_column_compression(data) IS NULL THEN 1 ELSE 96 END AS bytes"
           "      FROM events WHERE partition = k.partition AND cart_id = k.cart_id"
           "       AND version > k.after_version ORDER BY version LIMIT 1000) AS rows) AS sized"
           "    WHERE cart_bytes_before < 262144) AS e ON true LIMIT 4000) AS rows) AS sized"
           " WHERE coalesce(bytes_before, 0) < 1048576",
    .parameter_count = ARRAY_SIZE(LOAD_TYPES),
    .parameter_types = LOAD_TYPES,
};
_Static_assert(EVENT_STORE_CART_ROWS_MAX == 1000 && EVENT_STORE_LOAD_ROWS_MAX == 4000 &&
                   EVENT_STORE_CART_BYTES_MAX == 262144 && EVENT_STORE_LOAD_BYTES_MAX == 1048576,
               "as the statement says");

static const Oid VERSIONS_TYPES[] = {PG_INT4_ARRAY, PG_INT2_ARRAY, PG_UUID_ARRAY};
static const struct postgres_statement VERSIONS = {
    .name = "versions",
    .sql = "SELECT k.ordinal, e.version"
           " FROM unnest($1, $2, $3) AS k (ordinal, partition, cart_id)"
           " CROSS JOIN LATERAL ("
           "   SELECT version FROM events WHERE partition = k.partition AND cart_id = k.cart_id"
           "   ORDER BY version DESC LIMIT 1) AS e",
    .parameter_count = ARRAY_SIZE(VERSIONS_TYPES),
    .parameter_types = VERSIONS_TYPES,
};

static const Oid FIND_TYPES[] = {PG_INT4_ARRAY, PG_INT2_ARRAY, PG_UUID_ARRAY, PG_INT4_ARRAY};
static const struct postgres_statement FIND = {
    .name = "find",
    .sql = "SELECT k.ordinal, e.event_id, e.position"
           " FROM unnest($1, $2, $3, $4) AS k (ordinal, partition, cart_id, version)"
           " JOIN events AS e USING (partition, cart_id, version)",
    .parameter_count = ARRAY_SIZE(FIND_TYPES),
    .parameter_types = FIND_TYPES,
};

/* A command's events follow one another, so of its cart only as many events are read as the longest
 * command can have. */
static const Oid RECALL_TYPES[] = {PG_INT4_ARRAY, PG_INT2_ARRAY, PG_UUID_ARRAY, PG_INT4_ARRAY,
                                   PG_TEXT_ARRAY};
static const struct postgres_statement RECALL = {
    .name = "recall",
    .sql = "SELECT k.ordinal, e.version, e.event_id, e.type, e.occurred_at, e.position,"
           "  e.command_key ->> 'requestHash'"
           " FROM unnest($1, $2, $3, $4, $5) AS k (ordinal, partition, cart_id, version, key)"
           " CROSS JOIN LATERAL ("
           "   SELECT version, event_id, type, occurred_at, position,"
           "    " COMMAND_KEY " AS command_key FROM events"
           "   WHERE partition = k.partition AND cart_id = k.cart_id"
           "    AND version BETWEEN k.version AND k.version + 99"
           "    AND " COMMAND_KEY " ->> 'key' = k.key"
           "   ORDER BY version) AS e",
    .parameter_count = ARRAY_SIZE(RECALL_TYPES),
    .parameter_types = RECALL_TYPES,
};
_Static_assert(CART_DECISION_EVENTS_MAX == 100, "as the statement says");

/* The first three parameters of all statements here. */
struct key_arrays {
    struct text *ordinals;
    struct text *partitions;
    struct text *cart_ids;
};

static struct key_arrays begin_keys(struct event_store_postgres *store, size_t count)
{
    return (struct key_arrays){
        .ordinals = event_store_array(store, 0, PG_INT4, count),
        .partitions = event_store_array(store, 1, PG_INT2, count),
        .cart_ids = event_store_array(store, 2, PG_UUID, count),
    };
}

static void add_key(const struct key_arrays *arrays, size_t ordinal, const struct cart_key *key)
{
    pg_array_int4(arrays->ordinals, (int32_t)ordinal);
    pg_array_int2(arrays->partitions, key->partition);
    pg_array_uuid(arrays->cart_ids, &key->cart_id);
}

static size_t get_ordinal(const PGresult *result, int row, size_t count)
{
    int32_t ordinal = pg_get_int4(result, row, 0);
    assert(ordinal >= 0 && (size_t)ordinal < count);
    return (size_t)ordinal;
}

enum { LOAD_VERSION = 1, LOAD_CART_FOUND = 7 }; /* columns */

/* A cart is complete when it was reached and no limit can have cut it short. */
static void judge_complete(const PGresult *result, size_t count, bool *ret_complete)
{
    memset(ret_complete, 0, count * sizeof(*ret_complete));
    int rows = PQntuples(result);
    for (int row = 0, first = 0; row < rows; row++) {
        size_t cart = get_ordinal(result, row, count);
        bool is_last = row + 1 == rows || get_ordinal(result, row + 1, count) != cart;
        if (!is_last)
            continue;
        int64_t cart_found = pg_get_int8(result, row, LOAD_CART_FOUND);
        ret_complete[cart] =
            row + 1 - first == cart_found && cart_found < EVENT_STORE_CART_ROWS_MAX;
        first = row + 1;
    }
}

enum status event_store_load(void *context, const struct cart_tail *carts, size_t count,
                             int64_t deadline_us, stored_event_fn *sink, void *sink_context,
                             bool *ret_complete, struct error *error)
{
    struct event_store_postgres *store = context;
    assert(count <= EVENT_STORE_LOAD_CARTS_MAX);
    struct key_arrays arrays = begin_keys(store, count);
    struct text *after = event_store_array(store, 3, PG_INT4, count);
    for (size_t i = 0; i < count; i++) {
        add_key(&arrays, i, &carts[i].cart);
        pg_array_int4(after, carts[i].after_version);
    }
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = event_store_run(store, &LOAD, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++) {
        if (PQgetisnull(result, row, LOAD_VERSION))
            continue;
        const struct stored_event event = {
            .event_id = pg_get_uuid(result, row, 8),
            .version = pg_get_int4(result, row, LOAD_VERSION),
            .type = pg_get_str(result, row, 2),
            .schema_version = pg_get_int2(result, row, 3),
            .occurred_at_us = pg_get_time(result, row, 4),
            .data = pg_get_str(result, row, 5),
            .command_key = pg_get_str(result, row, 6),
        };
        sink(sink_context, get_ordinal(result, row, count), &event);
    }
    judge_complete(result, count, ret_complete);
    return STATUS_OK;
}

enum status event_store_versions(void *context, const struct cart_key *carts, size_t count,
                                 int64_t deadline_us, int32_t *ret_versions, struct error *error)
{
    struct event_store_postgres *store = context;
    assert(count <= EVENT_STORE_VERSIONS_MAX);
    struct key_arrays arrays = begin_keys(store, count);
    for (size_t i = 0; i < count; i++)
        add_key(&arrays, i, &carts[i]);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = event_store_run(store, &VERSIONS, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        ret_versions[i] = 0;
    for (int row = 0; row < PQntuples(result); row++)
        ret_versions[get_ordinal(result, row, count)] = pg_get_int4(result, row, 1);
    return STATUS_OK;
}

enum status event_store_find(void *context, const struct new_event *events, size_t count,
                             int64_t deadline_us, struct standing_event *ret_standing,
                             struct error *error)
{
    struct event_store_postgres *store = context;
    assert(count <= EVENT_STORE_APPEND_EVENTS_MAX);
    struct key_arrays arrays = begin_keys(store, count);
    struct text *versions = event_store_array(store, 3, PG_INT4, count);
    for (size_t i = 0; i < count; i++) {
        add_key(&arrays, i, &events[i].cart);
        pg_array_int4(versions, events[i].version);
    }
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = event_store_run(store, &FIND, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    memset(ret_standing, 0, count * sizeof(*ret_standing));
    for (int row = 0; row < PQntuples(result); row++)
        ret_standing[get_ordinal(result, row, count)] = (struct standing_event){
            .exists = true,
            .event_id = pg_get_uuid(result, row, 1),
            .position = pg_get_int8(result, row, 2),
        };
    return STATUS_OK;
}

enum status event_store_recall(void *context, const struct past_command *commands, size_t count,
                               int64_t deadline_us, recalled_event_fn *sink, void *sink_context,
                               struct error *error)
{
    struct event_store_postgres *store = context;
    assert(count <= EVENT_STORE_RECALL_COMMANDS_MAX);
    struct key_arrays arrays = begin_keys(store, count);
    struct text *versions = event_store_array(store, 3, PG_INT4, count);
    struct text *keys = event_store_array(store, 4, PG_TEXT, count);
    for (size_t i = 0; i < count; i++) {
        add_key(&arrays, i, &commands[i].cart);
        pg_array_int4(versions, commands[i].first_version);
        pg_array_str(keys, commands[i].key);
    }
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = event_store_run(store, &RECALL, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++) {
        struct recalled_event event = {
            .event = {.version = pg_get_int4(result, row, 1),
                      .event_id = pg_get_uuid(result, row, 2),
                      .occurred_at_us = pg_get_time(result, row, 4)},
            .position = pg_get_int8(result, row, 5),
            .request_hash = pg_get_str(result, row, 6),
        };
        /* The cart could be folded, so all its types are known. */
        bool is_known = event_type_parse(pg_get_str(result, row, 3), &event.event.type);
        assert(is_known);
        sink(sink_context, get_ordinal(result, row, count), &event);
    }
    return STATUS_OK;
}
