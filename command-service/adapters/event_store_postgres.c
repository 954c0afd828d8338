#include "event_store_postgres_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Bytes of one parameter. Enough for 4 MiB of JSON plus 512 KiB (LANE_BATCH_BYTES_MAX and one more
 * command), or for the metadata of 5,000 events. */
enum { ARRAY_BYTES_MAX = 64 * 1024 * 1024 };

/*
 * Sent once per connection. The best plan of our statements does not depend on their parameters:
 * each is an index scan of a primary or unique key. The statistics of a young or restored log may
 * suggest a sequential scan of the log instead, and that plan would be kept.
 */
static const struct postgres_statement SESSION = {
    .name = "session",
    .sql = "SELECT l.log_id, l.partition_count, s.version,"
           " current_setting('synchronous_commit') = 'off',"
           " set_config('plan_cache_mode', 'force_generic_plan', false),"
           " set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)"
           " FROM event_log l CROSS JOIN schema_version s",
};

static const struct postgres_statement CHECK_TABLES = {
    .name = "check_tables",
    .sql = "SELECT to_regclass('schema_version') IS NOT NULL"
           " AND to_regclass('event_log') IS NOT NULL"
           " AND to_regclass('events') IS NOT NULL AND to_regclass('event_partitions') IS NOT NULL",
};

static const struct postgres_statement CHECK_LOG = {
    .name = "check_log",
    .sql = "SELECT s.version, coalesce(l.log_id, gen_random_uuid()),"
           " coalesce(l.partition_count, 0)::int4,"
           " (SELECT count(*)::int4 FROM event_partitions),"
           " current_setting('synchronous_commit') = 'off'"
           " FROM schema_version s LEFT JOIN event_log l ON true",
};

static const struct postgres_statement PING = {.name = "ping", .sql = "SELECT 1"};

struct event_store_postgres *event_store_postgres_new(const char *url, int partition_count)
{
    assert(partition_count >= 1 && partition_count <= PARTITION_COUNT_MAX);
    const struct postgres_options options = {
        .url = url,
        .application_name = "cartledger-lane",
        .statement_timeout_ms = EVENT_STORE_STATEMENT_TIMEOUT_MS,
        .lock_timeout_ms = EVENT_STORE_LOCK_TIMEOUT_MS,
        .must_write = true,
    };
    struct event_store_postgres *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return NULL;
    store->partition_count = partition_count;
    store->postgres = postgres_new(&options);
    if (store->postgres == NULL) {
        free(store);
        return NULL;
    }
    for (size_t i = 0; i < EVENT_STORE_ARRAYS_MAX; i++)
        store->arrays[i] = TEXT_INIT(ARRAY_BYTES_MAX);
    return store;
}

void event_store_postgres_free(struct event_store_postgres *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < EVENT_STORE_ARRAYS_MAX; i++)
        text_done(&store->arrays[i]);
    postgres_free(store->postgres);
    free(store);
}

struct text *event_store_array(struct event_store_postgres *store, size_t n, Oid element_type,
                               size_t count)
{
    assert(n < EVENT_STORE_ARRAYS_MAX);
    struct text *array = &store->arrays[n];
    text_clear(array);
    pg_array_begin(array, element_type, count);
    return array;
}

enum status event_store_run(struct event_store_postgres *store,
                            const struct postgres_statement *statement, int64_t deadline_us,
                            PGresult **ret_result, struct error *error)
{
    const char *values[EVENT_STORE_ARRAYS_MAX];
    int lengths[EVENT_STORE_ARRAYS_MAX];
    int formats[EVENT_STORE_ARRAYS_MAX];
    for (int i = 0; i < statement->parameter_count; i++) {
        if (!text_ok(&store->arrays[i]))
            return error_set(error, STATUS_UNAVAILABLE, "%s: no memory for its parameters",
                             statement->name);
        struct str bytes = text_str(&store->arrays[i]);
        values[i] = bytes.bytes;
        lengths[i] = (int)bytes.length;
        formats[i] = 1;
    }
    const struct postgres_parameters parameters = {values, lengths, formats};
    enum status status =
        postgres_execute(store->postgres, statement, &parameters, deadline_us, ret_result, error);
    if (status != STATUS_OK)
        event_store_release(store, deadline_us);
    return status;
}

/* These change nothing, so an unknown outcome is a plain failure. */
static enum status run_plain(struct event_store_postgres *store,
                             const struct postgres_statement *statement, int64_t deadline_us,
                             PGresult **ret_result, struct error *error)
{
    enum status status = event_store_run(store, statement, deadline_us, ret_result, error);
    return status == STATUS_UNCERTAIN ? STATUS_UNAVAILABLE : status;
}

static enum status ping(void *context, int64_t deadline_us, struct error *error)
{
    AUTO(postgres_result_clear) PGresult *result = NULL;
    return run_plain(context, &PING, deadline_us, &result, error);
}

static enum status check_version(int version, struct error *error)
{
    if (version == EVENT_STORE_SCHEMA_VERSION)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "the database has schema version %d, this program needs %d: %s", version,
                     EVENT_STORE_SCHEMA_VERSION,
                     version < EVENT_STORE_SCHEMA_VERSION ? "run the migrations"
                                                          : "it is too old for the database");
}

static enum status check_partitions(const struct event_store_postgres *store, int partition_count,
                                    struct error *error)
{
    if (partition_count == store->partition_count)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "the event log has %d partitions, but %d are configured", partition_count,
                     store->partition_count);
}

static enum status check_durability(const PGresult *result, int is_off_column, struct error *error)
{
    if (*PQgetvalue(result, 0, is_off_column) == 0)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "synchronous_commit is off: what is answered would not be durable");
}

/* The first log seen is the log of this process. If the server at this address later holds another
 * log, nothing is written to it. */
static enum status begin_session(struct event_store_postgres *store, int64_t deadline_us,
                                 struct error *error)
{
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = run_plain(store, &SESSION, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) != 1)
        return error_set(error, STATUS_INVALID, "the event log is not initialised");
    struct uuid log_id = pg_get_uuid(result, 0, 0);
    status = check_version(pg_get_int4(result, 0, 2), error);
    if (status == STATUS_OK)
        status = check_partitions(store, pg_get_int2(result, 0, 1), error);
    if (status == STATUS_OK)
        status = check_durability(result, 3, error);
    if (status != STATUS_OK)
        return status;
    if (store->is_log_known && !uuid_equal(&log_id, &store->log_id))
        return error_set(error, STATUS_INVALID, "the database now holds another event log");
    store->log_id = log_id;
    store->is_log_known = true;
    return STATUS_OK;
}

static enum status open_session(void *context, int64_t deadline_us, bool *ret_is_new,
                                struct error *error)
{
    struct event_store_postgres *store = context;
    if (postgres_is_connected(store->postgres)) {
        *ret_is_new = false;
        return STATUS_OK;
    }
    store->is_holding = false;
    enum status status = postgres_connect(store->postgres, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    status = begin_session(store, deadline_us, error);
    if (status == STATUS_OK)
        *ret_is_new = true;
    else
        postgres_disconnect(store->postgres);
    return status;
}

static enum status check_log(const struct event_store_postgres *store, const PGresult *result,
                             struct error *error)
{
    if (PQntuples(result) != 1)
        return error_set(error, STATUS_INVALID, "the database has no schema version");
    int partitions = pg_get_int4(result, 0, 2);
    int counters = pg_get_int4(result, 0, 3);
    enum status status = check_version(pg_get_int4(result, 0, 0), error);
    if (status == STATUS_OK && partitions == 0)
        status = error_set(error, STATUS_INVALID,
                           "the event log is not initialised: run initialise_event_log(%d)",
                           store->partition_count);
    if (status == STATUS_OK)
        status = check_partitions(store, partitions, error);
    if (status != STATUS_OK)
        return status;
    if (counters != partitions)
        return error_set(error, STATUS_INVALID,
                         "the event log has %d partitions, but counters for %d", partitions,
                         counters);
    return check_durability(result, 4, error);
}

enum status event_store_postgres_check(struct event_store_postgres *store, int64_t deadline_us,
                                       struct uuid *ret_log_id, struct error *error)
{
    AUTO(postgres_result_clear) PGresult *tables = NULL;
    AUTO(postgres_result_clear) PGresult *log = NULL;
    enum status status = postgres_connect(store->postgres, deadline_us, error);
    if (status == STATUS_OK)
        status = run_plain(store, &CHECK_TABLES, deadline_us, &tables, error);
    if (status == STATUS_OK && *PQgetvalue(tables, 0, 0) == 0)
        status = error_set(error, STATUS_INVALID,
                           "the database has no schema of ours: run the migrations");
    if (status == STATUS_OK)
        status = run_plain(store, &CHECK_LOG, deadline_us, &log, error);
    /* A missing right is a configuration error here. */
    if (status == STATUS_INTERNAL)
        status = STATUS_INVALID;
    if (status == STATUS_OK)
        status = check_log(store, log, error);
    /* The check's session is closed: the lane opens its own. */
    if (status == STATUS_OK)
        *ret_log_id = pg_get_uuid(log, 0, 1);
    postgres_disconnect(store->postgres);
    return status;
}

struct event_store event_store_postgres_port(struct event_store_postgres *store)
{
    return (struct event_store){
        .context = store,
        .connect = open_session,
        .ping = ping,
        .load = event_store_load,
        .versions = event_store_versions,
        .recall = event_store_recall,
        .hold = event_store_hold,
        .release = event_store_release,
        .append = event_store_append,
        .find = event_store_find,
    };
}
