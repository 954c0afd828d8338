/*
 * test_relay_log.c - how the relay reads the log of a real server, page by page; and from which
 * servers nobody reads it.
 *
 * Needs an empty log: COMMAND_DATABASE_URL and COMMAND_OWNER_DATABASE_URL;
 * tests/integration/test_large_events.py gives both.
 */
#include "expiry_log_postgres.h"
#include "log_reader.h"
#include "postgres.h"
#include "relay_log_postgres.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS = 6, LARGE_EVENTS = 20, SMALL_EVENTS = 3, EVENTS_MAX = 1000 };

static int64_t in_ms(int milliseconds)
{
    return clock_monotonic_us() + (int64_t)milliseconds * MICROSECONDS_PER_MILLISECOND;
}

/* The first partition has large events, half a page each, the others small ones. */
static const struct postgres_statement FILL = {
    .name = "fill",
    .sql = "INSERT INTO events SELECT p, n, md5(p || '-' || n)::uuid, 1, md5(p || '+' || n)::uuid,"
           " 'CartCancelled', 1, now(), to_json(CASE p WHEN 0 THEN ("
           "  SELECT string_agg(md5(i::text), '') FROM generate_series(1, 65536) AS i)"
           " ELSE '' END), '{}'"
           " FROM generate_series(0, 5) AS p, generate_series(1, CASE p WHEN 0 THEN 20 ELSE 3 END)"
           "  AS n",
};

static void fill(void)
{
    struct error error = {.message = ""};
    PGresult *result = NULL;
    struct postgres *owner =
        postgres_new(&(struct postgres_options){.url = getenv("COMMAND_OWNER_DATABASE_URL"),
                                                .application_name = "test-log-source",
                                                .statement_timeout_ms = 20000});
    cr_assert_eq(postgres_connect(owner, in_ms(2000), &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(postgres_execute(owner, &FILL, &(struct postgres_parameters){.values = NULL},
                                  in_ms(20000), &result, &error),
                 STATUS_OK, "%s", error.message);
    PQclear(result);
    postgres_free(owner);
}

struct reading {
    int64_t after[PARTITIONS];
    int64_t bytes;     /* of this page */
    int64_t refuse_at; /* ends the page behind so many bytes; 0: never */
};

static bool take(void *context, const struct recorded_event *event)
{
    struct reading *reading = context;
    if (reading->refuse_at > 0 && reading->bytes >= reading->refuse_at)
        return false;
    cr_assert_eq(event->position, ++reading->after[event->partition]);
    reading->bytes += (int64_t)event->data.length;
    return true;
}

static bool read_page(struct relay_log *log, struct reading *reading)
{
    int32_t limits[PARTITIONS];
    struct error error = {.message = ""};
    bool more = false;
    for (int p = 0; p < PARTITIONS; p++)
        limits[p] = EVENTS_MAX;
    reading->bytes = 0;
    cr_assert_eq(
        log->read(log->self, reading->after, limits, in_ms(2000), take, reading, &more, &error),
        STATUS_OK, "%s", error.message);
    return more;
}

Test(relay_log, a_page_has_a_limit_and_the_next_one_begins_behind_it, .timeout = 60)
{
    fill();
    struct error error = {.message = ""};
    struct relay_log_postgres *source =
        relay_log_postgres_new(getenv("COMMAND_DATABASE_URL"), PARTITIONS);
    struct relay_log log = relay_log_postgres_port(source);
    cr_assert_eq(log.connect(log.self, in_ms(2000), &error), STATUS_OK, "%s", error.message);

    struct reading reading = {.bytes = 0};
    cr_assert(read_page(&log, &reading));
    cr_expect_eq(reading.after[0], 2, "two halves of a page");
    cr_expect_eq(reading.after[5], 0);
    reading.refuse_at = 1000;
    cr_assert(read_page(&log, &reading));
    for (int p = 1; p < PARTITIONS; p++)
        cr_expect_eq(reading.after[p], SMALL_EVENTS, "partition %d has waited for one page", p);
    reading.refuse_at = 0;
    while (read_page(&log, &reading))
        cr_expect_lt(reading.bytes, RELAY_PAGE_BYTES_MAX + (2 << 20) + 1024);
    cr_expect_eq(reading.after[0], LARGE_EVENTS);
    relay_log_postgres_free(source);
}

/* A standby that lags behind lacks what the topic has, which looks like another course. */
static const char *read_only_url(char buffer[512])
{
    snprintf(buffer, 512, "%s?options=-cdefault_transaction_read_only%%3Don",
             getenv("COMMAND_DATABASE_URL"));
    return buffer;
}

Test(relay_log, a_server_that_only_lets_us_read_is_not_there)
{
    char url[512];
    struct error error = {.message = ""};
    bool is_new;
    struct relay_log_postgres *source = relay_log_postgres_new(read_only_url(url), PARTITIONS);
    struct relay_log log = relay_log_postgres_port(source);
    cr_expect_eq(log.lead(log.self, in_ms(2000), &error), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(error.message, "read-only"), "%s", error.message);
    relay_log_postgres_free(source);

    struct expiry_log_postgres *sweeps = expiry_log_postgres_new(url);
    struct expiry_log expiry = expiry_log_postgres_port(sweeps);
    cr_expect_eq(expiry.lead(expiry.self, in_ms(2000), &is_new, &error), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(error.message, "read-only"), "%s", error.message);
    expiry_log_postgres_free(sweeps);
}

static const char *_Atomic refused_why;

static void answer(struct log_task *task, struct postgres *postgres)
{
    (void)task, (void)postgres;
    refused_why = "answered";
}

static void refuse(struct log_task *task, enum status status, const char *why)
{
    (void)task, (void)status;
    refused_why = why;
}

Test(relay_log, nobody_is_told_what_a_standby_has)
{
    char url[512];
    struct log_reader *reader;
    struct log_task task = {.run = answer, .refuse = refuse};
    cr_assert_eq(log_reader_start(read_only_url(url), 1, 1, &reader, NULL), STATUS_OK);
    cr_assert(log_reader_submit(reader, &task));
    while (refused_why == NULL)
        usleep(1000);
    cr_expect_str_eq(refused_why, "no connection to the event store");
    log_reader_stop(reader);
    log_reader_free(reader);
}
