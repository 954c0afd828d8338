#include "lane_side.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>

/* Waits for a slow answer, so that no request comes before it. */
enum { CHECK_STORE_MS = 5000 };

static void observe(void *context, enum lane_metric metric, double value)
{
    const struct lane_link *link = context;
    command_metrics_observe(link->counts, metric, value);
}

static void committed(void *context, size_t commands)
{
    const struct lane_link *link = context;
    relay_wake(link->side->relay, commands);
}

/* A single lane that does not reach the store refuses every cart of its partitions. */
static void store_changed(void *context, bool is_up, const char *detail)
{
    struct lane_link *link = context;
    struct lane_side *side = link->side;
    pthread_mutex_lock(&side->lock);
    link->is_up = is_up;
    snprintf(link->detail, sizeof(link->detail), "%s", detail);
    const struct lane_link *told = link;
    for (size_t i = 0; i < side->lane_count && told->is_up; i++) {
        if (!side->links[i].is_up)
            told = &side->links[i];
    }
    health_set(side->store_check, told->is_up, "%s", told->detail);
    pthread_mutex_unlock(&side->lock);
}

static bool submit_expiry(void *context, struct command_request *request)
{
    const struct lane_side *side = context;
    return command_lanes_submit(side->lanes, request);
}

static enum status build_stores(struct lane_side *side, const struct command_config *config,
                                struct error *error)
{
    for (size_t i = 0; i < side->lane_count; i++) {
        side->stores[i] = event_store_postgres_new(config->database_url, (int)config->partitions);
        if (side->stores[i] == NULL)
            return error_set(error, STATUS_NO_MEMORY, "no memory");
    }
    return STATUS_OK;
}

/* Waits for a database that is away. A database that is not ours ends the process. */
static enum status check_store(struct lane_side *side, struct error *error)
{
    struct uuid log_id;
    int64_t deadline_us = clock_deadline_us(CHECK_STORE_MS);
    enum status status = event_store_postgres_check(side->stores[0], deadline_us, &log_id, error);
    if (status != STATUS_UNAVAILABLE)
        return status;
    health_set(side->store_check, false, "%s", error->message);
    log_warning("command-service", "waiting for the event store", LOG_STR("error", error->message));
    return STATUS_OK;
}

static enum status build_lanes(struct lane_side *side, const struct command_config *config,
                               const struct cart_limits *limits, struct error *error)
{
    struct command_lane_options options[COMMAND_LANES_MAX];
    for (size_t i = 0; i < side->lane_count; i++) {
        side->links[i] =
            (struct lane_link){.side = side,
                               .counts = command_metrics_of_lane(side->metrics, (int)i),
                               .detail = "a lane has not tried yet"};
        options[i] = (struct command_lane_options){
            .store = event_store_postgres_port(side->stores[i]),
            .limits = *limits,
            .queue_max = (size_t)config->queue_max,
            .cache_bytes_max = (size_t)config->cache_mib << 20,
            .observer = {.context = &side->links[i],
                         .observe = observe,
                         .committed = committed,
                         .store_changed = store_changed},
        };
    }
    side->lanes = command_lanes_new(options, side->lane_count);
    return side->lanes == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

static enum status build_sweep(struct lane_side *side, const struct command_config *config,
                               struct error *error)
{
    side->expiry_source = expiry_log_postgres_new(config->database_url);
    if (side->expiry_source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    side->expiry_log = expiry_log_postgres_port(side->expiry_source);
    side->sweep = expiry_sweep_new(
        &(struct expiry_sweep_options){.log = &side->expiry_log,
                                       .partition_count = (int)config->partitions,
                                       .guest_lifetime_s = config->guest_lifetime_s,
                                       .customer_lifetime_s = config->customer_lifetime_s,
                                       .submit = submit_expiry,
                                       .context = side});
    return side->sweep == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

enum status lane_side_build(struct lane_side *side, const struct command_config *config,
                            const struct cart_limits *limits, struct error *error)
{
    pthread_mutex_init(&side->lock, NULL);
    side->lane_count = (size_t)config->lanes;
    enum status status = build_stores(side, config, error);
    if (status == STATUS_OK)
        status = check_store(side, error);
    if (status == STATUS_OK)
        status = build_lanes(side, config, limits, error);
    return status == STATUS_OK ? build_sweep(side, config, error) : status;
}

enum status lane_side_start(struct lane_side *side, struct error *error)
{
    enum status status = command_lanes_start(side->lanes, error);
    return status == STATUS_OK ? expiry_sweep_start(side->sweep, error) : status;
}

void lane_side_end_sweep(struct lane_side *side)
{
    if (side->sweep != NULL)
        expiry_sweep_close(side->sweep);
}

void lane_side_stop(struct lane_side *side, int64_t deadline_us)
{
    if (side->lanes != NULL)
        command_lanes_stop(side->lanes, deadline_us);
    if (side->sweep != NULL)
        expiry_sweep_stop(side->sweep);
}

void lane_side_done(struct lane_side *side)
{
    expiry_sweep_free(side->sweep);
    expiry_log_postgres_free(side->expiry_source);
    command_lanes_free(side->lanes);
    for (size_t i = 0; i < side->lane_count; i++)
        event_store_postgres_free(side->stores[i]);
    *side = (struct lane_side){0};
}
