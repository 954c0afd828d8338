#include "view_link.h"

#include "clock.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_up(struct view_link *link, bool is_up)
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
    set_up(link, status == STATUS_OK);
    return status;
}

enum status view_link_connect(struct view_link *link, struct error *error)
{
    if (link->is_up)
        return STATUS_OK;
    return connect_by(link, INT64_MAX, error);
}

/* One of the calls, so that they share the second try. */
struct call {
    enum view_question question;
    const struct view_lookup *lookups;
    size_t count;
    view_found_fn *found;
    const struct view_list *list;
    view_row_fn *row;
    const struct view_events *events;
    view_event_fn *event;
    bool *ret_more;
    const struct uuid *cart_id;
    int64_t time_us;
    int32_t *ret_version;
    void *context;
};

static enum status try_once(struct view_link *link, const struct call *call, int64_t deadline_us,
                            struct error *error)
{
    enum status status = connect_by(link, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    const struct view_source *source = link->source;
    switch (call->question) {
    case VIEW_CART:
        return source->find(source->self, call->lookups, call->count, deadline_us, call->found,
                            call->context, error);
    case VIEW_PAGE:
        return source->list(source->self, call->list, deadline_us, call->row, call->context,
                            call->ret_more, error);
    case VIEW_EVENTS:
        return source->events(source->self, call->events, deadline_us, call->event, call->context,
                              call->ret_more, error);
    case VIEW_VERSION_AT:
        break;
    }
    return source->version_at(source->self, call->cart_id, call->time_us, deadline_us,
                              call->ret_version, error);
}

static bool is_broken(enum status status)
{
    return status == STATUS_UNAVAILABLE || status == STATUS_UNCERTAIN;
}

static enum status run(struct view_link *link, const struct call *call, struct error *error)
{
    int64_t start_us = clock_monotonic_us();
    int64_t deadline_us = start_us + VIEW_CALL_MS * MICROSECONDS_PER_MILLISECOND;
    enum status status = try_once(link, call, deadline_us, error);
    bool was_quick = clock_monotonic_us() - start_us < VIEW_RETRY_MS * MICROSECONDS_PER_MILLISECOND;
    if (is_broken(status) && was_quick)
        status = try_once(link, call, deadline_us, error);
    set_up(link, status == STATUS_OK || status == STATUS_INTERNAL || status == STATUS_NOT_FOUND);
    return status;
}

enum status view_link_find(struct view_link *link, const struct view_lookup *lookups, size_t count,
                           view_found_fn *found, void *context, struct error *error)
{
    struct call call = {.question = VIEW_CART,
                        .lookups = lookups,
                        .count = count,
                        .found = found,
                        .context = context};
    return run(link, &call, error);
}

enum status view_link_list(struct view_link *link, const struct view_list *list, view_row_fn *row,
                           void *context, bool *ret_more, struct error *error)
{
    struct call call = {
        .question = VIEW_PAGE, .list = list, .row = row, .ret_more = ret_more, .context = context};
    return run(link, &call, error);
}

enum status view_link_events(struct view_link *link, const struct view_events *events,
                             view_event_fn *event, void *context, bool *ret_more,
                             struct error *error)
{
    struct call call = {.question = VIEW_EVENTS,
                        .events = events,
                        .event = event,
                        .ret_more = ret_more,
                        .context = context};
    return run(link, &call, error);
}

enum status view_link_version_at(struct view_link *link, const struct uuid *cart_id,
                                 int64_t time_us, int32_t *ret_version, struct error *error)
{
    struct call call = {.question = VIEW_VERSION_AT,
                        .cart_id = cart_id,
                        .time_us = time_us,
                        .ret_version = ret_version};
    return run(link, &call, error);
}

enum status view_link_ping(struct view_link *link, struct error *error)
{
    return view_link_find(link, NULL, 0, NULL, NULL, error);
}
