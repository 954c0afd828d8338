#include "relay_log_postgres.h"

#include "event_row.h"
#include "leader_session.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LOCK_CLASS = 0x63617274,     /* "cart" */
    ARRAY_BYTES_MAX = 64 * 1024, /* PARTITION_COUNT_MAX elements of 12 bytes, and a header */
};

struct relay_log_postgres {
    struct leader_session session;
    int partition_count;
    struct text arrays[3];
    int32_t *rows_read; /* by partition, of the page being visited */
    int first;          /* the partition that the next page begins with */
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

static enum status connect_log(void *self, int64_t deadline_us, struct error *error)
{
    struct relay_log_postgres *log = self;
    return leader_session_connect(&log->session, deadline_us, error);
}

static enum status lead(void *self, int64_t deadline_us, struct error *error)
{
    struct relay_log_postgres *log = self;
    return leader_session_lead(&log->session, deadline_us, error);
}

static void resign(void *self)
{
    struct relay_log_postgres *log = self;
    leader_session_resign(&log->session);
}

static enum status ends(void *self, int64_t deadline_us, int64_t *ret_positions,
                        struct error *error)
{
    struct relay_log_postgres *log = self;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status =
        leader_session_read(&log->session, &ENDS, NULL, NULL, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) != log->partition_count)
        return error_set(error, STATUS_INTERNAL, "the log has %d partitions, not %d",
                         PQntuples(result), log->partition_count);
    for (int p = 0; p < log->partition_count; p++) {
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
    AUTO(postgres_result_clear) PGresult *result = NULL;
    struct relay_log_postgres *log = self;
    enum status status =
        leader_session_read(&log->session, &EVENT_ID, values, lengths, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) == 0)
        return error_set(error, STATUS_NOT_FOUND, "no event at that position");
    *ret_id = pg_get_uuid(result, 0, 0);
    return STATUS_OK;
}

static enum status read_page(struct relay_log_postgres *log, const int64_t *after,
                             const int32_t *limits, int64_t deadline_us, PGresult **ret_result,
                             struct error *error)
{
    size_t count = (size_t)log->partition_count;
    static const Oid element_types[] = {PG_INT2, PG_INT8, PG_INT4};
    for (size_t i = 0; i < ARRAY_SIZE(log->arrays); i++) {
        text_clear(&log->arrays[i]);
        pg_array_begin(&log->arrays[i], element_types[i], count);
    }
    for (int i = 0; i < log->partition_count; i++) {
        int p = (log->first + i) % log->partition_count;
        pg_array_int2(&log->arrays[0], (int16_t)p);
        pg_array_int8(&log->arrays[1], after[p]);
        pg_array_int4(&log->arrays[2], limits[p]);
    }
    const char *values[ARRAY_SIZE(log->arrays)];
    int lengths[ARRAY_SIZE(log->arrays)];
    for (size_t i = 0; i < ARRAY_SIZE(log->arrays); i++) {
        if (!text_ok(&log->arrays[i]))
            return error_set(error, STATUS_NO_MEMORY, "relay: out of memory");
        values[i] = log->arrays[i].bytes;
        lengths[i] = (int)log->arrays[i].length;
    }
    return leader_session_read(&log->session, &READ, values, lengths, deadline_us, ret_result,
                               error);
}

/* If a page ends early, the next page begins with the next partition. So no partition waits until
 * the others have no more events. */
static enum status read_log(void *self, const int64_t *after, const int32_t *limits,
                            int64_t deadline_us,
                            bool (*visit)(void *context, const struct recorded_event *event),
                            void *context, bool *ret_more, struct error *error)
{
    struct relay_log_postgres *log = self;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = read_page(log, after, limits, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;

    bool more = false;
    memset(log->rows_read, 0, (size_t)log->partition_count * sizeof(*log->rows_read));
    for (int row = 0; row < PQntuples(result); row++) {
        const struct recorded_event event = event_of_row(result, row);
        more = more || ++log->rows_read[event.partition] == limits[event.partition];
        bool is_refused = !visit(context, &event);
        if (!is_refused && pg_get_int8(result, row, BYTES_COLUMN) < RELAY_PAGE_BYTES_MAX)
            continue;
        log->first = (event.partition + 1) % log->partition_count;
        more = true;
        break;
    }
    *ret_more = more;
    return STATUS_OK;
}

struct relay_log_postgres *relay_log_postgres_new(const char *url, int partition_count)
{
    struct relay_log_postgres *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return NULL;
    log->partition_count = partition_count;
    for (size_t i = 0; i < ARRAY_SIZE(log->arrays); i++)
        log->arrays[i] = TEXT_INIT(ARRAY_BYTES_MAX);
    log->rows_read = calloc((size_t)partition_count, sizeof(*log->rows_read));
    bool has_session =
        leader_session_init(&log->session, &(struct leader_session_options){
                                               .url = url,
                                               .application_name = "cartledger-relay",
                                               .lock_class = LOCK_CLASS,
                                               .frozen_ms = RELAY_FROZEN_MS,
                                           });
    if (log->rows_read == NULL || !has_session) {
        relay_log_postgres_free(log);
        return NULL;
    }
    return log;
}

void relay_log_postgres_free(struct relay_log_postgres *log)
{
    if (log == NULL)
        return;
    leader_session_done(&log->session);
    for (size_t i = 0; i < ARRAY_SIZE(log->arrays); i++)
        text_done(&log->arrays[i]);
    free(log->rows_read);
    free(log);
}

struct relay_log relay_log_postgres_port(struct relay_log_postgres *log)
{
    return (struct relay_log){
        .self = log,
        .connect = connect_log,
        .lead = lead,
        .resign = resign,
        .ends = ends,
        .event_id = event_id,
        .read = read_log,
    };
}
