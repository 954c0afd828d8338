#include "leader_session.h"

#include "postgres_array.h"

#include <assert.h>
#include <endian.h>

enum { STATEMENT_TIMEOUT_MS = 1500, LOCK_TIMEOUT_MS = 1000, PARAMETERS_MAX = 8 };

/* The only right plans are walks along the keys. Without statistics (a new or restored log) the
 * planner may think otherwise. Each plan is made once; by default it would be made again for each
 * page. */
static const struct postgres_statement SETTLE = {
    .name = "leader_settle",
    .sql = "SELECT set_config('enable_seqscan', 'off', false),"
           " set_config('enable_bitmapscan', 'off', false),"
           " set_config('enable_sort', 'off', false), set_config('jit', 'off', false),"
           " set_config('plan_cache_mode', 'force_generic_plan', false)",
};

static const struct postgres_statement LEAD = {
    .name = "leader_lead",
    .sql = "SELECT pg_try_advisory_lock($1, hashtext(log_id::text)) FROM event_log",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT4},
};

bool leader_session_init(struct leader_session *session,
                         const struct leader_session_options *options)
{
    *session = (struct leader_session){
        .postgres = postgres_new(&(struct postgres_options){
            .url = options->url,
            .application_name = options->application_name,
            .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
            .lock_timeout_ms = LOCK_TIMEOUT_MS,
            .idle_session_timeout_ms = options->frozen_ms,
            .must_write = true, /* a standby may lack what was published or expired */
        }),
        .lock_class = options->lock_class,
    };
    return session->postgres != NULL;
}

void leader_session_done(struct leader_session *session)
{
    postgres_free(session->postgres);
    session->postgres = NULL;
}

enum status leader_session_connect(struct leader_session *session, int64_t deadline_us,
                                   struct error *error)
{
    if (!postgres_is_connected(session->postgres))
        session->is_settled = false;
    enum status status = postgres_connect(session->postgres, deadline_us, error);
    if (status != STATUS_OK || session->is_settled)
        return status;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    status = leader_session_read(session, &SETTLE, NULL, NULL, deadline_us, &result, error);
    session->is_settled = status == STATUS_OK;
    return status;
}

enum status leader_session_lead(struct leader_session *session, int64_t deadline_us,
                                struct error *error)
{
    enum status status = leader_session_connect(session, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    AUTO(postgres_result_clear) PGresult *result = NULL;
    const uint32_t class = htobe32(session->lock_class);
    const char *const values[] = {(const char *)&class};
    const int lengths[] = {sizeof(class)};
    status = leader_session_read(session, &LEAD, values, lengths, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) != 1)
        return error_set(error, STATUS_UNAVAILABLE, "the event log is not initialised");
    if (PQgetvalue(result, 0, 0)[0] == 0)
        return error_set(error, STATUS_CONFLICT, "another process leads");
    return STATUS_OK;
}

void leader_session_resign(struct leader_session *session)
{
    postgres_disconnect(session->postgres);
}

enum status leader_session_read(struct leader_session *session,
                                const struct postgres_statement *statement,
                                const char *const *values, const int *lengths, int64_t deadline_us,
                                PGresult **ret_result, struct error *error)
{
    static const int binary[PARAMETERS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    assert(statement->parameter_count <= PARAMETERS_MAX);
    const struct postgres_parameters parameters = {values, lengths, binary};
    enum status status =
        postgres_execute(session->postgres, statement, &parameters, deadline_us, ret_result, error);
    return status == STATUS_UNCERTAIN ? STATUS_UNAVAILABLE : status;
}
