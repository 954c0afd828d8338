#include "view_link.h"

#include "clock.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_is_up(struct view_link *link, bool is_up)
{
    if (link->is_up == is_up)
        return;
    link->is_up = is_up;
    if (link->observer->connected != NULL)
        link->observer->connected(link->observer->context, is_up ? 1 : -1);
}

static enum status connect_by(struct view_link *link, int64_t deadline_us, struct error *error)
{
    int64_t now_us = clock_monotonic_us();
    int64_t limit_us = now_us + VIEW_CONNECT_MS * MICROSECONDS_PER_MILLISECOND;
    enum status status =
        link->source->connect(link->source->self, earlier(deadline_us, limit_us), error);
    set_is_up(link, status == STATUS_OK);
    return status;
}

enum status view_link_connect(struct view_link *link, struct error *error)
{
    if (link->is_up)
        return STATUS_OK;
    return connect_by(link, INT64_MAX, error);
}

/* The attempts at one call. If the connection turns out to be broken, it is made again, once. */
struct attempts {
    struct view_link *link;
    int64_t began_us;
    int64_t deadline_us;
    int count;
    enum status status; /* of the last one */
};

static struct attempts attempts_of(struct view_link *link)
{
    int64_t now_us = clock_monotonic_us();
    return (struct attempts){.link = link,
                             .began_us = now_us,
                             .deadline_us = now_us + VIEW_CALL_MS * MICROSECONDS_PER_MILLISECOND};
}

static bool is_worth_another(const struct attempts *attempts)
{
    bool is_broken = attempts->status == STATUS_UNAVAILABLE || attempts->status == STATUS_UNCERTAIN;
    return is_broken && attempts->count < 2 &&
           clock_monotonic_us() - attempts->began_us < VIEW_RETRY_MS * MICROSECONDS_PER_MILLISECOND;
}

/* Connects for the next attempt. False: there is none, and attempts->status is the final result. */
static bool next_attempt(struct attempts *attempts, struct error *error)
{
    while (attempts->count == 0 || is_worth_another(attempts)) {
        attempts->count++;
        attempts->status = connect_by(attempts->link, attempts->deadline_us, error);
        if (attempts->status == STATUS_OK)
            return true;
    }
    set_is_up(attempts->link, attempts->status == STATUS_OK ||
                                  attempts->status == STATUS_INTERNAL ||
                                  attempts->status == STATUS_NOT_FOUND);
    return false;
}

enum status view_link_find(struct view_link *link, const struct view_lookup *lookups, size_t count,
                           view_found_fn *found, void *context, struct error *error)
{
    const struct view_source *source = link->source;
    struct attempts attempts = attempts_of(link);
    while (next_attempt(&attempts, error))
        attempts.status =
            source->find(source->self, lookups, count, attempts.deadline_us, found, context, error);
    return attempts.status;
}

enum status view_link_list(struct view_link *link, const struct view_list *list, view_row_fn *row,
                           void *context, bool *ret_more, struct error *error)
{
    const struct view_source *source = link->source;
    struct attempts attempts = attempts_of(link);
    while (next_attempt(&attempts, error))
        attempts.status =
            source->list(source->self, list, attempts.deadline_us, row, context, ret_more, error);
    return attempts.status;
}

enum status view_link_events(struct view_link *link, const struct view_events *events,
                             view_event_fn *event, void *context, bool *ret_more,
                             struct error *error)
{
    const struct view_source *source = link->source;
    struct attempts attempts = attempts_of(link);
    while (next_attempt(&attempts, error))
        attempts.status = source->events(source->self, events, attempts.deadline_us, event, context,
                                         ret_more, error);
    return attempts.status;
}

enum status view_link_version_at(struct view_link *link, const struct uuid *cart_id,
                                 int64_t time_us, int32_t *ret_version, struct error *error)
{
    const struct view_source *source = link->source;
    struct attempts attempts = attempts_of(link);
    while (next_attempt(&attempts, error))
        attempts.status = source->version_at(source->self, cart_id, time_us, attempts.deadline_us,
                                             ret_version, error);
    return attempts.status;
}

enum status view_link_ping(struct view_link *link, struct error *error)
{
    return view_link_find(link, NULL, 0, NULL, NULL, error);
}
