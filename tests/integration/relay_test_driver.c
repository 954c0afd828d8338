/*
 * relay_test_driver.c - a process that runs nothing but the relay.
 *
 *     relay_test_driver DATABASE_URL BOOTSTRAP_SERVERS TOPIC PARTITIONS [PARTITION:POSITION]
 *
 * Every line on its standard input is a wake. Says how things stand, one JSON line each
 * REPORT_MS, on standard output. With a PARTITION:POSITION (PARTITION -1: all) it republishes from
 * there instead and exits.
 */
#include "clock.h"
#include "publisher_kafka.h"
#include "relay_log_postgres.h"
#include "relay_republish.h"
#include "resident.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { REPORT_MS = 100, STOP_MS = 5000, REPUBLISH_MS = 60000 };

static int64_t deadline(int wait_ms)
{
    return clock_monotonic_us() + (int64_t)wait_ms * MICROSECONDS_PER_MILLISECOND;
}

static void report(const struct relay *relay, int partition_count)
{
    const struct relay_stats *stats = relay_stats(relay);
    printf("{\"state\":\"%s\",\"leading\":%ld,\"delivered\":%ld,\"takeovers\":%ld,"
           "\"restarts\":%ld,\"errors\":%ld,\"inFlight\":%ld,\"lag\":%ld,\"rssKib\":%ld,"
           "\"published\":[",
           relay_state_name((enum relay_state)atomic_load(&stats->state)),
           (long)atomic_load(&stats->leading), (long)atomic_load(&stats->delivered_total),
           (long)atomic_load(&stats->takeovers_total), (long)atomic_load(&stats->restarts_total),
           (long)atomic_load(&stats->errors_total), (long)atomic_load(&stats->in_flight),
           (long)atomic_load(&stats->lag_events), resident_kib());
    for (int p = 0; p < partition_count; p++)
        printf("%s%ld", p == 0 ? "" : ",", (long)relay_published_position(relay, p));
    printf("]}\n");
    fflush(stdout);
}

static void run_until_signal(struct relay *relay, int partition_count, int signal_fd)
{
    struct pollfd waited[] = {{.fd = signal_fd, .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    int64_t next_report_us = 0;
    for (;;) {
        if (clock_monotonic_us() >= next_report_us) {
            report(relay, partition_count);
            next_report_us = deadline(REPORT_MS);
        }
        int64_t left_us = next_report_us - clock_monotonic_us();
        poll(waited, ARRAY_SIZE(waited), left_us > 0 ? (int)(left_us / 1000) + 1 : 0);
        if (waited[0].revents != 0)
            return;
        if (waited[1].revents != 0) {
            char line[4096];
            if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
                waited[1].fd = -1;
            else
                relay_wake(relay, 1);
        }
    }
}

static int republish(const struct relay_options *options, const char *what)
{
    int partition;
    long position;
    if (sscanf(what, "%d:%ld", &partition, &position) != 2)
        return 2;
    struct error error = {0};
    int64_t count;
    if (relay_republish(options, partition, position, deadline(REPUBLISH_MS), &count, &error) !=
        STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    printf("%ld\n", (long)count);
    return 0;
}

static int run(const struct relay_options *options, int signal_fd)
{
    struct error error = {0};
    struct relay *relay = relay_new(options);
    if (relay == NULL || relay_start(relay, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    run_until_signal(relay, options->partition_count, signal_fd);
    relay_stop(relay, deadline(STOP_MS));
    report(relay, options->partition_count);
    relay_free(relay);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);

    const struct kafka_settings settings = {.bootstrap_servers = argv[2],
                                            .client_id = "cartledger"};
    const char *compression = getenv("COMPRESSION");
    const struct publisher_kafka_options publisher_options = {
        .settings = &settings,
        .topic = argv[3],
        .compression = compression != NULL ? compression : "none",
        .partition_count = (int)strtol(argv[4], NULL, 10),
    };
    struct error error = {0};
    struct publisher_kafka *publisher;
    struct relay_log_postgres *source =
        relay_log_postgres_new(argv[1], publisher_options.partition_count);
    if (source == NULL ||
        publisher_kafka_new(&publisher_options, &publisher, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const struct relay_log log_port = relay_log_postgres_port(source);
    const struct relay_publisher publisher_port = publisher_kafka_port(publisher);
    const struct relay_options options = {
        .log = &log_port,
        .publisher = &publisher_port,
        .partition_count = publisher_options.partition_count,
    };
    int code = argc > 5 ? republish(&options, argv[5]) : run(&options, signal_fd);
    publisher_kafka_free(publisher, deadline(STOP_MS));
    relay_log_postgres_free(source);
    close(signal_fd);
    return code;
}
