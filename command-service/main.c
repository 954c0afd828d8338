/*
 * main.c - the command service: wires, runs, stops.
 *
 *     http ─► routes ─► lanes ─► event store        relay: event store ─► topic
 *             routes ─► log reader ─► event store        expiry sweep: event store ─► lanes
 */
#include "command_config.h"
#include "command_metrics.h"
#include "command_routes.h"
#include "health.h"
#include "http_server.h"
#include "lane_side.h"
#include "log.h"
#include "log_reader.h"
#include "log_routes.h"
#include "metrics.h"
#include "problem.h"
#include "relay_side.h"
#include "republish.h"
#include "service.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct command_service {
    struct command_config config;
    struct metrics *metrics;
    struct health *health;
    struct command_metrics *counts;
    struct relay_side relay_side;
    struct lane_side lane_side;
    struct log_reader *log_reader;
    atomic_size_t log_unsent_bytes;
    struct command_routes command_routes;
    struct log_routes log_routes;
    struct http_server *server;
};

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
        http_refuse(request, &PROBLEM_NO_SUCH_RESOURCE, "nothing is at this path");
}

static int64_t published_position(void *context, int partition)
{
    const struct command_service *service = context;
    return relay_published_position(service->relay_side.relay, partition);
}

static enum status build(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    service->metrics = metrics_new();
    service->health = health_new();
    if (service->metrics == NULL || service->health == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    struct health_check *store_check = health_register(service->health, "event-store", true);
    struct health_check *relay_check = health_register(service->health, "relay", false);
    service->counts =
        command_metrics_new(service->metrics, (int)config->lanes, (int)config->partitions);
    if (service->counts == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    enum status status = relay_side_build(&service->relay_side, config, relay_check, error);
    if (status != STATUS_OK)
        return status;
    struct command_routes *routes = &service->command_routes;
    routes->partition_count = (int)config->partitions;
    routes->limits = (struct cart_limits){.lines_max = (int32_t)config->cart_lines_max,
                                          .quantity_max = (int32_t)config->line_quantity_max};
    service->lane_side = (struct lane_side){
        .store_check = store_check, .metrics = service->counts, .relay = service->relay_side.relay};
    status = lane_side_build(&service->lane_side, config, &routes->limits, error);
    routes->lanes = service->lane_side.lanes;
    return status == STATUS_OK ? relay_side_check_topic(&service->relay_side, error) : status;
}

static enum status serve(struct command_service *service, struct error *error)
{
    const struct command_config *config = &service->config;
    enum status status = lane_side_start(&service->lane_side, error);
    if (status == STATUS_OK)
        status = log_reader_start(config->database_url, (int)config->log_readers,
                                  (int)config->log_queue_max, &service->log_reader, error);
    if (status == STATUS_OK)
        status = relay_side_start(&service->relay_side, config, error);
    if (status != STATUS_OK)
        return status;
    service->log_routes = (struct log_routes){.reader = service->log_reader,
                                              .unsent_bytes = &service->log_unsent_bytes,
                                              .partition_count = (int)config->partitions,
                                              .published_position = published_position,
                                              .context = service};
    struct http_server_options options = {
        .bind_address = config->bind,
        .port = (uint16_t)config->port,
        .body_max = (size_t)config->body_max,
        .handle = handle,
        .context = service,
        .metrics = service->metrics,
    };
    http_settings_apply(&config->http, &options);
    return http_server_start(&options, &service->server, error);
}

/* First the load balancers send no new clients, then everything accepted is answered, then the
 * relay delivers what it has begun. */
static void stop(struct command_service *service)
{
    lane_side_end_sweep(&service->lane_side);
    if (service->server != NULL) {
        service_drain(service->health, service->server);
        service_await_answers(service->server);
    }
    lane_side_stop(&service->lane_side, clock_deadline_us(SERVICE_ANSWER_MS));
    log_reader_stop(service->log_reader);
    http_server_stop(service->server);
    relay_side_stop(&service->relay_side);
}

static void release(struct command_service *service)
{
    log_reader_free(service->log_reader);
    lane_side_done(&service->lane_side);
    relay_side_done(&service->relay_side);
    command_metrics_free(service->counts);
    metrics_free(service->metrics);
    health_free(service->health);
    config_done(COMMAND_SETTINGS, COMMAND_SETTING_COUNT, &service->config);
}

/* Of the threads without which no command is decided or published. */
static int64_t oldest_turn_us(const struct command_service *service)
{
    int64_t lanes_us = command_lanes_turned_at_us(service->lane_side.lanes);
    if (!service->config.relay_enabled)
        return lanes_us;
    int64_t relay_us = relay_stats(service->relay_side.relay)->turned_at_us;
    return relay_us < lanes_us ? relay_us : lanes_us;
}

static int64_t round_of(void *context)
{
    const struct command_service *service = context;
    command_metrics_update(service->counts, service->relay_side.relay, service->lane_side.sweep,
                           service->log_reader);
    return oldest_turn_us(service);
}

static int run(struct command_service *service)
{
    struct error error;
    if (build(service, &error) != STATUS_OK || serve(service, &error) != STATUS_OK) {
        int code = fail("cannot start", &error);
        stop(service);
        return code;
    }
    service_watch(&(struct service_watch){.service = "command-service",
                                          .address = service->config.bind,
                                          .server = service->server,
                                          .health = service->health,
                                          .round = round_of,
                                          .context = service});
    stop(service);
    log_info("command-service", "stopped");
    return EXIT_SUCCESS;
}

static int publish_again(void *context, const char *argument)
{
    struct command_service *service = context;
    struct republish_range range;
    struct error error;
    if (!republish_range_parse(argument, service->config.partitions, &range)) {
        fprintf(stderr, "--republish takes 'all' or PARTITION:POSITION\n");
        return EXIT_USAGE;
    }
    if (build(service, &error) != STATUS_OK)
        return fail("cannot republish", &error);
    return republish(&range, &service->relay_side.options);
}

static int healthcheck(void *context, const char *argument)
{
    (void)argument;
    const struct command_service *service = context;
    return service_healthcheck(service->config.bind, service->config.port);
}

static const struct service_verb VERBS[] = {
    {"republish", "all|PARTITION:POSITION",
     "publish the log again from there, beside a running service; consumers skip duplicates",
     publish_again},
    {"healthcheck", NULL, "ask the service that runs with these settings whether it is ready",
     healthcheck},
};

int main(int argc, char **argv)
{
    service_block_signals();
    log_set_service("command-service");
    static struct command_service service;
    const struct service_program program = {
        .name = "command-service",
        .summary = "decides cart commands, keeps their events, publishes them to Kafka",
        .settings = COMMAND_SETTINGS,
        .setting_count = COMMAND_SETTING_COUNT,
        .verbs = VERBS,
        .verb_count = ARRAY_SIZE(VERBS),
    };
    struct service_arguments arguments;
    if (service_start(&program, argc, argv, &service.config, &arguments) == SERVICE_EXIT)
        return arguments.exit_code;

    log_set_level(log_level_of(service.config.log_level));
    json_object_seed(0); /* jansson's first object must not be made by two threads at once */
    int code = arguments.verb == NULL ? run(&service)
                                      : arguments.verb->run(&service, arguments.verb_argument);
    release(&service);
    return code;
}
