/*
 * postgres.h - a PostgreSQL connection on which every wait has a limit.
 *
 * It uses libpq in non-blocking mode. A stopped server neither answers nor closes, so each call
 * takes a deadline (monotonic microseconds). One connection belongs to one thread.
 */
#pragma once

#include "clock.h"
#include "status.h"
#include "str.h"

#include <libpq-fe.h>

/*
 * SQL: about how many bytes a value of type json takes when it is read, computed without reading
 * it. (A text's octet_length is known exactly.) Of a compressed value only the stored size is
 * known; it counts 16 times. JSON of carts shrinks 3 to 10 times. pglz never shrinks anything more
 * than 96 times, so a result within a limit takes at most six times that limit; 16 times, where the
 * server compresses with lz4 by default.
 */
#define POSTGRES_SIZE(column)                                                                      \
    "(pg_column_size(" column ") * CASE WHEN pg_column_compression(" column                        \
    ") IS NULL THEN 1 ELSE 16 END)"

struct postgres;

struct postgres_options {
    const char *url;              /* postgres://…, borrowed until postgres_free(); never logged */
    const char *application_name; /* static */
    int statement_timeout_ms;     /* the server's own limit */
    int lock_timeout_ms;
    /* 0: none. The server ends the session of a frozen process (relay leadership) */
    int idle_session_timeout_ms;
    /* 0: never. How often the server looks whether we still wait for a statement. One that we gave
     * up goes on until then, or until its limit. */
    int client_check_ms;
    /* A server that only lets us read (a standby) counts as absent: of several hosts the next one
     * is tried. */
    bool must_write;
};

/* A statement that is prepared once per connection, again after a reconnect. Parameter types are
 * PostgreSQL OIDs. */
struct postgres_statement {
    const char *name; /* static, unique on the connection */
    const char *sql;
    int parameter_count;
    const Oid *parameter_types;
};

/* Checks a URL as a setting (config.h). Also refuses an unescaped password that libpq would accept
 * by taking a piece of it for the host, the port or the database. */
MUST_CHECK enum status postgres_url_check(const char *url, struct error *error);

MUST_CHECK struct postgres *postgres_new(const struct postgres_options *options);
void postgres_free(struct postgres *postgres);

/* Connects unless connected; prepares nothing. STATUS_UNAVAILABLE: nobody there, or not in time. In
 * the latter case the next call continues where this one was (postgres_disconnect() forgets that).
 * STATUS_INVALID: refused for a reason that retrying will not change (password, database, role).
 * Messages never hold the password. */
MUST_CHECK enum status postgres_connect(struct postgres *postgres, int64_t deadline_us,
                                        struct error *error);
bool postgres_is_connected(const struct postgres *postgres);
void postgres_disconnect(struct postgres *postgres);

struct postgres_parameters {
    const char *const *values; /* text or binary by `formats`; NULL is SQL null */
    const int *lengths;        /* for binary values */
    const int *formats;        /* 0 text, 1 binary; NULL: all text */
};

/*
 * Runs one statement in a transaction of its own; one round trip (plus one the first time, to
 * prepare it). The result's values are binary.
 *
 *     STATUS_CONFLICT     unique violation
 *     STATUS_UNAVAILABLE  certainly not done: not connected, not sent, or the server gave it up
 *                         (time-out, deadlock, serialization failure, shutting down)
 *     STATUS_UNCERTAIN    sent, and no answer: the connection was lost, or the deadline passed; it
 *                         is closed
 *     STATUS_INTERNAL     anything else: a bug in the SQL, a missing right
 *
 * On STATUS_OK the caller owes PQclear(*ret_result).
 */
MUST_CHECK enum status postgres_execute(struct postgres *postgres,
                                        const struct postgres_statement *statement,
                                        const struct postgres_parameters *parameters,
                                        int64_t deadline_us, PGresult **ret_result,
                                        struct error *error);

/*
 * The two halves of postgres_execute(), for callers that have something else to do meanwhile. After
 * STATUS_OK from the first half only postgres_receive() may follow. The parameters need not outlive
 * the first half.
 */
MUST_CHECK enum status postgres_send(struct postgres *postgres,
                                     const struct postgres_statement *statement,
                                     const struct postgres_parameters *parameters,
                                     int64_t deadline_us, struct error *error);
MUST_CHECK enum status postgres_receive(struct postgres *postgres, int64_t deadline_us,
                                        PGresult **ret_result, struct error *error);

/* SQLSTATE of the last failure, or "". */
const char *postgres_sqlstate(const struct postgres *postgres);

/* Cleanup for AUTO(): clears a PGresult. */
void postgres_result_clear(PGresult **result);
