#include "log_source_postgres.h"

#include "event_row.h"
#include "postgres.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LOCK_CLASS = 0x63617274, /* "cart": the first half of the advisory lock's key */
    STATEMENT_TIMEOUT_MS = 1500,
    LOCK_TIMEOUT_MS = 1000,
    ARRAY_BYTES_MAX = 64 * 1024, /* PARTITION_COUNT_MAX elements of 12 bytes, and a header */
};

struct log_source_postgres {
    struct postgres *postgres;
    int partition_count;
    bool is_settled; /* this session has its planner settings */
    struct text arrays[3];
    int32_t *rows_read; /* by partition, of the page being visited */
    int first;          /* the partition that the next page begins with */
};

/* The only right plan is the walk along the primary key. Without statistics (a new or restored log)
 * the planner may think otherwise. The plan is also made only once; by default it would be made
 * again for each page. */
static const struct postgres_statement SETTLE = {
    .name = "relay_settle",
    .sql = "SELECT set_config('enable_seqscan', 'off', false),"
           " set_config('enable_bitmapscan', 'off', false),"
           " set_config('enable_sort', 'off', false), set_config('jit', 'off', false),"
           " set_config('plan_cache_mode', 'force_generic_plan', false)",
};

static const struct postgres_statement LEAD = {
    .name = "relay_lead",
    .sql = "SELECT pg_try_advisory_lock($1, hashtext(log_id::text)) FROM event_log",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT4},
};

static const struct postgres_statement ENDS = {
    .name = "relay_ends",
    .sql = "SELECT partition, last_position FROM event_partitions ORDER BY partition",
};

static const struct postgres_statement EVENT_ID = {
    .name = "relay_event_id",
    .sql = "SELECT event_id FROM events WHERE partition = $1 AND position = $2",
    .parameter_count = 2,
    .parameter_types = (const Oid[]){PG_INT2, PG_INT8},
};

#define DATA_SIZE POSTGRES_SIZE("data")
/* For each partition: up to a number of events after a position. In all: up to a number of bytes,
 * plus one event. They come in the order of the arrays, then by position. */
static const struct postgres_statement READ = {
    .name = "relay_read",
    .sql = "SELECT " EVENT_COLUMNS
           ", bytes FROM (SELECT e.*, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS bytes"
           "  FROM unnest($1, $2, $3) AS wanted(partition, after, most)"
           "  CROSS JOIN LATERAL (SELECT *, " DATA_SIZE " AS size FROM events"
           "   WHERE events.partition = wanted.partition AND events.position > wanted.after"
           "   ORDER BY events.position LIMIT wanted.most) AS e) AS sized"
           " WHERE bytes - size < 4194304",
    .parameter_count = 3,
    .parameter_types = (const Oid[]){PG_INT2_ARRAY, PG_INT8_ARRAY, PG_INT4_ARRAY},
};
_Static_assert(RELAY_PAGE_BYTES_MAX == 4194304, "the limit in READ");

static enum status execute(struct log_source_postgres *source,
                           const struct postgres_statement *statement, const char *const *values,
                           const int *lengths, int64_t deadline_us, PGresult **ret_result,
                           struct error *error)
{
    static const int binary[] = {1, 1, 1};
    const struct postgres_parameters parameters = {values, lengths, binary};
    return postgres_execute(source->postgres, statement, &parameters, true, deadline_us, ret_result,
                            error);
}

static enum status connect_log(void *self, int64_t deadline_us, struct error *error)
{
    struct log_source_postgres *source = self;
    if (!postgres_is_connected(source->postgres))
        source->is_settled = false;
    enum status status = postgres_connect(source->postgres, deadline_us, error);
    if (status != STATUS_OK || source->is_settled)
        return status;
    AUTO(postgres_result_clear)
    PGresult *result = NULL;
    status = execute(source, &SETTLE, NULL, NULL, deadline_us, &result, error);
    source->is_settled = status == STATUS_OK;
    return status;
}

static void resign(void *self)
{
    struct log_source_postgres *source = self;
    postgres_disconnect(source->postgres);
}

static enum status lead(void *self, int64_t deadline_us, struct error *error)
{
    struct log_source_postgres *source = self;
    enum status status = connect_log(self, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    AUTO(postgres_result_clear)
    PGresult *result = NULL;
    const uint32_t class = htobe32(LOCK_CLASS);
    const char *const values[] = {(const char *)&class};
    const int lengths[] = {sizeof(class)};
    status = execute(source, &LEAD, values, lengths, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) != 1)
        return error_set(error, STATUS_UNAVAILABLE, "the event log is not initialised");
    if (PQgetvalue(result, 0, 0)[0] == 0)
        return error_set(error, STATUS_CONFLICT, "another process publishes");
    return STATUS_OK;
}

static enum status ends(void *self, int64_t deadline_us, int64_t *ret_positions,
                        struct error *error)
{
    struct log_source_postgres *source = self;
    AUTO(postgres_result_clear)
    PGresult *result = NULL;
    enum status status = execute(source, &ENDS, NULL, NULL, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) != source->partition_count)
        return error_set(error, STATUS_INTERNAL, "the log has %d partitions, not %d",
                         PQntuples(result), source->partition_count);
    for (int p = 0; p < source->partition_count; p++) {
        assert(pg_get_int2(result, p, 0) == p);
        ret_positions[p] = pg_get_int8(result, p, 1);
    }
    return STATUS_OK;
}

static enum status event_id(void *self, int16_t partition, int64_t position, int64_t deadline_us,
                            struct uuid *ret_id, struct error *error)
{
    const uint16_t partition_wire = htobe16((uint16_t)partition);
    const uint64_t position_wire = htobe64((uint64_t)position);
    const char *const values[] = {(const char *)&partition_wire, (const char *)&position_wire};
    const int lengths[] = {sizeof(partition_wire), sizeof(position_wire)};
    AUTO(postgres_result_clear)
    PGresult *result = NULL;
    enum status status = execute(self, &EVENT_ID, values, lengths, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) == 0)
        return error_set(error, STATUS_NOT_FOUND, "no event at that position");
    *ret_id = pg_get_uuid(result, 0, 0);
    return STATUS_OK;
}

static enum status read_page(struct log_source_postgres *source, const int64_t *after,
                             const int32_t *limits, int64_t deadline_us, PGresult **ret_result,
                             struct error *error)
{
    size_t count = (size_t)source->partition_count;
    static const Oid element_types[] = {PG_INT2, PG_INT8, PG_INT4};
    for (size_t i = 0; i < ARRAY_SIZE(source->arrays); i++) {
        text_clear(&source->arrays[i]);
        pg_array_begin(&source->arrays[i], element_types[i], count);
    }
    for (int i = 0; i < source->partition_count; i++) {
        int p = (source->first + i) % source->partition_count;
        pg_array_int2(&source->arrays[0], (int16_t)p);
        pg_array_int8(&source->arrays[1], after[p]);
        pg_array_int4(&source->arrays[2], limits[p]);
    }
    const char *values[ARRAY_SIZE(source->arrays)];
    int lengths[ARRAY_SIZE(source->arrays)];
    for (size_t i = 0; i < ARRAY_SIZE(source->arrays); i++) {
        if (!text_ok(&source->arrays[i]))
            return error_set(error, STATUS_NO_MEMORY, "relay: out of memory");
        values[i] = source->arrays[i].bytes;
        lengths[i] = (int)source->arrays[i].length;
    }
    return execute(source, &READ, values, lengths, deadline_us, ret_result, error);
}

/* If a page ends early, the next page begins with the next partition. So no partition waits until
 * the others have no more events. */
static enum status read_log(void *self, const int64_t *after, const int32_t *limits,
                            int64_t deadline_us,
                            bool (*visit)(void *context, const struct recorded_event *event),
                            void *context, bool *ret_more, struct error *error)
{
    struct log_source_postgres *source = self;
    AUTO(postgres_result_clear)
    PGresult *result = NULL;
    enum status status = read_page(source, after, limits, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;

    bool more = false;
    memset(source->rows_read, 0, (size_t)source->partition_count * sizeof(*source->rows_read));
    for (int row = 0; row < PQntuples(result); row++) {
        const struct recorded_event event = event_of_row(result, row);
        more = more || ++source->rows_read[event.partition] == limits[event.partition];
        bool is_refused = !visit(context, &event);
        if (!is_refused && pg_get_int8(result, row, BYTES_COLUMN) < RELAY_PAGE_BYTES_MAX)
            continue;
        source->first = (event.partition + 1) % source->partition_count;
        more = true;
        break;
    }
    *ret_more = more;
    return STATUS_OK;
}

struct log_source_postgres *log_source_postgres_new(const char *url, int partition_count)
{
    struct log_source_postgres *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return NULL;
    source->partition_count = partition_count;
    for (size_t i = 0; i < ARRAY_SIZE(source->arrays); i++)
        source->arrays[i] = TEXT_INIT(ARRAY_BYTES_MAX);
    source->rows_read = calloc((size_t)partition_count, sizeof(*source->rows_read));
    source->postgres = postgres_new(&(struct postgres_options){
        .url = url,
        .application_name = "cartledger-relay",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .lock_timeout_ms = LOCK_TIMEOUT_MS,
        .idle_session_timeout_ms = RELAY_FROZEN_MS,
        .must_write = true, /* a standby may lack what the topic has */
    });
    if (source->rows_read == NULL || source->postgres == NULL) {
        log_source_postgres_free(source);
        return NULL;
    }
    return source;
}

void log_source_postgres_free(struct log_source_postgres *source)
{
    if (source == NULL)
        return;
    postgres_free(source->postgres);
    for (size_t i = 0; i < ARRAY_SIZE(source->arrays); i++)
        text_done(&source->arrays[i]);
    free(source->rows_read);
    free(source);
}

struct relay_log log_source_postgres_port(struct log_source_postgres *source)
{
    return (struct relay_log){
        .self = source,
        .connect = connect_log,
        .lead = lead,
        .resign = resign,
        .ends = ends,
        .event_id = event_id,
        .read = read_log,
    };
}
