#include "postgres_internal.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

struct postgres *postgres_new(const struct postgres_options *options)
{
    struct postgres *postgres = calloc(1, sizeof(*postgres));
    if (postgres != NULL)
        postgres->options = *options;
    return postgres;
}

void postgres_free(struct postgres *postgres)
{
    if (postgres == NULL)
        return;
    postgres_disconnect(postgres);
    free(postgres);
}

bool postgres_is_connected(const struct postgres *postgres)
{
    return postgres->is_ready && PQstatus(postgres->connection) == CONNECTION_OK;
}

void postgres_disconnect(struct postgres *postgres)
{
    PQfinish(postgres->connection);
    postgres->connection = NULL;
    postgres->is_ready = false;
    postgres->prepared_count = 0;
}

const char *postgres_sqlstate(const struct postgres *postgres)
{
    return postgres->sqlstate;
}

void postgres_result_clear(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}

static bool is_class(const char *sqlstate, const char *class)
{
    return strncmp(sqlstate, class, 2) == 0;
}

/* Of an error that the server reported before the statement was complete: nothing was committed,
 * except that after 40003 nobody knows. */
static enum status status_of_sqlstate(const char *sqlstate)
{
    static const char *const may_work_later[] = {
        "55P03", /* lock_not_available: lock_timeout */
        "25006", /* read_only_sql_transaction: a standby */
        "26000", /* invalid_sql_statement_name: somebody deallocated it */
        "0A000", /* cached plan must not change result type: the schema changed */
    };
    if (strcmp(sqlstate, "23505") == 0)
        return STATUS_CONFLICT;
    if (strcmp(sqlstate, "40003") == 0) /* statement_completion_unknown */
        return STATUS_UNCERTAIN;
    /* Connection, rollback (deadlock, serialization), resources, operator (statement_timeout),
     * system. */
    if (is_class(sqlstate, "08") || is_class(sqlstate, "40") || is_class(sqlstate, "53") ||
        is_class(sqlstate, "57") || is_class(sqlstate, "58"))
        return STATUS_UNAVAILABLE;
    for (size_t i = 0; i < ARRAY_SIZE(may_work_later); i++)
        if (strcmp(sqlstate, may_work_later[i]) == 0)
            return STATUS_UNAVAILABLE;
    return STATUS_INTERNAL;
}

/* Whether a new session would cure it: statements forgotten or outdated, a standby in the primary's
 * place. */
static bool needs_new_session(const char *sqlstate)
{
    return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0 ||
           strcmp(sqlstate, "25006") == 0;
}

/*
 * The commit comes after CommandComplete, at Sync. So of the ways to fail:
 *
 *     no SQLSTATE (libpq lost the connection)      uncertain
 *     PANIC                                        uncertain: the commit record may be on disk
 *     FATAL after the statement was complete       uncertain
 *     FATAL before                                 rolled back, and the session is over
 *     anything else                                rolled back
 */
static enum status failure_of(struct postgres *postgres, const char *what, const PGresult *result,
                              bool was_complete, struct error *error)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[ERROR_MESSAGE_MAX];
    if (sqlstate == NULL || severity == NULL) {
        postgres->sqlstate[0] = '\0';
        return error_set(error, STATUS_UNCERTAIN, "%s: %s", what,
                         postgres_first_line(PQresultErrorMessage(result), line));
    }
    memcpy(postgres->sqlstate, sqlstate, SQLSTATE_LENGTH);
    postgres->sqlstate[SQLSTATE_LENGTH] = '\0';
    enum status status = status_of_sqlstate(sqlstate);
    bool is_fatal = strcmp(severity, "FATAL") == 0;
    if (strcmp(severity, "PANIC") == 0 || (is_fatal && was_complete))
        status = STATUS_UNCERTAIN;
    else if (is_fatal)
        status = STATUS_UNAVAILABLE;
    return error_set(error, status, "%s: %s (SQLSTATE %s)", what,
                     postgres_first_line(message != NULL ? message : "", line), sqlstate);
}

static bool is_success(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

static enum status no_answer(struct postgres *postgres, const char *what, const char *why,
                             struct error *error)
{
    char line[ERROR_MESSAGE_MAX];
    if (why == NULL)
        why = postgres_first_line(PQerrorMessage(postgres->connection), line);
    error_set(error, STATUS_UNCERTAIN, "%s: %s", what, why);
    postgres_disconnect(postgres);
    return STATUS_UNCERTAIN;
}

static enum status send_all(struct postgres *postgres, const char *what, int64_t deadline_us,
                            struct error *error)
{
    int left;
    while ((left = PQflush(postgres->connection)) == 1) {
        if (!postgres_wait(postgres->connection, POLLIN | POLLOUT, deadline_us))
            return no_answer(postgres, what, "not sent in time", error);
        /* The server may be blocked, writing to us. */
        if (PQconsumeInput(postgres->connection) == 0)
            return no_answer(postgres, what, NULL, error);
    }
    return left == 0 ? STATUS_OK : no_answer(postgres, what, NULL, error);
}

/* Reads to the end of the answer (ReadyForQuery). The first result is the statement's; an error may
 * follow it, when the commit failed. */
static enum status receive_all(struct postgres *postgres, const char *what, int64_t deadline_us,
                               PGresult **ret_result, struct error *error)
{
    AUTO(postgres_result_clear)
    PGresult *first = NULL;
    enum status status = STATUS_OK;
    for (;;) {
        while (PQisBusy(postgres->connection)) {
            if (!postgres_wait(postgres->connection, POLLIN, deadline_us)) {
                if (status == STATUS_OK)
                    return no_answer(postgres, what, "no answer in time", error);
                postgres_disconnect(postgres);
                return status;
            }
            /* PQgetResult() says more about a failure. */
            if (PQconsumeInput(postgres->connection) == 0)
                break;
        }
        AUTO(postgres_result_clear)
        PGresult *result = PQgetResult(postgres->connection);
        if (result == NULL)
            break;
        if (!is_success(result)) {
            if (status == STATUS_OK)
                status = failure_of(postgres, what, result, first != NULL, error);
        } else if (first == NULL) {
            first = result;
            result = NULL;
        }
    }
    if (!postgres_is_connected(postgres) || needs_new_session(postgres->sqlstate) ||
        status == STATUS_UNCERTAIN)
        postgres_disconnect(postgres);
    if (status != STATUS_OK)
        return status;
    if (first == NULL)
        return error_set(error, STATUS_INTERNAL, "%s: the server gave no result", what);
    *ret_result = first;
    first = NULL;
    return STATUS_OK;
}

static bool is_prepared(const struct postgres *postgres, const struct postgres_statement *statement)
{
    for (size_t i = 0; i < postgres->prepared_count; i++)
        if (postgres->prepared[i] == statement)
            return true;
    return false;
}

static enum status prepare(struct postgres *postgres, const struct postgres_statement *statement,
                           int64_t deadline_us, struct error *error)
{
    assert(postgres->prepared_count < POSTGRES_STATEMENTS_MAX);
    AUTO(postgres_result_clear)
    PGresult *result = NULL;
    enum status status;
    if (PQsendPrepare(postgres->connection, statement->name, statement->sql,
                      statement->parameter_count, statement->parameter_types) == 0)
        status = no_answer(postgres, statement->name, NULL, error);
    else
        status = send_all(postgres, statement->name, deadline_us, error);
    if (status == STATUS_OK)
        status = receive_all(postgres, statement->name, deadline_us, &result, error);
    if (status == STATUS_OK)
        postgres->prepared[postgres->prepared_count++] = statement;
    /* Preparing does nothing that could be uncertain. */
    if (status == STATUS_UNCERTAIN) {
        status = STATUS_UNAVAILABLE;
        if (error != NULL)
            error->status = status;
    }
    return status;
}

/* If a server went away while the connection was idle, that shows by now. Seeing it before sending
 * spares the caller an uncertain outcome. */
static bool is_alive(struct postgres *postgres)
{
    PGconn *connection = postgres->connection;
    struct pollfd poll_fd = {.fd = PQsocket(connection), .events = POLLIN};
    while (poll(&poll_fd, 1, 0) > 0)
        if (PQconsumeInput(connection) == 0)
            return false;
    return true;
}

enum status postgres_send(struct postgres *postgres, const struct postgres_statement *statement,
                          const struct postgres_parameters *parameters, int64_t deadline_us,
                          struct error *error)
{
    assert(postgres->sent == NULL);
    postgres->sqlstate[0] = '\0';
    if (postgres_is_connected(postgres) && !is_alive(postgres))
        postgres_disconnect(postgres);
    if (!postgres_is_connected(postgres))
        return error_set(error, STATUS_UNAVAILABLE, "%s: not connected", statement->name);
    if (!is_prepared(postgres, statement)) {
        enum status status = prepare(postgres, statement, deadline_us, error);
        if (status != STATUS_OK)
            return status;
    }
    /* Even when libpq says that sending failed, it may have sent everything. */
    if (PQsendQueryPrepared(postgres->connection, statement->name, statement->parameter_count,
                            parameters->values, parameters->lengths, parameters->formats, 1) == 0)
        return no_answer(postgres, statement->name, NULL, error);
    enum status status = send_all(postgres, statement->name, deadline_us, error);
    if (status == STATUS_OK)
        postgres->sent = statement;
    return status;
}

enum status postgres_receive(struct postgres *postgres, int64_t deadline_us, PGresult **ret_result,
                             struct error *error)
{
    const struct postgres_statement *statement = postgres->sent;
    assert(statement != NULL);
    postgres->sent = NULL;
    return receive_all(postgres, statement->name, deadline_us, ret_result, error);
}

enum status postgres_execute(struct postgres *postgres, const struct postgres_statement *statement,
                             const struct postgres_parameters *parameters, int64_t deadline_us,
                             PGresult **ret_result, struct error *error)
{
    enum status status = postgres_send(postgres, statement, parameters, deadline_us, error);
    return status == STATUS_OK ? postgres_receive(postgres, deadline_us, ret_result, error)
                               : status;
}
