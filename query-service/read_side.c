#include "read_side.h"

#include "clock.h"
#include "log.h"

enum { FIRST_LOOK_MS = 1000 };

static void store_said(void *context, bool answers, const char *detail)
{
    const struct read_side *side = context;
    health_set(side->check, answers, "%s", detail);
}

static void looked_up(void *context, size_t carts, int64_t duration_us)
{
    const struct read_side *side = context;
    query_metrics_looked_up(side->metrics, carts, duration_us);
}

static void queued(void *context, size_t requests)
{
    const struct read_side *side = context;
    query_metrics_queued(side->metrics, requests);
}

static void waiting(void *context, size_t requests)
{
    const struct read_side *side = context;
    query_metrics_waiting(side->metrics, requests);
}

static void connected(void *context, int change)
{
    const struct read_side *side = context;
    query_metrics_connected(side->metrics, change);
}

static enum status look_at_store(struct read_side *side, struct error *error)
{
    const struct view_source *source = view_source_postgres_port(side->sources[0]);
    int64_t deadline_us = clock_deadline_us(FIRST_LOOK_MS);
    enum status status = source->connect(source->self, deadline_us, error);
    if (status != STATUS_UNAVAILABLE && status != STATUS_UNCERTAIN)
        return status;
    store_said(side, false, error->message);
    return STATUS_OK;
}

enum status read_side_build(struct read_side *side, const struct query_config *config,
                            struct health_check *check, struct query_metrics *metrics,
                            struct error *error)
{
    *side = (struct read_side){.check = check, .metrics = metrics};
    size_t readers = (size_t)config->readers;
    const struct view_source *ports[VIEW_READERS_MAX + 1];
    for (size_t i = 0; i <= readers; i++) {
        side->sources[i] = view_source_postgres_new(config->database_url);
        if (side->sources[i] == NULL)
            return error_set(error, STATUS_NO_MEMORY, "no memory");
        side->source_count++;
        ports[i] = view_source_postgres_port(side->sources[i]);
    }
    enum status status = look_at_store(side, error);
    if (status != STATUS_OK)
        return status;
    side->reader = view_reader_new(&(struct view_reader_options){
        .sources = ports,
        .thread_count = readers,
        .queue_max = (size_t)config->queue_max,
        .list_queue_max = (size_t)config->list_queue_max,
        .observer = {side, store_said, looked_up, queued, NULL, connected},
    });
    side->waiters = view_waiters_new(&(struct view_waiters_options){
        .source = ports[readers],
        .most = (size_t)config->waiters_max,
        .observer = {side, NULL, looked_up, NULL, waiting, connected},
    });
    side->folds = past_folds_new();
    side->hot = hot_views_new((size_t)config->hot_views_mib << 20, (int)config->partitions,
                              clock_monotonic_us);
    if (side->reader == NULL || side->waiters == NULL || side->folds == NULL || side->hot == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    side->routes = (struct query_routes){side->reader, side->waiters, side->folds, side->hot};
    return STATUS_OK;
}

enum status read_side_start(struct read_side *side, struct error *error)
{
    enum status status = view_reader_start(side->reader, error);
    return status == STATUS_OK ? view_waiters_start(side->waiters, error) : status;
}

void read_side_end_waiting(struct read_side *side)
{
    if (side->waiters != NULL)
        view_waiters_stop(side->waiters);
}

void read_side_stop(struct read_side *side)
{
    read_side_end_waiting(side);
    if (side->reader != NULL)
        view_reader_stop(side->reader);
}

void read_side_done(struct read_side *side)
{
    view_reader_free(side->reader);
    view_waiters_free(side->waiters);
    past_folds_free(side->folds);
    hot_views_free(side->hot);
    for (size_t i = 0; i < side->source_count; i++)
        view_source_postgres_free(side->sources[i]);
    *side = (struct read_side){0};
}
