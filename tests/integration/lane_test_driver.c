/*
 * lane_test_driver.c - a process that runs nothing but writer lanes: clients in a closed loop give
 * them random commands.
 *
 *     lane_test_driver
 *
 * Configured by the environment: COMMAND_DATABASE_URL, PARTITIONS, and when they are there
 *
 *     WRITERS  8     lanes, each with its own connection and all partitions, as instances would be
 *     CLIENTS  16    commands under way per lane
 *     CARTS    500   carts that all lanes share; 0: each command creates a cart of its own
 *     HOT      0     percent of the commands that go to the first cart
 *     SEED     1     of the carts' ids and of the commands
 *     SECONDS  0     how long to run; 0: until standard input ends
 *     PAUSE_MS 0     between an answer and the client's next command
 *     QUEUE_MAX 1024 commands that may wait for a lane; a client that is refused pauses, too
 *     QUIET          when set, only the sums are said
 *     BATCHES  0     the clients of a lane ask all at once, so many times; then it ends by itself
 *
 * Every command has a number, which is the correlation id of its events, so that a test can compare
 * what was answered with what is in the log. Each answer is a line on standard output:
 *
 *     answer NUMBER STATUS REFUSAL EVENTS VERSION POSITION MICROSECONDS LATE
 *
 * and at the end, each sum: `sum NAME VALUE`. One of them is how long the machine has kept a thread
 * waiting that does nothing but sleep.
 */
#include "cart_partition.h"
#include "clock.h"
#include "command_lane.h"
#include "event_store_postgres.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WRITERS_MAX = 16,
    CLIENTS_MAX = 1024,
    SKUS = 5,
    LINES_MAX = 3,
    STOP_MS = 5000,
    STALL_LOOK_US = 5000,
};

struct settings {
    const char *url;
    int partitions;
    int writers;
    int clients;
    int carts;
    int hot;
    int seed;
    int seconds;
    int pause_ms;
    int batches;
    int queue_max;
    bool is_quiet;
};

struct client {
    struct command_request request;
    struct writer *writer;
    long number;
    long answered_before; /* to others of its lane, when it was submitted */
    int64_t next_us;      /* when it may go on */
    char metadata[64];
    struct cart_line lines[LINES_MAX];
    struct client *next;
};

/* A lane and the thread that plays its clients. */
struct writer {
    const struct settings *settings;
    int index;
    unsigned random;
    pthread_t thread;
    struct event_store_postgres *store;
    struct command_lane *lane;
    struct client clients[CLIENTS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct client *ready;
    int unanswered; /* of this batch */
    int batches_left;
    atomic_long answer_count;
    double sums[LANE_METRIC_COUNT]; /* the lane's thread adds */
};

static atomic_bool is_stopping;
static atomic_long numbers;
static atomic_long answers[STATUS_INTERNAL + 1];
static atomic_long refusals;
static atomic_long busy;
static atomic_long answered_late; /* after more others than a batch and the queue behind it hold */
static _Atomic int64_t longest_us;
static _Atomic int64_t total_us;

static const char *const SKU_NAMES[SKUS] = {"tea", "cup", "pot", "tin", "jar"};

static int setting(const char *name, int otherwise)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? otherwise : (int)strtol(value, NULL, 10);
}

static int roll(struct writer *writer, int sides)
{
    return rand_r(&writer->random) % sides;
}

static void say_answer(const struct client *client, int64_t took_us)
{
    const struct command_outcome *outcome = &client->request.outcome;
    bool is_late = clock_monotonic_us() > client->request.deadline_us;
    printf("answer %ld %s %d %zu %d %lld %lld %d\n", client->number, status_name(outcome->status),
           (int)outcome->refusal, outcome->event_count, (int)outcome->version,
           (long long)outcome->position, (long long)took_us, (int)is_late);
}

static void submit_batch(struct writer *writer);

/* After its pause. */
static void let_go_on(struct client *client, int64_t now_us)
{
    struct writer *writer = client->writer;
    client->next_us = now_us + (int64_t)writer->settings->pause_ms * MICROSECONDS_PER_MILLISECOND;
    pthread_mutex_lock(&writer->lock);
    client->next = writer->ready;
    writer->ready = client;
    pthread_cond_signal(&writer->answered);
    pthread_mutex_unlock(&writer->lock);
}

static void done(struct command_request *request)
{
    struct client *client = (struct client *)(void *)request;
    struct writer *writer = client->writer;
    int64_t now_us = clock_monotonic_us();
    int64_t took_us = now_us - request->queued_at_us;
    atomic_fetch_add(&answers[request->outcome.status], 1);
    if (request->outcome.status == STATUS_OK && request->outcome.refusal != CART_ACCEPTED)
        atomic_fetch_add(&refusals, 1);
    atomic_fetch_add(&total_us, took_us);
    long others = atomic_fetch_add(&writer->answer_count, 1) - client->answered_before;
    if (others > 2 * writer->settings->queue_max)
        atomic_fetch_add(&answered_late, 1);
    int64_t longest = atomic_load(&longest_us);
    while (took_us > longest && !atomic_compare_exchange_weak(&longest_us, &longest, took_us))
        continue;
    if (!writer->settings->is_quiet)
        say_answer(client, took_us);
    free(request->outcome.events);
    if (writer->settings->batches > 0) {
        if (--writer->unanswered == 0)
            submit_batch(writer);
        return;
    }
    let_go_on(client, now_us);
}

static struct uuid choose_cart(struct writer *writer)
{
    const struct settings *settings = writer->settings;
    if (settings->carts == 0)
        return uuid_v7_now();
    int cart = roll(writer, 100) < settings->hot ? 0 : roll(writer, settings->carts);
    uint8_t digest[16] = {0};
    memcpy(digest, &cart, sizeof(cart));
    memcpy(digest + sizeof(cart), &settings->seed, sizeof(settings->seed));
    return uuid_v8(digest);
}

static void choose_lines(struct writer *writer, struct client *client)
{
    client->request.command.type = CART_ADD_ITEMS;
    client->request.command.add_items.lines = client->lines;
    client->request.command.add_items.count = 1 + (size_t)roll(writer, LINES_MAX);
    for (size_t i = 0; i < LINES_MAX; i++)
        client->lines[i] = (struct cart_line){.sku = str_from(SKU_NAMES[roll(writer, SKUS)]),
                                              .name = STR_LITERAL("Something nice"),
                                              .quantity = 1 + roll(writer, 3),
                                              .unit_price = {1999, "EUR"}};
}

static void choose_command(struct writer *writer, struct client *client)
{
    struct cart_command *command = &client->request.command;
    int dice = writer->settings->carts == 0 ? 0 : roll(writer, 100);
    struct str sku = str_from(SKU_NAMES[roll(writer, SKUS)]);
    *command = (struct cart_command){.time_us = clock_wall_us()};
    client->request.condition = (struct cart_condition){.given = false};
    if (dice < 10) {
        command->type = CART_CREATE;
        memcpy(command->create.currency, "EUR", sizeof("EUR"));
    } else if (dice < 50) {
        choose_lines(writer, client);
    } else if (dice < 80) {
        command->type = CART_SET_QUANTITY;
        command->set_quantity.sku = sku;
        command->set_quantity.quantity = roll(writer, 100);
    } else if (dice < 95) {
        command->type = CART_REMOVE_ITEM;
        command->remove_item.sku = sku;
        command->remove_item.quantity = roll(writer, 3);
    } else {
        command->type = CART_CLEAR;
        client->request.condition =
            (struct cart_condition){.given = true, .tags = STR_LITERAL("\"7\"")};
    }
}

static bool submit(struct writer *writer, struct client *client)
{
    struct command_request *request = &client->request;
    client->number = atomic_fetch_add(&numbers, 1);
    int length = snprintf(client->metadata, sizeof(client->metadata), "{\"correlationId\":\"%ld\"}",
                          client->number);
    choose_command(writer, client);
    request->cart_id = choose_cart(writer);
    request->partition = cart_partition(&request->cart_id, writer->settings->partitions);
    request->metadata = (struct str){client->metadata, (size_t)length};
    request->deadline_us =
        clock_monotonic_us() + (int64_t)LANE_DEADLINE_MS * MICROSECONDS_PER_MILLISECOND;
    request->done = done;
    client->answered_before = atomic_load(&writer->answer_count);
    return command_lane_submit(writer->lane, request);
}

/* Before the lane starts, and then in its own thread: it finds the whole batch, or none of it. */
static void submit_batch(struct writer *writer)
{
    if (writer->batches_left-- == 0) {
        pthread_mutex_lock(&writer->lock);
        writer->ready = writer->clients;
        pthread_cond_signal(&writer->answered);
        pthread_mutex_unlock(&writer->lock);
        return;
    }
    writer->unanswered = writer->settings->clients;
    for (int i = 0; i < writer->settings->clients; i++)
        if (!submit(writer, &writer->clients[i]))
            abort();
}

static struct client *take_ready(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->ready == NULL)
        pthread_cond_wait(&writer->answered, &writer->lock);
    struct client *ready = writer->ready;
    writer->ready = NULL;
    pthread_mutex_unlock(&writer->lock);
    return ready;
}

static void pause_until(int64_t until_us)
{
    int64_t left_us = until_us - clock_monotonic_us();
    if (left_us > 0)
        usleep((useconds_t)left_us);
}

/* Ends when every client has had its last answer. */
static void *play_clients(void *argument)
{
    struct writer *writer = argument;
    int left = writer->settings->clients;
    if (writer->settings->batches > 0) {
        take_ready(writer);
        return NULL;
    }
    while (left > 0) {
        struct client *next;
        for (struct client *client = take_ready(writer); client != NULL; client = next) {
            next = client->next;
            pause_until(client->next_us);
            if (atomic_load(&is_stopping))
                left--;
            else if (!submit(writer, client))
                let_go_on(client, clock_monotonic_us());
        }
    }
    return NULL;
}

static void observe(void *context, enum lane_metric metric, double value)
{
    struct writer *writer = context;
    if (metric == LANE_COMMANDS_REFUSED_BUSY) /* by the thread that has asked */
        atomic_fetch_add(&busy, 1);
    else
        writer->sums[metric] += value;
}

static void writer_begin(struct writer *writer, const struct settings *settings, int index)
{
    struct error error;
    writer->settings = settings;
    writer->index = index;
    writer->random = (unsigned)(settings->seed * 1000 + index + 1);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->answered, NULL);
    writer->store = event_store_postgres_new(settings->url, settings->partitions);
    const struct command_lane_options options = {
        .index = index,
        .store = event_store_postgres_port(writer->store),
        .limits = CART_LIMITS_DEFAULT,
        .queue_max = (size_t)settings->queue_max,
        .cache_bytes_max = 64 << 20,
        .observer = {.context = writer, .observe = observe},
    };
    writer->lane = command_lane_new(&options);
    if (writer->lane == NULL)
        exit(EXIT_FAILURE);
    for (int i = 0; i < settings->clients; i++)
        writer->clients[i].writer = writer;
    if (settings->batches > 0) {
        writer->batches_left = settings->batches;
        submit_batch(writer);
    } else {
        for (int i = 0; i < settings->clients; i++) {
            writer->clients[i].next = writer->ready;
            writer->ready = &writer->clients[i];
        }
    }
    if (command_lane_start(writer->lane, &error) != STATUS_OK ||
        pthread_create(&writer->thread, NULL, play_clients, writer) != 0)
        exit(EXIT_FAILURE);
}

static void writer_end(struct writer *writer)
{
    pthread_join(writer->thread, NULL);
    command_lane_stop(writer->lane,
                      clock_monotonic_us() + (int64_t)STOP_MS * MICROSECONDS_PER_MILLISECOND);
    command_lane_free(writer->lane);
    event_store_postgres_free(writer->store);
    pthread_cond_destroy(&writer->answered);
    pthread_mutex_destroy(&writer->lock);
}

/* What comes late by no fault of the lane. */
static void *feel_stalls(void *argument)
{
    int64_t *longest_stall_us = argument;
    while (!atomic_load(&is_stopping)) {
        int64_t before_us = clock_monotonic_us();
        usleep(STALL_LOOK_US);
        int64_t stall_us = clock_monotonic_us() - before_us - STALL_LOOK_US;
        if (stall_us > *longest_stall_us)
            *longest_stall_us = stall_us;
    }
    return NULL;
}

static void wait_for_end(const struct settings *settings)
{
    char bytes[64];
    if (settings->seconds > 0) {
        sleep((unsigned)settings->seconds);
        return;
    }
    while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
        continue;
}

static void say_sums(const struct settings *settings, struct writer *writers, double seconds)
{
    static const char *const names[LANE_METRIC_COUNT] = {
        [LANE_BATCH_COMMANDS] = "batch_commands",
        [LANE_BATCH_EVENTS] = "batch_events",
        [LANE_COMMIT_SECONDS] = "commit_seconds",
        [LANE_CACHE_HITS] = "cache_hits",
        [LANE_CACHE_MISSES] = "cache_misses",
        [LANE_CART_CLASHES] = "cart_clashes",
        [LANE_APPEND_RETRIES] = "append_retries",
        [LANE_COMMITS_UNCERTAIN] = "commits_uncertain",
        [LANE_COMMITS_RESOLVED] = "commits_resolved",
        [LANE_COMMITS_UNKNOWN] = "commits_unknown",
    };
    long total = 0;
    for (int i = 0; i <= STATUS_INTERNAL; i++) {
        total += atomic_load(&answers[i]);
        printf("sum %s %ld\n", status_name((enum status)i), atomic_load(&answers[i]));
    }
    printf("sum refused %ld\n", atomic_load(&refusals));
    printf("sum refused_busy %ld\n", atomic_load(&busy));
    printf("sum answered_late %ld\n", atomic_load(&answered_late));
    printf("sum per_second %.0f\n", (double)total / seconds);
    printf("sum longest_ms %.1f\n", (double)atomic_load(&longest_us) / 1000);
    printf("sum average_ms %.2f\n",
           total == 0 ? 0 : (double)atomic_load(&total_us) / 1000 / (double)total);
    for (size_t metric = 0; metric < LANE_METRIC_COUNT; metric++) {
        double sum = 0;
        for (int i = 0; i < settings->writers; i++)
            sum += writers[i].sums[metric];
        if (names[metric] != NULL)
            printf("sum %s %.2f\n", names[metric], sum);
    }
}

int main(void)
{
    const struct settings settings = {
        .url = getenv("COMMAND_DATABASE_URL"),
        .partitions = setting("PARTITIONS", 6),
        .writers = setting("WRITERS", 8),
        .clients = setting("CLIENTS", 16),
        .carts = setting("CARTS", 500),
        .hot = setting("HOT", 0),
        .seed = setting("SEED", 1),
        .seconds = setting("SECONDS", 0),
        .pause_ms = setting("PAUSE_MS", 0),
        .batches = setting("BATCHES", 0),
        .queue_max = setting("QUEUE_MAX", CLIENTS_MAX),
        .is_quiet = setting("QUIET", 0) != 0,
    };
    if (settings.url == NULL || settings.writers < 1 || settings.writers > WRITERS_MAX ||
        settings.clients < 1 || settings.clients > CLIENTS_MAX) {
        fprintf(stderr, "see the head of lane_test_driver.c\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_service("lane-test-driver");
    struct writer *writers = calloc((size_t)settings.writers, sizeof(*writers));
    if (writers == NULL)
        return EXIT_FAILURE;
    int64_t start_us = clock_monotonic_us();
    int64_t longest_stall_us = 0;
    pthread_t stalls;
    if (pthread_create(&stalls, NULL, feel_stalls, &longest_stall_us) != 0)
        return EXIT_FAILURE;
    for (int i = 0; i < settings.writers; i++)
        writer_begin(&writers[i], &settings, i);
    wait_for_end(&settings);
    atomic_store(&is_stopping, true);
    for (int i = 0; i < settings.writers; i++)
        writer_end(&writers[i]);
    pthread_join(stalls, NULL);
    printf("sum longest_stall_us %" PRId64 "\n", longest_stall_us);
    say_sums(&settings, writers,
             (double)(clock_monotonic_us() - start_us) / MICROSECONDS_PER_SECOND);
    free(writers);
    return EXIT_SUCCESS;
}
