/*
 * projector_test_driver.c - a process that runs nothing but the projector.
 *
 *     projector_test_driver [rebuild | replay]
 *
 * Configured by the environment: QUERY_DATABASE_URL, KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC,
 * KAFKA_DEAD_LETTER_TOPIC, KAFKA_GROUP_ID, COMMAND_URL, PARTITIONS, and CACHE_BYTES and
 * SESSION_TIMEOUT_MS when they are there. Says how things stand, one JSON line each REPORT_MS, on
 * standard output. With an argument it does that instead and exits.
 */
#include "clock.h"
#include "dead_letter_kafka.h"
#include "event_feed_kafka.h"
#include "json_out.h"
#include "log_client_http.h"
#include "parked_replay.h"
#include "projector.h"
#include "resident.h"
#include "view_store_postgres.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { REPORT_MS = 50, STOP_MS = 5000, REPORT_MAX = 8192, DETAIL_MAX = 512 };

/* What the projector said last, and how long its commits take. */
struct heard {
    pthread_mutex_t lock;
    bool ok[2];
    char detail[2][DETAIL_MAX];
    _Atomic int64_t changed;
    _Atomic int64_t commits;
    _Atomic int64_t commit_us;
};

static int64_t deadline(int wait_ms)
{
    return clock_monotonic_us() + (int64_t)wait_ms * MICROSECONDS_PER_MILLISECOND;
}

static void on_said(void *context, enum projector_subject subject, bool ok, const char *detail)
{
    struct heard *heard = context;
    pthread_mutex_lock(&heard->lock);
    heard->ok[subject] = ok;
    snprintf(heard->detail[subject], DETAIL_MAX, "%s", detail);
    pthread_mutex_unlock(&heard->lock);
}

static void on_changed(void *context, const struct cart_change *changes, size_t count)
{
    (void)changes;
    struct heard *heard = context;
    atomic_fetch_add(&heard->changed, (int64_t)count);
}

static void on_committed(void *context, size_t events, int64_t duration_us)
{
    (void)events;
    struct heard *heard = context;
    atomic_fetch_add(&heard->commits, 1);
    atomic_fetch_add(&heard->commit_us, duration_us);
}

static void report(const struct projector *projector, struct heard *heard)
{
    const struct projector_stats *stats = projector_stats(projector);
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"applied", atomic_load(&stats->applied_total)},
        {"duplicates", atomic_load(&stats->duplicates_total)},
        {"refilled", atomic_load(&stats->refilled_total)},
        {"gaps", atomic_load(&stats->gaps_total)},
        {"parked", atomic_load(&stats->parked_total)},
        {"stale", atomic_load(&stats->stale_total)},
        {"storeFailures", atomic_load(&stats->store_failures_total)},
        {"logFailures", atomic_load(&stats->log_failures_total)},
        {"deadLettered", atomic_load(&stats->dead_lettered_total)},
        {"parkedCarts", atomic_load(&stats->parked_carts)},
        {"assigned", atomic_load(&stats->partitions_assigned)},
        {"waiting", atomic_load(&stats->partitions_waiting)},
        {"stopped", atomic_load(&stats->partitions_stopped)},
        {"lagEvents", atomic_load(&stats->lag_events)},
        {"lagUs", atomic_load(&stats->lag_us)},
        {"changed", atomic_load(&heard->changed)},
        {"commits", atomic_load(&heard->commits)},
        {"commitUs", atomic_load(&heard->commit_us)},
        {"rssKib", resident_kib()},
    };
    static const char *const subjects[2] = {"progress", "parkedSaid"};
    AUTO(text_done) struct text text = TEXT_INIT(REPORT_MAX);
    struct json_out out = json_out_to(&text);
    json_out_object(&out);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        json_out_key(&out, numbers[i].name);
        json_out_int(&out, numbers[i].value);
    }
    pthread_mutex_lock(&heard->lock);
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        json_out_key(&out, subjects[i]);
        json_out_object(&out);
        json_out_key(&out, "ok");
        json_out_bool(&out, heard->ok[i]);
        json_out_key(&out, "detail");
        json_out_string(&out, str_from(heard->detail[i]));
        json_out_end_object(&out);
    }
    pthread_mutex_unlock(&heard->lock);
    json_out_end_object(&out);
    if (text_ok(&text))
        printf(STR_FORMAT "\n", STR_ARGS(text_str(&text)));
    fflush(stdout);
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    if (value != NULL)
        return value;
    if (otherwise == NULL)
        fprintf(stderr, "%s is not set\n", name);
    return otherwise;
}

static long setting_number(const char *name, const char *otherwise)
{
    return strtol(setting(name, otherwise), NULL, 10);
}

static int fail(const struct error *error)
{
    fprintf(stderr, "%s\n", error->message);
    return 1;
}

static int run_once(const struct view_store *store, const char *what)
{
    struct error error = {0};
    struct replay_result result = {0};
    enum status status = strcmp(what, "rebuild") == 0
                             ? store->forget_everything(store->self, &error)
                             : parked_replay(store, &result, &error);
    if (status != STATUS_OK)
        return fail(&error);
    printf("{\"freed\":%lld,\"left\":%lld,\"applied\":%lld}\n", (long long)result.carts_freed,
           (long long)result.carts_left, (long long)result.events_applied);
    return 0;
}

static int run(const struct projector_options *options, struct heard *heard, int signal_fd)
{
    struct error error = {0};
    struct projector *projector = projector_new(options);
    if (projector == NULL || projector_start(projector, &error) != STATUS_OK)
        return fail(&error);
    struct pollfd waited = {.fd = signal_fd, .events = POLLIN};
    do
        report(projector, heard);
    while (poll(&waited, 1, REPORT_MS) == 0);
    projector_stop(projector);
    report(projector, heard);
    projector_free(projector);
    return 0;
}

int main(int argc, char **argv)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);

    struct error error = {0};
    struct view_store_postgres *store =
        view_store_postgres_new(setting("QUERY_DATABASE_URL", "postgresql://"));
    if (store == NULL)
        return 1;
    if (argc > 1) {
        int code = run_once(view_store_postgres_port(store), argv[1]);
        view_store_postgres_free(store);
        close(signal_fd);
        return code;
    }
    const char *topic = setting("KAFKA_TOPIC", "cart-events");
    struct event_feed_kafka_options feed_options = {
        .kafka = {.bootstrap_servers = setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
                  .client_id = "projector-test"},
        .topic = topic,
        .group = setting("KAFKA_GROUP_ID", "projector-test"),
        .session_timeout_ms = (int)setting_number("SESSION_TIMEOUT_MS", "6000"),
    };
    struct log_client_http *log;
    struct dead_letter_kafka *dead_letters;
    struct event_feed_kafka *feed;
    if (log_client_http_new(setting("COMMAND_URL", "http://127.0.0.1:9"), &log, &error) !=
            STATUS_OK ||
        dead_letter_kafka_new(&feed_options.kafka, setting("KAFKA_DEAD_LETTER_TOPIC", "dead"),
                              topic, &dead_letters, &error) != STATUS_OK ||
        event_feed_kafka_new(&feed_options, &feed, &error) != STATUS_OK)
        return fail(&error);
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct projector_options options = {
        .feed = event_feed_kafka_port(feed),
        .store = view_store_postgres_port(store),
        .log = log_client_http_port(log),
        .dead_letters = dead_letter_kafka_port(dead_letters),
        .observer = {.context = &heard,
                     .said = on_said,
                     .changed = on_changed,
                     .committed = on_committed},
        .partition_count = (int)setting_number("PARTITIONS", "6"),
        .cache_bytes_max = (size_t)setting_number("CACHE_BYTES", "16777216"),
    };
    int code = run(&options, &heard, signal_fd);
    event_feed_kafka_free(feed, deadline(STOP_MS));
    dead_letter_kafka_free(dead_letters, deadline(STOP_MS));
    log_client_http_free(log);
    view_store_postgres_free(store);
    close(signal_fd);
    return code;
}
