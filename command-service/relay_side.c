#include "relay_side.h"

#include "clock.h"
#include "log.h"

enum { CHECK_TOPIC_MS = 2000, FLUSH_MS = 2000 };

static void state_changed(void *context, enum relay_state state, bool ok, const char *detail)
{
    const struct relay_side *side = context;
    health_set(side->check, ok, "%s: %s", relay_state_name(state), detail);
}

enum status relay_side_build(struct relay_side *side, const struct command_config *config,
                             struct health_check *check, struct error *error)
{
    *side = (struct relay_side){
        .check = check,
        .kafka = {.bootstrap_servers = config->kafka_servers,
                  .client_id = "cartledger-command-service",
                  .security = config->kafka_security},
    };
    const struct publisher_kafka_options options = {.settings = &side->kafka,
                                                    .topic = config->kafka_topic,
                                                    .compression = "none",
                                                    .partition_count = (int)config->partitions};
    enum status status = publisher_kafka_new(&options, &side->publisher, error);
    if (status != STATUS_OK)
        return status;
    side->log = relay_log_postgres_new(config->database_url, (int)config->partitions);
    if (side->log == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    side->log_port = relay_log_postgres_port(side->log);
    side->publisher_port = publisher_kafka_port(side->publisher);
    side->options = (struct relay_options){.log = &side->log_port,
                                           .publisher = &side->publisher_port,
                                           .partition_count = (int)config->partitions,
                                           .on_state = state_changed,
                                           .context = side};
    side->relay = relay_new(&side->options);
    return side->relay == NULL ? error_set(error, STATUS_NO_MEMORY, "no memory") : STATUS_OK;
}

enum status relay_side_check_topic(struct relay_side *side, struct error *error)
{
    enum status status =
        publisher_kafka_check_topic(side->publisher, clock_deadline_us(CHECK_TOPIC_MS), error);
    if (status == STATUS_CONFLICT)
        return status;
    if (status != STATUS_OK)
        log_warning("command-service", "nothing can be published yet",
                    LOG_STR("error", error->message));
    return STATUS_OK;
}

enum status relay_side_start(struct relay_side *side, const struct command_config *config,
                             struct error *error)
{
    if (config->relay_enabled)
        return relay_start(side->relay, error);
    health_set(side->check, true, "disabled: another instance has to publish");
    return STATUS_OK;
}

void relay_side_stop(struct relay_side *side)
{
    if (side->relay != NULL)
        relay_stop(side->relay, clock_deadline_us(FLUSH_MS));
}

void relay_side_done(struct relay_side *side)
{
    relay_free(side->relay);
    publisher_kafka_free(side->publisher, clock_deadline_us(FLUSH_MS));
    relay_log_postgres_free(side->log);
    *side = (struct relay_side){0};
}
