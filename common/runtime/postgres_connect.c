#include "postgres_internal.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNINFO_MAX = 64,         /* keywords of libpq (about 45) and ours */
    SESSION_OPTIONS_MAX = 512, /* bytes of `options` that we add */
    URL_OPTIONS_MAX = 1024,    /* bytes of `options` that the URL may bring */
};

/* The deadline of each call notices a peer that vanished silently. These settings end the sockets
 * of idle connections. */
static const char *const TCP_SETTINGS[][2] = {
    {"keepalives", "1"},       {"keepalives_idle", "5"},      {"keepalives_interval", "2"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "10000"}, {"client_encoding", "UTF8"},
};

struct conninfo {
    const char *keywords[CONNINFO_MAX + 1];
    const char *values[CONNINFO_MAX + 1];
    size_t count;
};

static void conninfo_add(struct conninfo *info, const char *keyword, const char *value)
{
    assert(info->count < CONNINFO_MAX);
    info->keywords[info->count] = keyword;
    info->values[info->count] = value;
    info->count++;
}

static void parsed_free(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

static void message_free(char **message)
{
    PQfreemem(*message);
}

bool postgres_wait(PGconn *connection, short events, int64_t deadline_us)
{
    for (;;) {
        int64_t left_us = deadline_us - clock_monotonic_us();
        if (left_us <= 0)
            return false;
        struct pollfd poll_fd = {.fd = PQsocket(connection), .events = events};
        int64_t left_ms =
            (left_us + MICROSECONDS_PER_MILLISECOND - 1) / MICROSECONDS_PER_MILLISECOND;
        int ready = poll(&poll_fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

const char *postgres_first_line(const char *message, char *buffer)
{
    size_t length = strcspn(message, "\r\n");
    if (length >= ERROR_MESSAGE_MAX)
        length = ERROR_MESSAGE_MAX - 1;
    memcpy(buffer, message, length);
    buffer[length] = '\0';
    return buffer;
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* libpq does not give the SQLSTATE of a refused connection, but writes it into the verbose message,
 * after the severity: `FATAL:  28P01: password ...`. */
static void sqlstate_from_message(const char *message, char ret_sqlstate[SQLSTATE_LENGTH + 1])
{
    ret_sqlstate[0] = '\0';
    for (const char *at = message; (at = strstr(at, ":  ")) != NULL; at++) {
        const char *code = at + 3;
        size_t length = 0;
        while (length < SQLSTATE_LENGTH &&
               (isdigit((unsigned char)code[length]) || isupper((unsigned char)code[length])))
            length++;
        if (length == SQLSTATE_LENGTH && code[length] == ':') {
            memcpy(ret_sqlstate, code, SQLSTATE_LENGTH);
            ret_sqlstate[SQLSTATE_LENGTH] = '\0';
            return;
        }
    }
}

/* Password, role, database, right to connect: retrying will not change these. */
static bool is_refused_for_good(PGconn *connection, const char *sqlstate)
{
    return PQconnectionNeedsPassword(connection) || strncmp(sqlstate, "28", 2) == 0 ||
           strcmp(sqlstate, "3D000") == 0 || strcmp(sqlstate, "42501") == 0;
}

static enum status connect_failed(struct postgres *postgres, struct error *error)
{
    char line[ERROR_MESSAGE_MAX];
    const char *message = PQerrorMessage(postgres->connection);
    sqlstate_from_message(message, postgres->sqlstate);
    enum status status = is_refused_for_good(postgres->connection, postgres->sqlstate)
                             ? STATUS_INVALID
                             : STATUS_UNAVAILABLE;
    error_set(error, status, "%s", postgres_first_line(message, line));
    postgres_disconnect(postgres);
    return status;
}

static const char *session_options(const struct postgres_options *options, const char *from_url,
                                   char *buffer, size_t size)
{
    int length = snprintf(
        buffer, size,
        "%s -c statement_timeout=%d -c lock_timeout=%d -c idle_session_timeout=%d"
        " -c client_connection_check_interval=%d"
        " -c idle_in_transaction_session_timeout=1000 -c tcp_user_timeout=10000 -c TimeZone=UTC",
        from_url, options->statement_timeout_ms, options->lock_timeout_ms,
        options->idle_session_timeout_ms, options->client_check_ms);
    return (size_t)length < size ? buffer : NULL;
}

/* Whether the URL was cut in the wrong place. An unescaped `/` or `@` in a password makes its rest
 * a part of the host, the port or the database, which libpq names in its messages when they do not
 * work. */
static bool holds_more_than_a_name(const PQconninfoOption *option)
{
    if (option->val == NULL)
        return false;
    if (strcmp(option->keyword, "port") == 0)
        return option->val[strspn(option->val, "0123456789,")] != '\0';
    if (strcmp(option->keyword, "host") == 0) /* @name is an abstract socket */
        return option->val[0] != '\0' && strchr(option->val + 1, '@') != NULL;
    return strcmp(option->keyword, "dbname") == 0 && strchr(option->val, '@') != NULL;
}

/* NULL: it is malformed. */
static PQconninfoOption *parse(const char *url)
{
    /* libpq's own message would quote the URL. */
    AUTO(message_free)
    char *message = NULL;
    AUTO(parsed_free)
    PQconninfoOption *parsed = PQconninfoParse(url, &message);
    for (const PQconninfoOption *option = parsed; option != NULL && option->keyword != NULL;
         option++)
        if (holds_more_than_a_name(option))
            return NULL;
    PQconninfoOption *good = parsed;
    parsed = NULL;
    return good;
}

enum status postgres_url_check(const char *url, struct error *error)
{
    AUTO(parsed_free)
    PQconninfoOption *parsed = parse(url);
    if (parsed != NULL)
        return STATUS_OK;
    return error_set(
        error, STATUS_INVALID,
        "is malformed; in a password, write %%2F for / and %%40 for @, and %%25 for %%");
}

static void reverse(char *bytes, size_t length)
{
    for (size_t i = 0; i < length / 2; i++) {
        char byte = bytes[i];
        bytes[i] = bytes[length - 1 - i];
        bytes[length - 1 - i] = byte;
    }
}

/* "a,b,c" becomes "b,c,a" by one. */
static void rotate(char *list, unsigned by)
{
    size_t length = strlen(list);
    unsigned count = 1;
    for (size_t i = 0; i < length; i++)
        count += list[i] == ',';
    for (by %= count; by > 0; by--) {
        size_t first = strcspn(list, ",");
        reverse(list, first);
        reverse(list + first + 1, length - first - 1);
        reverse(list, length);
    }
}

static bool is_list_of_hosts(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
           strcmp(keyword, "port") == 0;
}

/* Name resolution happens inside PQconnectStartParams and may block beyond the deadline; numeric
 * addresses and /etc/hosts do not. */
static enum status begin_attempt(struct postgres *postgres, struct error *error)
{
    AUTO(parsed_free)
    PQconninfoOption *parsed = parse(postgres->options.url);
    if (parsed == NULL)
        return error_set(error, STATUS_INVALID, "the database URL is malformed");

    struct conninfo info = {.count = 0};
    const char *url_options = "";
    for (const PQconninfoOption *option = parsed; option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        if (is_list_of_hosts(option->keyword))
            rotate(option->val, postgres->silent_hosts);
        if (strcmp(option->keyword, "options") == 0)
            url_options = option->val;
        else
            conninfo_add(&info, option->keyword, option->val);
    }
    char buffer[URL_OPTIONS_MAX + SESSION_OPTIONS_MAX];
    const char *all_options =
        session_options(&postgres->options, url_options, buffer, sizeof(buffer));
    if (all_options == NULL)
        return error_set(error, STATUS_INVALID, "the options of the database URL are too long");
    /* Of a keyword given twice the last one holds. */
    conninfo_add(&info, "options", all_options);
    conninfo_add(&info, "application_name", postgres->options.application_name);
    if (postgres->options.must_write)
        conninfo_add(&info, "target_session_attrs", "read-write");
    for (size_t i = 0; i < ARRAY_SIZE(TCP_SETTINGS); i++)
        conninfo_add(&info, TCP_SETTINGS[i][0], TCP_SETTINGS[i][1]);

    postgres->connection = PQconnectStartParams(info.keywords, info.values, 0);
    if (postgres->connection == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
    PQsetNoticeProcessor(postgres->connection, ignore_notice, NULL);
    PQsetErrorVerbosity(postgres->connection, PQERRORS_VERBOSE);
    postgres->attempt_next = PGRES_POLLING_WRITING;
    postgres->attempt_until_us = clock_deadline_us(POSTGRES_ATTEMPT_MS);
    if (PQstatus(postgres->connection) == CONNECTION_BAD)
        return connect_failed(postgres, error);
    return STATUS_OK;
}

static void give_attempt_up(struct postgres *postgres)
{
    postgres_disconnect(postgres);
    postgres->silent_hosts++;
}

/* A server that has accepted the connection may just be slow. So the next call continues this
 * attempt: a server that must begin anew each time gets no faster. A host that does not even accept
 * is asked again: that is quicker than waiting for TCP to repeat itself. */
static enum status out_of_time(struct postgres *postgres, struct error *error)
{
    if (PQstatus(postgres->connection) == CONNECTION_STARTED)
        give_attempt_up(postgres);
    return error_set(error, STATUS_UNAVAILABLE, "the database did not answer in time");
}

/* A server that took long to let us in also takes long to answer. With less time left than that,
 * the first statement is for the next call. Otherwise every call would end in the middle of it. */
static int64_t greeting_us(const struct postgres *postgres)
{
    int64_t began_us =
        postgres->attempt_until_us - (int64_t)POSTGRES_ATTEMPT_MS * MICROSECONDS_PER_MILLISECOND;
    int64_t half_us = (clock_monotonic_us() - began_us) / 2;
    int64_t least_us = (int64_t)POSTGRES_GREETING_MIN_MS * MICROSECONDS_PER_MILLISECOND;
    int64_t most_us = (int64_t)POSTGRES_GREETING_MAX_MS * MICROSECONDS_PER_MILLISECOND;
    return half_us < least_us ? least_us : half_us > most_us ? most_us : half_us;
}

/* Of several hosts, a silent one uses up the attempt, and the next attempt begins with the host
 * after it. One that refuses does not. */
static enum status go_on(struct postgres *postgres, int64_t deadline_us, struct error *error)
{
    bool was_let_in = postgres->attempt_next == PGRES_POLLING_OK; /* by the end of the last call */
    while (postgres->attempt_next != PGRES_POLLING_OK) {
        short events = postgres->attempt_next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!postgres_wait(postgres->connection, events, deadline_us))
            return out_of_time(postgres, error);
        postgres->attempt_next = PQconnectPoll(postgres->connection);
        if (postgres->attempt_next == PGRES_POLLING_FAILED)
            return connect_failed(postgres, error);
    }
    if (!was_let_in && deadline_us - clock_monotonic_us() < greeting_us(postgres))
        return out_of_time(postgres, error);
    PQsetErrorVerbosity(postgres->connection, PQERRORS_TERSE);
    if (PQsetnonblocking(postgres->connection, 1) != 0)
        return connect_failed(postgres, error);
    postgres->is_ready = true;
    return STATUS_OK;
}

enum status postgres_connect(struct postgres *postgres, int64_t deadline_us, struct error *error)
{
    if (postgres_is_connected(postgres))
        return STATUS_OK;
    postgres->sqlstate[0] = '\0';
    if (postgres->is_ready)
        postgres_disconnect(postgres);
    else if (postgres->connection != NULL && clock_monotonic_us() >= postgres->attempt_until_us)
        give_attempt_up(postgres);
    enum status status = STATUS_OK;
    if (postgres->connection == NULL)
        status = begin_attempt(postgres, error);
    return status == STATUS_OK ? go_on(postgres, deadline_us, error) : status;
}
