/*
 * main.c - the query service: wires, runs, stops.
 *
 *     http ─► routes ─► readers ─► cart views
 *     topic ─► projector ─► cart views
 */
#include "health.h"
#include "http_server.h"
#include "kafka_common.h"
#include "log.h"
#include "log_place.h"
#include "metrics.h"
#include "query_config.h"
#include "query_metrics.h"
#include "query_routes.h"
#include "read_side.h"
#include "service.h"
#include "write_side.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODY_BYTES_MAX = 1024 }; /* nothing here has a body */

struct query_service {
    struct query_config config;
    struct metrics *metrics;
    struct health *health;
    struct query_metrics *counts;
    struct read_side read_side;
    struct write_side write_side;
    struct http_server *server;
};

static void handle(struct http_request *request, void *context)
{
    const struct query_service *service = context;
    if (!service_handle_common(request, service->health, service->metrics, &OPENAPI_DOCUMENT))
        query_routes_handle(&service->read_side.routes, request);
}

static enum status build(struct query_service *service, struct error *error)
{
    service->metrics = metrics_new();
    service->health = health_new();
    if (service->metrics == NULL || service->health == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    service->counts = query_metrics_new(service->metrics);
    if (service->counts == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    struct health_check *store_check = health_register(service->health, "view-store", true);
    service->write_side.progress_check = health_register(service->health, "projection", false);
    service->write_side.parked_check = health_register(service->health, "parked-carts", false);
    service->write_side.metrics = service->counts;
    enum status status =
        read_side_build(&service->read_side, &service->config, store_check, service->counts, error);
    if (status != STATUS_OK)
        return status;
    service->write_side.waiters = service->read_side.waiters;
    service->write_side.hot = service->read_side.hot;
    return write_side_build(&service->write_side, &service->config, error);
}

static enum status listen_http(struct query_service *service, struct error *error)
{
    const struct query_config *config = &service->config;
    struct http_server_options options = {
        .bind_address = config->bind,
        .port = (uint16_t)config->port,
        .body_max = BODY_BYTES_MAX,
        .handle = handle,
        .context = service,
        .metrics = service->metrics,
    };
    http_settings_apply(&config->http, &options);
    return http_server_start(&options, &service->server, error);
}

/* Whoever gets an answer from /readyz finds all of it at work. */
static enum status start(struct query_service *service, struct error *error)
{
    enum status status = build(service, error);
    if (status == STATUS_OK)
        status = write_side_start(&service->write_side, error);
    if (status == STATUS_OK)
        status = read_side_start(&service->read_side, error);
    return status == STATUS_OK ? listen_http(service, error) : status;
}

/* First the load balancers send no new clients, then everything accepted is answered, then the
 * batch in hand is finished. */
static void stop(struct query_service *service)
{
    if (service->server != NULL) {
        service_drain(service->health, service->server);
        read_side_end_waiting(&service->read_side);
        service_await_answers(service->server);
    }
    write_side_stop(&service->write_side);
    read_side_stop(&service->read_side);
    http_server_stop(service->server);
}

static void release(struct query_service *service)
{
    write_side_done(&service->write_side);
    read_side_done(&service->read_side);
    query_metrics_free(service->counts);
    metrics_free(service->metrics);
    health_free(service->health);
    config_done(QUERY_SETTINGS, QUERY_SETTING_COUNT, &service->config);
}

/* The watched thread is the one without which no view gets newer. */
static int64_t round_of(void *context)
{
    const struct query_service *service = context;
    const struct projector_stats *stats = projector_stats(service->write_side.projector);
    query_metrics_update(service->counts, stats);
    query_metrics_update_hot(service->counts, hot_views_stats(service->read_side.hot));
    return stats->turned_at_us;
}

static int run(struct query_service *service)
{
    struct error error;
    if (start(service, &error) != STATUS_OK) {
        log_error("query-service", "cannot start", LOG_STR("error", error.message));
        stop(service);
        return EXIT_FAILURE;
    }
    service_watch(&(struct service_watch){.service = "query-service",
                                          .address = service->config.bind,
                                          .server = service->server,
                                          .health = service->health,
                                          .round = round_of,
                                          .context = service});
    stop(service);
    log_info("query-service", "stopped");
    return EXIT_SUCCESS;
}

static int rebuild(void *context, const char *argument)
{
    (void)argument;
    const struct query_service *service = context;
    struct error error;
    if (write_side_rebuild(&service->config, &error) != STATUS_OK) {
        fprintf(stderr, "cannot rebuild: %s\n", error.message);
        return EXIT_FAILURE;
    }
    printf("all views are forgotten; running query services make them again from the log\n");
    return EXIT_SUCCESS;
}

static int replay_from(void *context, const char *argument)
{
    const struct query_service *service = context;
    struct error error;
    struct log_place place;
    struct rewound rewound;
    if (!log_place_parse(str_from(argument), service->config.partitions, &place)) {
        fprintf(stderr, "--replay-from takes PARTITION:POSITION\n");
        return EXIT_USAGE;
    }
    enum status status = write_side_replay_from(&service->config, &place, &rewound, &error);
    if (status == STATUS_NOT_FOUND) {
        printf("nothing to do: no event of partition %d from position %lld on has been applied\n",
               place.partition, (long long)place.position);
        return EXIT_SUCCESS;
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "cannot replay: %s\n", error.message);
        return EXIT_FAILURE;
    }
    printf("%lld carts were taken back; running query services go on from position %lld of "
           "partition %d\n",
           (long long)rewound.carts, (long long)rewound.position + 1, place.partition);
    return EXIT_SUCCESS;
}

static int replay_parked(void *context, const char *argument)
{
    (void)argument;
    const struct query_service *service = context;
    struct error error;
    struct replay_result result;
    if (write_side_replay_parked(&service->config, &result, &error) != STATUS_OK) {
        fprintf(stderr, "cannot replay: %s\n", error.message);
        return EXIT_FAILURE;
    }
    printf("%lld carts freed, %lld events applied, %lld carts still parked\n",
           (long long)result.carts_freed, (long long)result.events_applied,
           (long long)result.carts_left);
    return EXIT_SUCCESS;
}

static int healthcheck(void *context, const char *argument)
{
    (void)argument;
    const struct query_service *service = context;
    return service_healthcheck(service->config.bind, service->config.port);
}

static const struct service_verb VERBS[] = {
    {"rebuild", NULL, "forget every view, so that they are made again from the log", rebuild},
    {"replay-from", "PARTITION:POSITION",
     "take a partition's views back to before this event, so that they are made again from there",
     replay_from},
    {"replay-parked", NULL, "apply the records of parked carts, as far as it now works",
     replay_parked},
    {"healthcheck", NULL, "ask the service that runs with these settings whether it is ready",
     healthcheck},
};

int main(int argc, char **argv)
{
    service_block_signals();
    log_set_service("query-service");
    static struct query_service service;
    const struct service_program program = {
        .name = "query-service",
        .summary = "makes cart views from the topic and answers GETs from them",
        .settings = QUERY_SETTINGS,
        .setting_count = QUERY_SETTING_COUNT,
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
