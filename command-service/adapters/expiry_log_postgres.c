#include "expiry_log_postgres.h"

#include "cart_partition.h"
#include "leader_session.h"
#include "postgres_array.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LOCK_CLASS = 0x65787079,     /* "expy" */
    ARRAY_BYTES_MAX = 64 * 1024, /* two walks a partition, elements of 12 bytes, and a header */
    ARRAYS = 5,
};
_Static_assert(2 * PARTITION_COUNT_MAX * 12 + 32 <= ARRAY_BYTES_MAX, "all walks at once");

struct expiry_log_postgres {
    struct leader_session session;
    bool is_leading; /* this session has the lock */
    struct text arrays[ARRAYS];
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

static enum status lead(void *self, int64_t deadline_us, bool *ret_is_new, struct error *error)
{
    struct expiry_log_postgres *log = self;
    bool is_leading = log->is_leading && postgres_is_connected(log->session.postgres);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = is_leading ? leader_session_read(&log->session, &PING, NULL, NULL,
                                                          deadline_us, &result, error)
                                    : leader_session_lead(&log->session, deadline_us, error);
    *ret_is_new = status == STATUS_OK && !is_leading;
    log->is_leading = is_leading || status == STATUS_OK; /* for as long as it is connected */
    return status;
}

static void resign(void *self)
{
    struct expiry_log_postgres *log = self;
    leader_session_resign(&log->session);
}

static void write_walks(struct expiry_log_postgres *log, const struct expiry_walk *walks,
                        size_t count)
{
    static const Oid element_types[ARRAYS] = {PG_INT4, PG_INT2, PG_INT8, PG_TIMESTAMPTZ,
                                              PG_TIMESTAMPTZ};
    for (size_t i = 0; i < ARRAYS; i++) {
        text_clear(&log->arrays[i]);
        pg_array_begin(&log->arrays[i], element_types[i], count);
    }
    for (size_t i = 0; i < count; i++) {
        pg_array_int4(&log->arrays[0], (int32_t)i);
        pg_array_int2(&log->arrays[1], walks[i].partition);
        pg_array_int8(&log->arrays[2], walks[i].after);
        pg_array_time(&log->arrays[3], walks[i].before_us);
        pg_array_time(&log->arrays[4], walks[i].beyond_us);
    }
}

static enum status read_log(void *self, const struct expiry_walk *walks, size_t count,
                            int32_t events_max, int64_t deadline_us, expiry_event_fn *visit,
                            void *context, struct error *error)
{
    struct expiry_log_postgres *log = self;
    const uint32_t limit = htobe32((uint32_t)events_max);
    const char *values[ARRAYS + 1] = {[ARRAYS] = (const char *)&limit};
    int lengths[ARRAYS + 1] = {[ARRAYS] = sizeof(limit)};
    write_walks(log, walks, count);
    for (size_t i = 0; i < ARRAYS; i++) {
        if (!text_ok(&log->arrays[i]))
            return error_set(error, STATUS_NO_MEMORY, "expiry: out of memory");
        values[i] = log->arrays[i].bytes;
        lengths[i] = (int)log->arrays[i].length;
    }
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status =
        leader_session_read(&log->session, &READ, values, lengths, deadline_us, &result, error);
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
    struct expiry_log_postgres *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAYS; i++)
        log->arrays[i] = TEXT_INIT(ARRAY_BYTES_MAX);
    bool has_session =
        leader_session_init(&log->session, &(struct leader_session_options){
                                               .url = url,
                                               .application_name = "cartledger-expiry",
                                               .lock_class = LOCK_CLASS,
                                               .frozen_ms = EXPIRY_FROZEN_MS,
                                           });
    if (!has_session) {
        expiry_log_postgres_free(log);
        return NULL;
    }
    return log;
}

void expiry_log_postgres_free(struct expiry_log_postgres *log)
{
    if (log == NULL)
        return;
    leader_session_done(&log->session);
    for (size_t i = 0; i < ARRAYS; i++)
        text_done(&log->arrays[i]);
    free(log);
}

struct expiry_log expiry_log_postgres_port(struct expiry_log_postgres *log)
{
    return (struct expiry_log){.self = log, .lead = lead, .resign = resign, .read = read_log};
}
