#include "expiry_log_postgres.h"

#include "cart_partition.h"
#include "postgres.h"
#include "postgres_array.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LOCK_CLASS = 0x65787079, /* "expy": the first half of the advisory lock's key */
    STATEMENT_TIMEOUT_MS = 1500,
    LOCK_TIMEOUT_MS = 1000,
    ARRAY_BYTES_MAX = 64 * 1024, /* two walks a partition, elements of 12 bytes, and a header */
    ARRAYS = 5,
};
_Static_assert(2 * PARTITION_COUNT_MAX * 12 + 32 <= ARRAY_BYTES_MAX, "all walks at once");

struct expiry_log_postgres {
    struct postgres *postgres;
    bool is_leading; /* this session has the lock */
    struct text arrays[ARRAYS];
};

/* As for the relay, the only plans that are ever right are walks along the keys. */
static const struct postgres_statement SETTLE = {
    .name = "expiry_settle",
    .sql = "SELECT set_config('enable_seqscan', 'off', false),"
           " set_config('enable_bitmapscan', 'off', false),"
           " set_config('enable_sort', 'off', false), set_config('jit', 'off', false)",
};

static const struct postgres_statement LEAD = {
    .name = "expiry_lead",
    .sql = "SELECT pg_try_advisory_lock($1, hashtext(log_id::text)) FROM event_log",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT4},
};

static const struct postgres_statement PING = {.name = "expiry_ping", .sql = "SELECT 1"};

/* `page` is a stretch of the primary key, cut behind its first event that is not old enough.
 * Whether an event is its cart's last one is one probe of (partition, cart_id, version): a scalar
 * subquery, since the planner would be free to answer EXISTS by hashing the whole log. */
static const struct postgres_statement READ = {
    .name = "expiry_read",
    .sql = "SELECT w.ordinal, e.position, e.occurred_at, e.cart_id, e.is_last"
           " FROM unnest($1, $2, $3, $4, $5)"
           "      AS w (ordinal, partition, after, before, beyond)"
           " CROSS JOIN LATERAL ("
           "  SELECT position, occurred_at, cart_id,"
           "   type NOT IN ('CartMergedAway', 'CartCheckedOut', 'CartCancelled', 'CartExpired')"
           "    AND (SELECT true FROM events AS next WHERE next.partition = w.partition"
           "         AND next.cart_id = aged.cart_id AND next.version = aged.version + 1)"
           "        IS NULL AS is_last"
           "  FROM (SELECT *, count(*) FILTER (WHERE occurred_at > w.before"
           "          AND occurred_at <= w.beyond) OVER (ORDER BY position"
           "          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS young_before"
           "        FROM (SELECT position, occurred_at, cart_id, version, type FROM events"
           "              WHERE events.partition = w.partition AND events.position > w.after"
           "              ORDER BY events.position LIMIT $6) AS page) AS aged"
           "  WHERE young_before = 0) AS e",
    .parameter_count = ARRAYS + 1,
    .parameter_types = (const Oid[]){PG_INT4_ARRAY, PG_INT2_ARRAY, PG_INT8_ARRAY,
                                     PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_INT4},
};

/* Nothing is changed by any of these, so an unknown outcome is a plain failure. */
static enum status execute(struct expiry_log_postgres *source,
                           const struct postgres_statement *statement, const char *const *values,
                           const int *lengths, int64_t deadline_us, PGresult **ret_result,
                           struct error *error)
{
    static const int binary[ARRAYS + 1] = {1, 1, 1, 1, 1, 1};
    const struct postgres_parameters parameters = {values, lengths, binary};
    enum status status = postgres_execute(source->postgres, statement, &parameters, true,
                                          deadline_us, ret_result, error);
    return status == STATUS_UNCERTAIN ? STATUS_UNAVAILABLE : status;
}

static enum status connect_log(struct expiry_log_postgres *source, int64_t deadline_us,
                               struct error *error)
{
    if (postgres_is_connected(source->postgres))
        return STATUS_OK;
    source->is_leading = false;
    enum status status = postgres_connect(source->postgres, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    status = execute(source, &SETTLE, NULL, NULL, deadline_us, &result, error);
    if (status != STATUS_OK)
        postgres_disconnect(source->postgres);
    return status;
}

static enum status lead(void *self, int64_t deadline_us, bool *ret_is_new, struct error *error)
{
    struct expiry_log_postgres *source = self;
    *ret_is_new = false;
    enum status status = connect_log(source, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    if (source->is_leading)
        return execute(source, &PING, NULL, NULL, deadline_us, &result, error);
    const uint32_t class = htobe32(LOCK_CLASS);
    const char *const values[] = {(const char *)&class};
    const int lengths[] = {sizeof(class)};
    status = execute(source, &LEAD, values, lengths, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) != 1)
        return error_set(error, STATUS_UNAVAILABLE, "the event log is not initialised");
    if (PQgetvalue(result, 0, 0)[0] == 0)
        return error_set(error, STATUS_CONFLICT, "another process sweeps");
    source->is_leading = true;
    *ret_is_new = true;
    return STATUS_OK;
}

static void resign(void *self)
{
    struct expiry_log_postgres *source = self;
    postgres_disconnect(source->postgres);
}

static void write_walks(struct expiry_log_postgres *source, const struct expiry_walk *walks,
                        size_t count)
{
    static const Oid element_types[ARRAYS] = {PG_INT4, PG_INT2, PG_INT8, PG_TIMESTAMPTZ,
                                              PG_TIMESTAMPTZ};
    for (size_t i = 0; i < ARRAYS; i++) {
        text_clear(&source->arrays[i]);
        pg_array_begin(&source->arrays[i], element_types[i], count);
    }
    for (size_t i = 0; i < count; i++) {
        pg_array_int4(&source->arrays[0], (int32_t)i);
        pg_array_int2(&source->arrays[1], walks[i].partition);
        pg_array_int8(&source->arrays[2], walks[i].after);
        pg_array_time(&source->arrays[3], walks[i].before_us);
        pg_array_time(&source->arrays[4], walks[i].beyond_us);
    }
}

static enum status read_log(void *self, const struct expiry_walk *walks, size_t count,
                            int32_t events_max, int64_t deadline_us, expiry_event_fn *visit,
                            void *context, struct error *error)
{
    struct expiry_log_postgres *source = self;
    const uint32_t limit = htobe32((uint32_t)events_max);
    const char *values[ARRAYS + 1] = {[ARRAYS] = (const char *)&limit};
    int lengths[ARRAYS + 1] = {[ARRAYS] = sizeof(limit)};
    write_walks(source, walks, count);
    for (size_t i = 0; i < ARRAYS; i++) {
        if (!text_ok(&source->arrays[i]))
            return error_set(error, STATUS_NO_MEMORY, "expiry: out of memory");
        values[i] = source->arrays[i].bytes;
        lengths[i] = (int)source->arrays[i].length;
    }
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = execute(source, &READ, values, lengths, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++) {
        int32_t walk = pg_get_int4(result, row, 0);
        assert(walk >= 0 && (size_t)walk < count);
        const struct expiry_event event = {
            .position = pg_get_int8(result, row, 1),
            .occurred_at_us = pg_get_time(result, row, 2),
            .cart_id = pg_get_uuid(result, row, 3),
            .is_last = PQgetvalue(result, row, 4)[0] != 0,
        };
        if (!visit(context, (size_t)walk, &event))
            break;
    }
    return STATUS_OK;
}

struct expiry_log_postgres *expiry_log_postgres_new(const char *url)
{
    struct expiry_log_postgres *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAYS; i++)
        source->arrays[i] = TEXT_INIT(ARRAY_BYTES_MAX);
    source->postgres = postgres_new(&(struct postgres_options){
        .url = url,
        .application_name = "cartledger-expiry",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .lock_timeout_ms = LOCK_TIMEOUT_MS,
        .idle_session_timeout_ms = EXPIRY_FROZEN_MS,
        .must_write = true,
    });
    if (source->postgres == NULL) {
        expiry_log_postgres_free(source);
        return NULL;
    }
    return source;
}

void expiry_log_postgres_free(struct expiry_log_postgres *source)
{
    if (source == NULL)
        return;
    postgres_free(source->postgres);
    for (size_t i = 0; i < ARRAYS; i++)
        text_done(&source->arrays[i]);
    free(source);
}

struct expiry_log expiry_log_postgres_port(struct expiry_log_postgres *source)
{
    return (struct expiry_log){.self = source, .lead = lead, .resign = resign, .read = read_log};
}
