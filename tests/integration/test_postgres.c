/*
 * test_postgres.c - the PostgreSQL calls and the event store against a real server.
 *
 * Needs COMMAND_DATABASE_URL (the service's role, a log of 6 partitions) and
 * COMMAND_OWNER_DATABASE_URL; tests/integration/test_lane.py gives both.
 */
#include "cart_partition.h"
#include "event_store_postgres.h"
#include "log_query.h"
#include "postgres.h"
#include "postgres_array.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS = 6 };

static int64_t in_ms(int milliseconds)
{
    return clock_monotonic_us() + (int64_t)milliseconds * MICROSECONDS_PER_MILLISECOND;
}

static const char *url_of(const char *name)
{
    const char *url = getenv(name);
    cr_assert_not_null(url, "%s is missing", name);
    return url;
}

static struct postgres *connected(const char *url)
{
    struct error error;
    struct postgres *postgres = postgres_new(&(struct postgres_options){
        .url = url,
        .application_name = "test-postgres",
        .statement_timeout_ms = 300,
        .lock_timeout_ms = 100,
    });
    cr_assert_eq(postgres_connect(postgres, in_ms(2000), &error), STATUS_OK, "%s", error.message);
    return postgres;
}

static struct postgres *owner(void)
{
    return connected(url_of("COMMAND_OWNER_DATABASE_URL"));
}

static enum status run(struct postgres *postgres, const struct postgres_statement *statement,
                       int milliseconds, PGresult **ret_result)
{
    struct error error = {.message = ""};
    struct postgres_parameters none = {NULL, NULL, NULL};
    enum status status =
        postgres_execute(postgres, statement, &none, in_ms(milliseconds), ret_result, &error);
    if (status != STATUS_OK)
        cr_expect(error.status == status && error.message[0] != '\0' &&
                      strchr(error.message, '\n') == NULL,
                  "%s", error.message);
    return status;
}

static void expect(struct postgres *postgres, const char *name, const char *sql, int milliseconds,
                   enum status expected, const char *sqlstate)
{
    static struct postgres_statement statements[32]; /* they live as long as the connections */
    static size_t count;
    cr_assert_lt(count, ARRAY_SIZE(statements));
    struct postgres_statement *statement = &statements[count++];
    *statement = (struct postgres_statement){.name = name, .sql = sql};
    PGresult *result = NULL;
    enum status status = run(postgres, statement, milliseconds, &result);
    cr_expect_eq(status, expected, "%s: %s, not %s", sql, status_name(status),
                 status_name(expected));
    cr_expect_str_eq(postgres_sqlstate(postgres), sqlstate);
    PQclear(result);
}

TestSuite(postgres, .timeout = 30);

Test(postgres, arrays_of_every_type_arrive_as_they_were_sent)
{
    static const Oid types[] = {PG_INT2_ARRAY, PG_INT4_ARRAY, PG_INT8_ARRAY,
                                PG_TEXT_ARRAY, PG_UUID_ARRAY, PG_TIMESTAMPTZ_ARRAY};
    static const struct postgres_statement statement = {
        .name = "arrays",
        .sql = "SELECT a, b, c, d, e, f, f = '2026-11-23T09:00:00.123456Z' AND b = -2147483648"
               " AND c = 9007199254740993 AND a = -32768 AND length(d) = 3"
               " FROM unnest($1, $2, $3, $4, $5, $6) AS t (a, b, c, d, e, f)",
        .parameter_count = 6,
        .parameter_types = types,
    };
    struct text arrays[6];
    const char *values[6];
    int lengths[6];
    const int formats[6] = {1, 1, 1, 1, 1, 1};
    const struct uuid uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    for (int i = 0; i < 6; i++) {
        static const Oid element[] = {PG_INT2, PG_INT4, PG_INT8, PG_TEXT, PG_UUID, PG_TIMESTAMPTZ};
        arrays[i] = TEXT_INIT(1000);
        pg_array_begin(&arrays[i], element[i], 2);
    }
    for (int row = 0; row < 2; row++) {
        pg_array_int2(&arrays[0], INT16_MIN);
        pg_array_int4(&arrays[1], INT32_MIN);
        pg_array_int8(&arrays[2], INT64_C(9007199254740993));
        pg_array_str(&arrays[3], row == 0 ? STR_LITERAL("h\xc3\xa9\xc3\xa9") : STR_NONE);
        pg_array_uuid(&arrays[4], &uuid);
        pg_array_time(&arrays[5], INT64_C(1795424400123456));
    }
    for (int i = 0; i < 6; i++) {
        values[i] = arrays[i].bytes;
        lengths[i] = (int)arrays[i].length;
    }
    struct postgres *postgres = owner();
    struct error error;
    PGresult *result = NULL;
    const struct postgres_parameters parameters = {values, lengths, formats};
    for (int time = 0; time < 2; time++) {
        cr_assert_eq(
            postgres_execute(postgres, &statement, &parameters, in_ms(1000), &result, &error),
            STATUS_OK, "%s", error.message);
        cr_expect_eq(PQntuples(result), 2);
        cr_expect_eq(pg_get_int2(result, 0, 0), INT16_MIN);
        cr_expect_eq(pg_get_int4(result, 0, 1), INT32_MIN);
        cr_expect_eq(pg_get_int8(result, 0, 2), INT64_C(9007199254740993));
        cr_expect(str_equal_literal(pg_get_str(result, 0, 3), "h\xc3\xa9\xc3\xa9"));
        cr_expect(str_is_none(pg_get_str(result, 1, 3)));
        struct uuid got = pg_get_uuid(result, 1, 4);
        cr_expect(uuid_equal(&got, &uuid));
        cr_expect_eq(pg_get_time(result, 1, 5), INT64_C(1795424400123456));
        cr_expect_eq(*PQgetvalue(result, 0, 6), 1, "the server understood the same values");
        PQclear(result);
    }
    for (int i = 0; i < 6; i++)
        text_done(&arrays[i]);
    postgres_free(postgres);
}

Test(postgres, each_failure_has_the_status_that_says_what_to_do)
{
    struct postgres *postgres = owner();
    expect(postgres, "make", "CREATE TEMP TABLE once (a int UNIQUE DEFERRABLE)", 1000, STATUS_OK,
           "");
    expect(postgres, "one", "INSERT INTO once VALUES (1)", 1000, STATUS_OK, "");
    expect(postgres, "two", "INSERT INTO once VALUES (1)", 1000, STATUS_CONFLICT, "23505");
    expect(postgres, "column", "SELECT nothing", 1000, STATUS_INTERNAL, "42703");
    expect(postgres, "sleep", "SELECT pg_sleep(2)", 1000, STATUS_UNAVAILABLE, "57014");
    expect(postgres, "raise",
           "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'serialization_failure'; END $$", 1000,
           STATUS_UNAVAILABLE, "40001");
    cr_expect(postgres_is_connected(postgres));
    postgres_free(postgres);
}

Test(postgres, each_class_of_errors_has_its_status_and_some_want_another_session)
{
    static const struct {
        const char *sqlstate;
        enum status status;
        bool stays;
    } errors[] = {
        {"08006", STATUS_UNAVAILABLE, true},  {"53300", STATUS_UNAVAILABLE, true},
        {"57P03", STATUS_UNAVAILABLE, true},  {"58030", STATUS_UNAVAILABLE, true},
        {"40P01", STATUS_UNAVAILABLE, true},  {"40003", STATUS_UNCERTAIN, false},
        {"26000", STATUS_UNAVAILABLE, false}, {"0A000", STATUS_UNAVAILABLE, false},
        {"25006", STATUS_UNAVAILABLE, false}, {"22012", STATUS_INTERNAL, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct postgres *postgres = owner();
        char sql[200];
        snprintf(sql, sizeof(sql),
                 "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = repeat('x', 2000), ERRCODE = '%s';"
                 " END $$",
                 errors[i].sqlstate);
        expect(postgres, "raise", sql, 1000, errors[i].status, errors[i].sqlstate);
        cr_expect_eq(postgres_is_connected(postgres), errors[i].stays, "%s", errors[i].sqlstate);
        postgres_free(postgres);
    }
}

Test(postgres, a_statement_that_is_larger_than_the_sockets_buffer_arrives)
{
    enum { LARGE = 32 * 1024 * 1024 };
    static const Oid type = PG_TEXT;
    static const struct postgres_statement statement = {.name = "large",
                                                        .sql = "SELECT length($1)::text",
                                                        .parameter_count = 1,
                                                        .parameter_types = &type};
    struct postgres *postgres = owner();
    expect(postgres, "patience", "SET statement_timeout = 0", 1000, STATUS_OK, "");
    char *text = malloc(LARGE + 1);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    const char *values[] = {text};
    const struct postgres_parameters parameters = {values, NULL, NULL};
    struct error error;
    PGresult *result = NULL;
    cr_assert_eq(postgres_execute(postgres, &statement, &parameters, in_ms(20000), &result, &error),
                 STATUS_OK, "%s", error.message);
    cr_expect_str_eq(PQgetvalue(result, 0, 0), "33554432");
    PQclear(result);
    /* Not enough time for it: it may have come or not. */
    cr_expect_eq(postgres_execute(postgres, &statement, &parameters, in_ms(1), &result, &error),
                 STATUS_UNCERTAIN);
    cr_expect(!postgres_is_connected(postgres));
    free(text);
    postgres_free(postgres);
}

Test(postgres, an_error_of_the_commit_itself_is_an_error)
{
    struct postgres *postgres = owner();
    expect(postgres, "make", "CREATE TEMP TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
           1000, STATUS_OK, "");
    expect(postgres, "one", "INSERT INTO late VALUES (1)", 1000, STATUS_OK, "");
    expect(postgres, "two", "INSERT INTO late VALUES (1) RETURNING a", 1000, STATUS_CONFLICT,
           "23505");
    postgres_free(postgres);
}

Test(postgres, without_an_answer_the_outcome_is_uncertain_and_the_connection_closed)
{
    struct postgres *postgres = owner();
    expect(postgres, "ready", "SELECT 1", 1000, STATUS_OK, "");
    int64_t before_us = clock_monotonic_us();
    static const struct postgres_statement sleep = {.name = "sleep", .sql = "SELECT pg_sleep(2)"};
    PGresult *result = NULL;
    cr_expect_eq(run(postgres, &sleep, 100, &result), STATUS_UNCERTAIN);
    cr_expect_lt(clock_monotonic_us() - before_us, 250 * MICROSECONDS_PER_MILLISECOND);
    cr_expect(!postgres_is_connected(postgres));
    cr_expect_eq(run(postgres, &sleep, 100, &result), STATUS_UNAVAILABLE);
    postgres_free(postgres);
}

Test(postgres, a_backend_that_ends_itself_has_done_nothing)
{
    struct postgres *postgres = owner();
    expect(postgres, "end", "SELECT pg_terminate_backend(pg_backend_pid())", 1000,
           STATUS_UNAVAILABLE, "57P01");
    cr_expect(!postgres_is_connected(postgres));
    struct error error;
    cr_expect_eq(postgres_connect(postgres, in_ms(1000), &error), STATUS_OK);
    expect(postgres, "again", "SELECT 1", 1000, STATUS_OK, "");
    postgres_free(postgres);
}

static void *wake_backend(void *pid)
{
    usleep(200 * 1000);
    kill(*(pid_t *)pid, SIGCONT);
    return NULL;
}

/* Of a backend that was stopped: it says that its time was up when the next statement is there. */
Test(postgres, a_session_that_was_idle_in_a_transaction_for_too_long_has_done_nothing)
{
    static const struct postgres_statement pid_of = {.name = "pid",
                                                     .sql = "SELECT pg_backend_pid()::text"};
    struct postgres *postgres = owner();
    PGresult *result = NULL;
    cr_assert_eq(run(postgres, &pid_of, 1000, &result), STATUS_OK);
    pid_t pid = (pid_t)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    expect(postgres, "ready", "SELECT 1", 1000, STATUS_OK, "");
    expect(postgres, "begin", "BEGIN", 1000, STATUS_OK, "");
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    usleep(1100 * 1000); /* idle_in_transaction_session_timeout is a second */
    pthread_t thread;
    pthread_create(&thread, NULL, wake_backend, &pid);
    expect(postgres, "late", "SELECT 1", 5000, STATUS_UNAVAILABLE, "25P03");
    pthread_join(thread, NULL);
    cr_expect(!postgres_is_connected(postgres));
    postgres_free(postgres);
}

Test(postgres, a_connection_that_died_while_idle_is_noticed_before_anything_is_sent)
{
    struct postgres *victim = owner();
    struct postgres *other = owner();
    expect(other, "kill",
           "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
           " WHERE application_name = 'test-postgres' AND pid <> pg_backend_pid()"
           " AND usename = current_user",
           2500, STATUS_OK, "");
    expect(victim, "late", "SELECT 1", 1000, STATUS_UNAVAILABLE, "");
    postgres_free(victim);
    postgres_free(other);
}

Test(postgres, the_session_has_its_limits_and_keeps_what_the_url_says)
{
    char url[1024];
    snprintf(url, sizeof(url), "%s?options=-c%%20work_mem%%3D5MB",
             url_of("COMMAND_OWNER_DATABASE_URL"));
    struct postgres *postgres = connected(url);
    static const struct postgres_statement settings = {
        .name = "settings",
        .sql = "SELECT concat_ws(' ', current_setting('statement_timeout'),"
               " current_setting('lock_timeout'), current_setting('TimeZone'),"
               " current_setting('client_encoding'), current_setting('application_name'),"
               " current_setting('work_mem'))"};
    PGresult *result = NULL;
    cr_assert_eq(run(postgres, &settings, 1000, &result), STATUS_OK);
    cr_expect_str_eq(PQgetvalue(result, 0, 0), "300ms 100ms UTC UTF8 test-postgres 5MB");
    PQclear(result);
    postgres_free(postgres);
}

static void expect_connect(const char *url, enum status expected, const char *secret)
{
    struct error error = {.message = ""};
    struct postgres *postgres =
        postgres_new(&(struct postgres_options){.url = url, .application_name = "test-postgres"});
    enum status status = postgres_connect(postgres, in_ms(1000), &error);
    cr_expect_eq(status, expected, "%s, not %s: %s", status_name(status), status_name(expected),
                 error.message);
    cr_expect_null(strstr(error.message, secret), "%s", error.message);
    cr_expect_null(strchr(error.message, '\n'));
    postgres_free(postgres);
}

Test(postgres, refused_for_good_is_told_from_not_there_and_no_message_has_the_password)
{
    char url[1024];
    const char *at = strchr(url_of("COMMAND_OWNER_DATABASE_URL"), '@');
    snprintf(url, sizeof(url), "postgres://cartledger_command_owner:s3cret%s", at);
    expect_connect(url, STATUS_INVALID, "s3cret");
    snprintf(url, sizeof(url), "postgres://cartledger_command_owner%s", at);
    expect_connect(url, STATUS_INVALID, "s3cret");
    const char *owner_url = url_of("COMMAND_OWNER_DATABASE_URL");
    int before_name = (int)(strrchr(owner_url, '/') - owner_url);
    snprintf(url, sizeof(url), "%.*s/nowhere_here", before_name, owner_url);
    expect_connect(url, STATUS_INVALID, "s3cret");
    snprintf(url, sizeof(url), "%.*s/cartledger_query", before_name, owner_url); /* not theirs */
    expect_connect(url, STATUS_INVALID, "s3cret");
    snprintf(url, sizeof(url), "postgres://nobody_here:s3cret%s", at);
    expect_connect(url, STATUS_INVALID, "s3cret");
    char long_url[4096];
    snprintf(long_url, sizeof(long_url), "%s?options=%03000d", owner_url, 0);
    expect_connect(long_url, STATUS_INVALID, "s3cret");
    expect_connect("postgres://somebody:s3cret@127.0.0.1:1/x", STATUS_UNAVAILABLE, "s3cret");
    expect_connect("postgres://somebody:s3cret@127.0.0.1:70000/x", STATUS_UNAVAILABLE, "s3cret");
    expect_connect("postgres://somebody:s3cret%zz@127.0.0.1:1/x", STATUS_INVALID, "s3cret");
    expect_connect("postgres://somebody:s3cret@127.0.0.1:1/x?s3cret=1", STATUS_INVALID, "s3cret");
}

/* The event store */

static struct event_store_postgres *store;
static struct event_store port;

static void open_store(void)
{
    struct error error;
    bool is_new = false;
    store = event_store_postgres_new(url_of("COMMAND_DATABASE_URL"), PARTITIONS);
    port = event_store_postgres_port(store);
    cr_assert_eq(port.connect(port.context, in_ms(1000), &is_new, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert(is_new);
}

static void close_store(void)
{
    event_store_postgres_free(store);
}

TestSuite(event_store, .init = open_store, .fini = close_store, .timeout = 60);

static struct cart_key new_cart(void)
{
    struct cart_key key = {.cart_id = uuid_v7_now()};
    key.partition = cart_partition(&key.cart_id, PARTITIONS);
    return key;
}

static struct new_event new_event(struct cart_key cart, int32_t version)
{
    return (struct new_event){.cart = cart,
                              .version = version,
                              .event_id = uuid_v7_now(),
                              .type = EVENT_CART_CANCELLED,
                              .occurred_at_us = 1000000 + version,
                              .data = STR_LITERAL("{\"n\": 1}"),
                              .metadata = STR_LITERAL("{}")};
}

static enum status append(struct new_event *events, size_t count)
{
    struct error error = {.message = ""};
    return port.append(port.context, events, count, in_ms(2000), &error);
}

static void append_many(struct cart_key cart, int32_t first, int count)
{
    static struct new_event events[EVENT_STORE_APPEND_EVENTS_MAX];
    for (int i = 0; i < count; i++)
        events[i] = new_event(cart, first + i);
    cr_assert_eq(append(events, (size_t)count), STATUS_OK);
}

Test(event_store, positions_go_up_in_the_order_of_the_events)
{
    struct cart_key a = new_cart();
    struct cart_key b = new_cart();
    b.partition = a.partition;
    struct new_event events[] = {new_event(a, 1), new_event(b, 1), new_event(a, 2)};
    cr_assert_eq(append(events, 3), STATUS_OK);
    cr_expect_eq(events[1].position, events[0].position + 1);
    cr_expect_eq(events[2].position, events[0].position + 2);
    struct new_event next = new_event(b, 2);
    cr_assert_eq(append(&next, 1), STATUS_OK);
    cr_expect_eq(next.position, events[2].position + 1);
}

Test(event_store, a_taken_version_fails_the_whole_append_and_gives_the_positions_back)
{
    struct cart_key a = new_cart();
    struct cart_key b = new_cart();
    b.partition = a.partition;
    struct new_event first = new_event(a, 1);
    cr_assert_eq(append(&first, 1), STATUS_OK);
    struct new_event both[] = {new_event(b, 1), new_event(a, 1)};
    cr_expect_eq(append(both, 2), STATUS_CONFLICT);
    struct new_event last = new_event(b, 1);
    cr_assert_eq(append(&last, 1), STATUS_OK);
    cr_expect_eq(last.position, first.position + 1);
    struct standing_event standing[2];
    struct error error;
    cr_assert_eq(port.find(port.context, both, 2, in_ms(1000), standing, &error), STATUS_OK);
    cr_expect(standing[0].exists && uuid_equal(&standing[0].event_id, &last.event_id));
    cr_expect(standing[1].exists && uuid_equal(&standing[1].event_id, &first.event_id));
    cr_expect_eq(standing[1].position, first.position);
    struct new_event absent = new_event(a, 9);
    cr_assert_eq(port.find(port.context, &absent, 1, in_ms(1000), standing, &error), STATUS_OK);
    cr_expect(!standing[0].exists);
}

Test(event_store, versions_are_those_of_each_cart_in_the_order_asked)
{
    struct cart_key carts[] = {new_cart(), new_cart(), new_cart()};
    int32_t versions[3];
    struct error error;
    append_many(carts[0], 1, 3);
    append_many(carts[2], 1, 5);
    cr_assert_eq(port.versions(port.context, carts, 3, in_ms(1000), versions, &error), STATUS_OK);
    cr_expect_eq(versions[0], 3);
    cr_expect_eq(versions[1], 0);
    cr_expect_eq(versions[2], 5);
}

/* As when the relay is quick. */
static int64_t publish_what_just_came(void *context, int partition)
{
    (void)context;
    struct cart_key cart = new_cart();
    cart.partition = (int16_t)partition;
    struct new_event event = new_event(cart, 1);
    cr_assert_eq(append(&event, 1), STATUS_OK);
    return event.position;
}

Test(event_store, no_partition_is_published_further_than_it_goes)
{
    struct error error = {.message = ""};
    struct text text = TEXT_INIT(4096);
    struct postgres *postgres = connected(url_of("COMMAND_DATABASE_URL"));
    cr_assert_eq(log_query_partitions(postgres, in_ms(1000), PARTITIONS, publish_what_just_came,
                                      NULL, &text, &error),
                 STATUS_OK, "%s", error.message);
    char *json = text_steal(&text, NULL);
    int found = 0;
    for (const char *at = json; (at = strstr(at, "\"lastPosition\":")) != NULL; at++, found++) {
        long last = -1, published = -1;
        sscanf(at, "\"lastPosition\":%ld,\"publishedPosition\":%ld", &last, &published);
        cr_expect(published > 0 && published <= last, "%ld of %ld", published, last);
    }
    cr_expect_eq(found, PARTITIONS);
    free(json);
    postgres_free(postgres);
}

enum { LOADED_CARTS = 128 };
static int32_t loaded[LOADED_CARTS];

static void take_event(void *context, size_t cart, const struct stored_event *event)
{
    (void)context;
    cr_assert_eq(event->version, loaded[cart] + 1, "out of order");
    cr_assert(str_equal_literal(event->type, "CartCancelled"));
    cr_assert(str_equal_literal(event->data, "{\"n\": 1}"), "not the bytes that were written");
    cr_assert_eq(event->occurred_at_us, 1000000 + event->version);
    cr_assert_eq(event->schema_version, 1);
    loaded[cart] = event->version;
}

Test(event_store, a_long_cart_comes_in_pieces_and_a_short_or_absent_one_at_once)
{
    struct cart_tail tails[] = {{.cart = new_cart()}, {.cart = new_cart()}, {.cart = new_cart()}};
    bool complete[3];
    struct error error;
    append_many(tails[0].cart, 1, 2500);
    append_many(tails[1].cart, 1, 7);
    for (int piece = 1; piece <= 3; piece++) {
        for (size_t i = 0; i < 3; i++)
            tails[i].after_version = loaded[i];
        cr_assert_eq(
            port.load(port.context, tails, 3, in_ms(1000), take_event, NULL, complete, &error),
            STATUS_OK);
        cr_expect_eq(loaded[0], piece < 3 ? piece * EVENT_STORE_CART_ROWS_MAX : 2500);
        cr_expect_eq(complete[0], piece == 3);
        cr_expect_eq(loaded[1], 7);
        cr_expect(complete[1]);
        cr_expect(complete[2]);
    }
}

Test(event_store, of_many_events_no_cart_is_called_complete_that_is_not)
{
    struct cart_tail tails[10];
    bool complete[10];
    struct error error;
    for (size_t i = 0; i < 10; i++) {
        tails[i] = (struct cart_tail){.cart = new_cart()};
        append_many(tails[i].cart, 1, 900);
    }
    int rounds = 0;
    for (size_t left = 10; left > 0 && rounds < 10; rounds++) {
        int32_t before = 0;
        int32_t after = 0;
        for (size_t i = 0; i < 10; i++) {
            tails[i].after_version = loaded[i];
            before += loaded[i];
        }
        cr_assert_eq(
            port.load(port.context, tails, 10, in_ms(1000), take_event, NULL, complete, &error),
            STATUS_OK);
        left = 10;
        for (size_t i = 0; i < 10; i++) {
            after += loaded[i];
            cr_expect(!complete[i] || loaded[i] == 900);
            left -= complete[i];
        }
        cr_expect_leq(after - before, EVENT_STORE_LOAD_ROWS_MAX);
    }
    cr_expect_leq(rounds, 4);
}

struct sizes {
    size_t events[8]; /* by cart */
    size_t bytes;
};

static void take_size(void *context, size_t cart, const struct stored_event *event)
{
    struct sizes *sizes = context;
    sizes->events[cart]++;
    sizes->bytes += event->data.length;
}

/* Events of 100 KiB each; what compresses well must not slip through. */
static void append_large(struct cart_key cart, char byte, int count)
{
    static char data[100 * 1024];
    memset(data, byte, sizeof(data));
    for (size_t i = 0; byte != ' ' && i < sizeof(data); i++)
        data[i] = (char)('a' + rand() % 26);
    data[0] = data[sizeof(data) - 1] = '"';
    struct new_event events[40];
    for (int i = 0; i < count; i++) {
        events[i] = new_event(cart, i + 1);
        events[i].data = (struct str){data, sizeof(data)};
    }
    for (int i = 0; i < count; i += 10)
        cr_assert_eq(append(events + i, count - i < 10 ? (size_t)(count - i) : 10), STATUS_OK);
}

Test(event_store, large_events_come_in_pieces_that_have_a_limit)
{
    struct cart_tail tails[4];
    for (size_t i = 0; i < 4; i++) {
        tails[i] = (struct cart_tail){.cart = new_cart()};
        append_large(tails[i].cart, i % 2 == 0 ? ' ' : 'r', 40);
    }
    bool complete[4] = {false};
    struct error error;
    size_t rounds = 0;
    for (size_t left = 4; left > 0; rounds++) {
        struct sizes sizes = {.bytes = 0};
        cr_assert_eq(
            port.load(port.context, tails, 4, in_ms(1000), take_size, &sizes, complete, &error),
            STATUS_OK);
        cr_assert_gt(sizes.events[0] + (size_t)complete[0], 0, "the first cart gets on");
        cr_expect_leq(sizes.bytes, EVENT_STORE_LOAD_BYTES_MAX + 100 * 1024);
        left = 4;
        for (size_t i = 0; i < 4; i++) {
            cr_expect_leq(sizes.events[i] * 100 * 1024, EVENT_STORE_CART_BYTES_MAX + 100 * 1024);
            tails[i].after_version += (int32_t)sizes.events[i];
            cr_expect_eq(complete[i], tails[i].after_version == 40);
            left -= complete[i];
        }
    }
    cr_expect_leq(rounds, 40);
}

Test(event_store, an_absent_cart_does_not_wait_for_carts_that_are_cut_off)
{
    enum { ABSENT = 0, UNREACHED = 7, CARTS = 8 };
    struct cart_tail tails[CARTS];
    for (size_t i = 0; i < CARTS; i++) {
        tails[i] = (struct cart_tail){.cart = new_cart()};
        if (i != ABSENT && i != UNREACHED)
            append_large(tails[i].cart, 'r', 4);
    }
    bool complete[CARTS];
    struct sizes sizes = {.bytes = 0};
    struct error error;
    cr_assert_eq(
        port.load(port.context, tails, CARTS, in_ms(1000), take_size, &sizes, complete, &error),
        STATUS_OK);
    cr_expect(complete[ABSENT]);
    cr_expect_eq(sizes.events[1], 3);
    for (size_t i = 1; i < CARTS; i++)
        cr_expect(!complete[i]);
    cr_assert_eq(port.load(port.context, &tails[UNREACHED], 1, in_ms(1000), take_size, &sizes,
                           complete, &error),
                 STATUS_OK);
    cr_expect(complete[0]);
}

Test(event_store, what_is_held_makes_others_wait_until_the_append_or_the_release)
{
    struct event_store_postgres *rival =
        event_store_postgres_new(url_of("COMMAND_DATABASE_URL"), PARTITIONS);
    struct event_store other = event_store_postgres_port(rival);
    struct cart_key cart = new_cart();
    struct new_event mine = new_event(cart, 1);
    struct new_event theirs = new_event(cart, 1);
    struct error error;
    bool is_new = false;
    cr_assert_eq(other.connect(other.context, in_ms(1000), &is_new, &error), STATUS_OK);

    cr_assert_eq(port.hold(port.context, &cart.partition, 1, in_ms(1000), &error), STATUS_OK);
    cr_expect_eq(other.append(other.context, &theirs, 1, in_ms(1000), &error), STATUS_UNAVAILABLE);
    cr_assert_eq(append(&mine, 1), STATUS_OK);
    cr_expect_eq(other.append(other.context, &theirs, 1, in_ms(1000), &error), STATUS_CONFLICT);

    cr_assert_eq(port.hold(port.context, &cart.partition, 1, in_ms(1000), &error), STATUS_OK);
    port.release(port.context, in_ms(1000));
    theirs = new_event(cart, 2);
    cr_expect_eq(other.append(other.context, &theirs, 1, in_ms(1000), &error), STATUS_OK);

    cr_assert_eq(port.hold(port.context, &cart.partition, 1, in_ms(1000), &error), STATUS_OK);
    mine = new_event(cart, 2);
    cr_expect_eq(append(&mine, 1), STATUS_CONFLICT, "and the transaction is over");
    theirs = new_event(cart, 3);
    cr_expect_eq(other.append(other.context, &theirs, 1, in_ms(1000), &error), STATUS_OK);
    event_store_postgres_free(rival);
}

static void expect_check(const char *url, int partitions, enum status expected, const char *says)
{
    struct error error = {.message = ""};
    struct uuid log_id;
    struct event_store_postgres *checked = event_store_postgres_new(url, partitions);
    enum status status = event_store_postgres_check(checked, in_ms(2000), &log_id, &error);
    cr_expect_eq(status, expected, "%s: %s", status_name(status), error.message);
    cr_expect_not_null(strstr(error.message, says), "%s", error.message);
    event_store_postgres_free(checked);
}

/* As a lane does after it has lost its connection, also when the service has long been running. */
static void expect_session(const char *url, int partitions, enum status expected, const char *says)
{
    struct error error = {.message = ""};
    bool is_new;
    struct event_store_postgres *opened = event_store_postgres_new(url, partitions);
    struct event_store its_port = event_store_postgres_port(opened);
    enum status status = its_port.connect(its_port.context, in_ms(2000), &is_new, &error);
    cr_expect_eq(status, expected, "%s: %s", status_name(status), error.message);
    cr_expect_not_null(strstr(error.message, says), "%s", error.message);
    event_store_postgres_free(opened);
}

Test(event_store, a_session_that_would_not_be_durable_is_not_used)
{
    char url[512];
    snprintf(url, sizeof(url), "%s?options=-csynchronous_commit%%3Doff",
             url_of("COMMAND_DATABASE_URL"));
    expect_check(url, PARTITIONS, STATUS_INVALID, "synchronous_commit is off");
    expect_session(url, PARTITIONS, STATUS_INVALID, "synchronous_commit is off");
    snprintf(url, sizeof(url), "%s?options=-csynchronous_commit%%3Dlocal",
             url_of("COMMAND_DATABASE_URL"));
    expect_session(url, PARTITIONS, STATUS_OK, "");
}

/* What a standby says, too. */
Test(event_store, a_server_that_only_lets_us_read_is_not_there)
{
    char url[512];
    snprintf(url, sizeof(url), "%s?options=-cdefault_transaction_read_only%%3Don",
             url_of("COMMAND_DATABASE_URL"));
    expect_check(url, PARTITIONS, STATUS_UNAVAILABLE, "read-only");
    expect_session(url, PARTITIONS, STATUS_UNAVAILABLE, "read-only");
}

Test(event_store, the_check_says_what_is_wrong)
{
    const char *url = url_of("COMMAND_DATABASE_URL");
    struct postgres *postgres = owner();
    expect_check(url, PARTITIONS, STATUS_OK, "");
    expect_check(url, 7, STATUS_INVALID, "6 partitions, but 7");
    expect_session(url, 7, STATUS_INVALID, "6 partitions, but 7");
    expect(postgres, "seventh", "INSERT INTO event_partitions VALUES (6, 0)", 1000, STATUS_OK, "");
    expect_check(url, PARTITIONS, STATUS_INVALID, "6 partitions, but counters for 7");
    expect(postgres, "six", "DELETE FROM event_partitions WHERE partition = 6", 1000, STATUS_OK,
           "");
    expect(postgres, "take", "REVOKE SELECT ON event_log FROM cartledger_command", 1000, STATUS_OK,
           "");
    expect_check(url, PARTITIONS, STATUS_INVALID, "permission denied");
    expect(postgres, "give", "GRANT SELECT ON event_log TO cartledger_command", 1000, STATUS_OK,
           "");
    expect(postgres, "older", "UPDATE schema_version SET version = 0", 1000, STATUS_OK, "");
    expect_check(url, PARTITIONS, STATUS_INVALID, "run the migrations");
    expect_check("postgres://a:b@127.0.0.1:1/c", PARTITIONS, STATUS_UNAVAILABLE, "refused");
    expect(postgres, "newer", "UPDATE schema_version SET version = 2", 1000, STATUS_OK, "");
    expect_check(url, PARTITIONS, STATUS_INVALID, "schema version 2");
    expect_session(url, PARTITIONS, STATUS_INVALID, "schema version 2");
    expect(postgres, "none", "DELETE FROM schema_version", 1000, STATUS_OK, "");
    expect_check(url, PARTITIONS, STATUS_INVALID, "no schema version");
    expect(postgres, "back", "INSERT INTO schema_version (version) VALUES (1)", 1000, STATUS_OK,
           "");
    expect(postgres, "gone", "ALTER TABLE events RENAME TO elsewhere", 1000, STATUS_OK, "");
    expect_check(url, PARTITIONS, STATUS_INVALID, "run the migrations");
    expect(postgres, "here", "ALTER TABLE elsewhere RENAME TO events", 1000, STATUS_OK, "");
    expect_check(url, PARTITIONS, STATUS_OK, "");
    postgres_free(postgres);
}
