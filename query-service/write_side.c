#include "write_side.h"

#include "clock.h"
#include "log.h"
#include "view_rewind.h"

enum { CHECK_TOPIC_MS = 2000, CLOSE_MS = 1500 };

static void said(void *context, enum projector_subject subject, bool ok, const char *detail)
{
    const struct write_side *side = context;
    health_set(subject == PROJECTOR_PARKED ? side->parked_check : side->progress_check, ok, "%s",
               detail);
}

static void held(void *context, int16_t partition)
{
    const struct write_side *side = context;
    hot_views_hold(side->hot, partition);
}

static void lost(void *context, int16_t partition)
{
    const struct write_side *side = context;
    hot_views_release(side->hot, partition);
}

static void writing(void *context, const struct view_row *views, size_t count)
{
    const struct write_side *side = context;
    for (size_t i = 0; i < count; i++)
        hot_views_close(side->hot, &views[i].cart_id);
}

static void wrote(void *context)
{
    const struct write_side *side = context;
    hot_views_open(side->hot);
}

static void changed(void *context, const struct cart_change *changes, size_t count)
{
    const struct write_side *side = context;
    for (size_t i = 0; i < count; i++)
        view_waiters_changed(side->waiters, &changes[i].cart_id);
}

static void committed(void *context, size_t events, int64_t duration_us)
{
    const struct write_side *side = context;
    query_metrics_projected(side->metrics, events, duration_us);
}

/* With another number of partitions the views would be wrong. Without a topic they are only old. */
static enum status check_topic(struct write_side *side, const struct query_config *config,
                               struct error *error)
{
    int count;
    enum status status = event_feed_kafka_partition_count(
        side->feed, clock_deadline_us(CHECK_TOPIC_MS), &count, error);
    if (status == STATUS_OK && count != config->partitions)
        return error_set(error, STATUS_CONFLICT,
                         "the topic has %d partitions, but %d are configured", count,
                         (int)config->partitions);
    if (status != STATUS_OK)
        log_warning("query-service", "the topic is not there yet",
                    LOG_STR("error", error->message));
    return STATUS_OK;
}

static enum status connect_kafka(struct write_side *side, const struct query_config *config,
                                 struct error *error)
{
    const struct event_feed_kafka_options options = {
        .kafka = {.bootstrap_servers = config->kafka_servers,
                  .client_id = "cartledger-query-service",
                  .security = config->kafka_security},
        .topic = config->kafka_topic,
        .group = config->kafka_group,
        .session_timeout_ms = (int)config->kafka_session_timeout_ms,
    };
    enum status status = event_feed_kafka_new(&options, &side->feed, error);
    if (status == STATUS_OK)
        status = dead_letter_kafka_new(&options.kafka, config->kafka_dead_letter_topic,
                                       config->kafka_topic, &side->dead_letters, error);
    return status == STATUS_OK ? check_topic(side, config, error) : status;
}

enum status write_side_build(struct write_side *side, const struct query_config *config,
                             struct error *error)
{
    side->store = view_store_postgres_new(config->database_url);
    if (side->store == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    enum status status = log_client_http_new(config->command_url, &side->log, error);
    if (status == STATUS_OK)
        status = connect_kafka(side, config, error);
    if (status != STATUS_OK)
        return status;
    side->projector = projector_new(&(struct projector_options){
        .feed = event_feed_kafka_port(side->feed),
        .store = view_store_postgres_port(side->store),
        .log = log_client_http_port(side->log),
        .dead_letters = dead_letter_kafka_port(side->dead_letters),
        .observer = {side, said, held, lost, writing, wrote, changed, committed},
        .partition_count = (int)config->partitions,
        .cache_bytes_max = (size_t)config->view_cache_mib << 20,
    });
    return side->projector == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

enum status write_side_start(struct write_side *side, struct error *error)
{
    return projector_start(side->projector, error);
}

void write_side_stop(struct write_side *side)
{
    if (side->projector != NULL)
        projector_stop(side->projector);
}

void write_side_done(struct write_side *side)
{
    projector_free(side->projector);
    event_feed_kafka_free(side->feed, clock_deadline_us(CLOSE_MS));
    dead_letter_kafka_free(side->dead_letters, clock_deadline_us(CLOSE_MS));
    log_client_http_free(side->log);
    view_store_postgres_free(side->store);
    *side = (struct write_side){0};
}

enum status write_side_rebuild(const struct query_config *config, struct error *error)
{
    struct view_store_postgres *store = view_store_postgres_new(config->database_url);
    if (store == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    const struct view_store *port = view_store_postgres_port(store);
    enum status status = port->forget_everything(port->self, error);
    view_store_postgres_free(store);
    return status;
}

enum status write_side_replay_from(const struct query_config *config, const struct log_place *place,
                                   struct rewound *ret_rewound, struct error *error)
{
    struct view_store_postgres *store = view_store_postgres_new(config->database_url);
    if (store == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    enum status status = view_rewind(view_store_postgres_port(store), place->partition,
                                     place->position, ret_rewound, error);
    view_store_postgres_free(store);
    return status;
}

enum status write_side_replay_parked(const struct query_config *config,
                                     struct replay_result *ret_result, struct error *error)
{
    struct view_store_postgres *store = view_store_postgres_new(config->database_url);
    if (store == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    enum status status = parked_replay(view_store_postgres_port(store), ret_result, error);
    view_store_postgres_free(store);
    return status;
}
