/*
 * main.c - the command service: wires, runs, stops.
 *
 *     http ─► routes ─► lanes ─► event store        relay: event store ─► topic
 *             routes ─► log reader ─► event store        expiry sweep: event store ─► lanes
 */
#include "command_config.h"
#include "command_lanes.h"
#include "command_metrics.h"
#include "command_routes.h"
#include "event_store_postgres.h"
#include "expiry_log_postgres.h"
#include "expiry_sweep.h"
#include "http_server.h"
#include "kafka_common.h"
#include "log.h"
#include "log_reader.h"
#include "log_routes.h"
#include "log_source_postgres.h"
#include "notify.h"
#include "problem.h"
#include "publisher_kafka.h"
#include "relay.h"
#include "republish.h"
#include "service.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long each step of the end may take; together below ten seconds. */
enum {
    CHECK_STORE_MS = 5000, /* a slow answer is waited for, so that no request comes before it */
    CHECK_TOPIC_MS = 2000,
    NOTICE_MS = 300, /* for load balancers to see /readyz say no */
    ANSWER_MS = 3000,
    RELAY_FLUSH_MS = 2000,
    UPDATE_METRICS_MS = 500,
    EXIT_USAGE = 2,
};

/* What a lane's observer needs. */
struct lane_link {
    struct command_service *service;
    void *counts;
};

struct command_service {
    struct command_config config;
    struct metrics *metrics;
    struct health *health;
    struct health_check *store_check;
    struct health_check *relay_check;
    struct command_metrics *counts;
    struct event_store_postgres *stores[COMMAND_LANES_MAX];
    struct lane_link lane_links[COMMAND_LANES_MAX];
    struct command_lanes *lanes;
    struct log_reader *log_reader;
    struct kafka_settings kafka;
    struct log_source_postgres *log_source;
    struct publisher_kafka *publisher;
    struct relay_log relay_log;
    struct relay_publisher relay_publisher;
    struct relay *relay;
    struct expiry_log_postgres *expiry_source;
    struct expiry_log expiry_log;
    struct expiry_sweep *sweep;
    struct command_routes command_routes;
    struct log_routes log_routes;
    struct http_server *server;
};

static int64_t in_ms(int64_t milliseconds)
{
    return clock_monotonic_us() + milliseconds * MICROSECONDS_PER_MILLISECOND;
}

static int fail(const char *what, const struct error *error)
{
    log_error("command-service", what, LOG_STR("error", error->message));
    return EXIT_FAILURE;
}

static void handle(struct http_request *request, void *context)
{
    struct command_service *service = context;
    if (!service_handle_common(request, service->health, service->metrics, &OPENAPI_DOCUMENT) &&
        !command_routes_handle(&service->command_routes, request) &&
        !log_routes_handle(&service->log_routes, request))
        http_refuse(request, 404, "no-such-resource", "No such resource",
                    "nothing is at this path");
}

static void observe(void *context, enum lane_metric metric, double value)
{
    const struct lane_link *link = context;
    command_metrics_observe(link->counts, metric, value);
}

static void store_changed(void *context, bool is_up, const char *detail)
{
    const struct lane_link *link = context;
    health_set(link->service->store_check, is_up, "%s", detail);
}

static void relay_changed(void *context, enum relay_state state, bool ok, const char *detail)
{
    const struct command_service *service = context;
    health_set(service->relay_check, ok, "%s: %s", relay_state_name(state), detail);
}

static void committed(void *context, const struct partition_position *positions, size_t count)
{
    (void)positions;
    (void)count;
    const struct lane_link *link = context;
    relay_wake(link->service->relay);
}

static int64_t published_position(void *context, int partition)
{
    const struct command_service *service = context;
    return relay_published_position(service->relay, partition);
}

/* ---- building ---- */

/* A database that is away is waited for; one that is not ours ends the process. */
static enum status check_store(struct command_service *service, struct error *error)
{
    struct uuid log_id;
    enum status status =
        event_store_postgres_check(service->stores[0], in_ms(CHECK_STORE_MS), &log_id, error);
    if (status != STATUS_UNAVAILABLE)
        return status;
    health_set(service->store_check, false, "%s", error->message);
    log_warning("command-service", "waiting for the event store", LOG_STR("error", error->message));
    return STATUS_OK;
}

/* The service keeps its promise without a topic, but not beside one that is split differently. */
static enum status check_topic(struct command_service *service, struct error *error)
{
    enum status status =
        publisher_kafka_check_topic(service->publisher, in_ms(CHECK_TOPIC_MS), error);
    if (status == STATUS_CONFLICT)
        return status;
    if (status != STATUS_OK)
        log_warning("command-service", "nothing can be published yet",
                    LOG_STR("error", error->message));
    return STATUS_OK;
}

static enum status build_relay(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    service->kafka = (struct kafka_settings){.bootstrap_servers = config->kafka_servers,
                                             .client_id = "cartledger-command-service",
                                             .security = config->kafka_security};
    const struct publisher_kafka_options options = {.settings = &service->kafka,
                                                    .topic = config->kafka_topic,
                                                    .compression = "none",
                                                    .partition_count = (int)config->partitions};
    enum status status = publisher_kafka_new(&options, &service->publisher, error);
    if (status != STATUS_OK)
        return status;
    service->log_source = log_source_postgres_new(config->database_url, (int)config->partitions);
    if (service->log_source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    service->relay_log = log_source_postgres_port(service->log_source);
    service->relay_publisher = publisher_kafka_port(service->publisher);
    service->relay = relay_new(&(struct relay_options){.log = &service->relay_log,
                                                       .publisher = &service->relay_publisher,
                                                       .partition_count = (int)config->partitions,
                                                       .on_state = relay_changed,
                                                       .context = service});
    return service->relay == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

static enum status build_stores(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    for (int64_t i = 0; i < config->lanes; i++) {
        service->stores[i] =
            event_store_postgres_new(config->database_url, (int)config->partitions);
        if (service->stores[i] == NULL)
            return error_set(error, STATUS_NO_MEMORY, "no memory");
    }
    return STATUS_OK;
}

static enum status build_lanes(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    size_t count = (size_t)config->lanes;
    struct command_lane_options options[COMMAND_LANES_MAX];
    for (size_t i = 0; i < count; i++) {
        service->lane_links[i] =
            (struct lane_link){service, command_metrics_of_lane(service->counts, (int)i)};
        options[i] = (struct command_lane_options){
            .store = event_store_postgres_port(service->stores[i]),
            .limits = service->command_routes.limits,
            .queue_max = (size_t)config->queue_max,
            .cache_bytes_max = (size_t)config->cache_mib << 20,
            .observer = {.context = &service->lane_links[i],
                         .observe = observe,
                         .committed = committed,
                         .store_changed = store_changed},
        };
    }
    service->lanes = command_lanes_new(options, count);
    return service->lanes == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

static bool submit_expiry(void *context, struct command_request *request)
{
    const struct command_service *service = context;
    return command_lanes_submit(service->lanes, request);
}

static enum status build_sweep(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    service->expiry_source = expiry_log_postgres_new(config->database_url);
    if (service->expiry_source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    service->expiry_log = expiry_log_postgres_port(service->expiry_source);
    service->sweep = expiry_sweep_new(
        &(struct expiry_sweep_options){.log = &service->expiry_log,
                                       .partition_count = (int)config->partitions,
                                       .guest_lifetime_s = config->guest_lifetime_s,
                                       .customer_lifetime_s = config->customer_lifetime_s,
                                       .submit = submit_expiry,
                                       .context = service});
    return service->sweep == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

static enum status build(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    service->metrics = metrics_new();
    service->health = health_new();
    if (service->metrics == NULL || service->health == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    service->store_check = health_register(service->health, "event-store", true);
    service->relay_check = health_register(service->health, "relay", false);
    service->counts =
        command_metrics_new(service->metrics, (int)config->lanes, (int)config->partitions);
    if (service->counts == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    service->command_routes.partition_count = (int)config->partitions;
    service->command_routes.limits =
        (struct cart_limits){.lines_max = (int32_t)config->cart_lines_max,
                             .quantity_max = (int32_t)config->line_quantity_max};

    enum status status = build_stores(service, error);
    if (status == STATUS_OK)
        status = check_store(service, error);
    if (status == STATUS_OK)
        status = build_relay(service, error);
    if (status == STATUS_OK)
        status = check_topic(service, error);
    if (status == STATUS_OK)
        status = build_lanes(service, error);
    if (status == STATUS_OK)
        status = build_sweep(service, error);
    service->command_routes.lanes = service->lanes;
    return status;
}

static enum status serve(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    enum status status = command_lanes_start(service->lanes, error);
    if (status == STATUS_OK)
        status = expiry_sweep_start(service->sweep, error);
    if (status == STATUS_OK)
        status = log_reader_start(config->database_url, (int)config->log_readers,
                                  (int)config->log_queue_max, &service->log_reader, error);
    if (status == STATUS_OK && config->relay_enabled)
        status = relay_start(service->relay, error);
    else
        health_set(service->relay_check, true, "disabled: another instance has to publish");
    if (status != STATUS_OK)
        return status;
    service->log_routes = (struct log_routes){.reader = service->log_reader,
                                              .partition_count = (int)config->partitions,
                                              .published_position = published_position,
                                              .context = service};
    return http_server_start(
        &(struct http_server_options){
            .bind_address = config->bind,
            .port = (uint16_t)config->port,
            .threads = (unsigned)config->http_threads,
            .connections_max = (unsigned)config->connections_max,
            .connections_per_address_max = (unsigned)config->connections_per_address_max,
            .body_max = (size_t)config->body_max,
            .head_timeout_s = (int)config->head_timeout_s,
            .request_timeout_s = (int)config->request_timeout_s,
            .cors_origins = config->cors_origins,
            .handle = handle,
            .context = service,
            .metrics = service->metrics,
        },
        &service->server, error);
}

/* ---- the end ---- */

/* First nobody new is sent to us, then everything accepted is answered, then the relay delivers
 * what it has begun. */
static void stop(struct command_service *service)
{
    health_drain(service->health);
    if (service->sweep != NULL)
        expiry_sweep_close(service->sweep);
    if (service->server != NULL) {
        usleep(NOTICE_MS * 1000);
        http_server_quiesce(service->server);
    }
    int64_t deadline_us = in_ms(ANSWER_MS);
    while (service->server != NULL && http_server_pending(service->server) > 0 &&
           clock_monotonic_us() < deadline_us)
        usleep(10 * 1000);
    if (service->lanes != NULL)
        command_lanes_stop(service->lanes, in_ms(ANSWER_MS));
    if (service->sweep != NULL)
        expiry_sweep_stop(service->sweep);
    log_reader_stop(service->log_reader);
    http_server_stop(service->server);
    if (service->relay != NULL)
        relay_stop(service->relay, in_ms(RELAY_FLUSH_MS));
}

static void release(struct command_service *service)
{
    expiry_sweep_free(service->sweep);
    expiry_log_postgres_free(service->expiry_source);
    command_lanes_free(service->lanes);
    for (size_t i = 0; i < COMMAND_LANES_MAX; i++)
        event_store_postgres_free(service->stores[i]);
    relay_free(service->relay);
    publisher_kafka_free(service->publisher, in_ms(RELAY_FLUSH_MS));
    log_source_postgres_free(service->log_source);
    command_metrics_free(service->counts);
    metrics_free(service->metrics);
    health_free(service->health);
    config_done(COMMAND_SETTINGS, COMMAND_SETTING_COUNT, &service->config);
}

/* ---- what main can do ---- */

/* The threads without which no command is decided or published. */
static int64_t oldest_turn_us(const struct command_service *service)
{
    int64_t lanes_us = command_lanes_turned_at_us(service->lanes);
    if (!service->config.relay_enabled)
        return lanes_us;
    int64_t relay_us = relay_stats(service->relay)->turned_at_us;
    return relay_us < lanes_us ? relay_us : lanes_us;
}

static void tell_manager(struct command_service *service, struct notify_manager *manager)
{
    char status[HEALTH_DETAIL_MAX];
    health_summary(service->health, status, sizeof(status));
    notify_status(manager, status);
    notify_watchdog_turn(manager, clock_monotonic_us(), oldest_turn_us(service));
}

static int run(struct command_service *service)
{
    struct error error;
    if (build(service, &error) != STATUS_OK || serve(service, &error) != STATUS_OK) {
        int code = fail("cannot start", &error);
        stop(service);
        return code;
    }
    log_info("command-service", "listening", LOG_STR("address", service->config.bind),
             LOG_INT("port", http_server_port(service->server)),
             LOG_STR("version", CARTLEDGER_VERSION));
    struct notify_manager manager;
    notify_manager_begin(&manager);
    notify_send("READY=1");
    do {
        command_metrics_update(service->counts, service->relay, service->sweep);
        tell_manager(service, &manager);
    } while (!service_stop_requested(UPDATE_METRICS_MS));
    notify_send("STOPPING=1");
    log_info("command-service", "stopping");
    stop(service);
    log_info("command-service", "stopped");
    return EXIT_SUCCESS;
}

static int publish_again(struct command_service *service, const char *argument)
{
    struct republish_range range;
    struct error error;
    if (!republish_range_parse(argument, service->config.partitions, &range)) {
        fprintf(stderr, "--republish takes 'all' or PARTITION:POSITION\n");
        return EXIT_USAGE;
    }
    if (build(service, &error) != STATUS_OK)
        return fail("cannot republish", &error);
    return republish(&range,
                     &(struct relay_options){.log = &service->relay_log,
                                             .publisher = &service->relay_publisher,
                                             .partition_count = (int)service->config.partitions});
}

enum { REPUBLISH, HEALTHCHECK };

static const struct service_verb VERBS[] = {
    [REPUBLISH] =
        {"republish", "all|PARTITION:POSITION",
         "publish the log again from there, beside a running service; consumers skip duplicates"},
    [HEALTHCHECK] = {"healthcheck", NULL,
                     "ask the service that runs with these settings whether it is ready"},
};

static int run_verb(struct command_service *service, const struct service_arguments *arguments)
{
    if (arguments->verb == &VERBS[HEALTHCHECK])
        return service_healthcheck(service->config.bind, service->config.port);
    return publish_again(service, arguments->verb_argument);
}

static const struct service_program PROGRAM = {
    .name = "command-service",
    .summary = "decides cart commands, keeps their events, publishes them to Kafka",
    .settings = COMMAND_SETTINGS,
    .setting_count = 0,
    .verbs = VERBS,
    .verb_count = ARRAY_SIZE(VERBS),
};

int main(int argc, char **argv)
{
    service_block_signals();
    log_set_service("command-service");
    static struct command_service service;
    struct service_program program = PROGRAM;
    program.setting_count = COMMAND_SETTING_COUNT;
    struct service_arguments arguments;
    if (service_start(&program, argc, argv, &service.config, &arguments) == SERVICE_EXIT)
        return arguments.exit_code;

    log_set_level(log_level_of(service.config.log_level));
    json_object_seed(0); /* jansson's first object must not be made by two threads at once */
    int code = arguments.verb == NULL ? run(&service) : run_verb(&service, &arguments);
    release(&service);
    return code;
}
