#include "view_rewind.h"

#include "view_row.h"

#include <inttypes.h>

struct rewind {
    size_t whole; /* of the views: carts whose events have all come */
    struct cart_view views[REWIND_EVENTS_MAX + 1];
    struct text bodies;
};

static enum status take_event(void *context, const struct recorded_event *event,
                              struct error *error)
{
    struct rewind *rewind = context;
    struct cart_view *view = &rewind->views[rewind->whole];
    if (view->version > 0 && !uuid_equal(&event->cart_id, &view->cart_id))
        view = &rewind->views[++rewind->whole];
    struct error problem = {0};
    enum status status = cart_view_apply_event(view, event, &problem);
    return status == STATUS_OK ? status
                               : error_set(error, status, "position %" PRId64 " before it: %s",
                                           event->position, problem.message);
}

/* Stores the views that are whole; the unfinished one becomes the first. */
static enum status put_views(const struct view_store *store, int16_t partition,
                             struct rewind *rewind, struct error *error)
{
    struct view_row rows[REWIND_EVENTS_MAX + 1];
    size_t ends[REWIND_EVENTS_MAX + 1];
    if (rewind->whole == 0)
        return STATUS_OK;
    text_clear(&rewind->bodies);
    for (size_t i = 0; i < rewind->whole; i++) {
        cart_view_render(&rewind->views[i], &rewind->bodies);
        ends[i] = rewind->bodies.length;
    }
    if (!text_ok(&rewind->bodies))
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    for (size_t i = 0, start = 0; i < rewind->whole; start = ends[i++])
        rows[i] = view_row_of(&rewind->views[i], partition,
                              (struct str){rewind->bodies.bytes + start, ends[i] - start});
    enum status status = store->rewind_put(store->self, rows, rewind->whole, error);
    for (size_t i = 0; i < rewind->whole; i++)
        cart_view_done(&rewind->views[i]);
    rewind->views[0] = rewind->views[rewind->whole];
    rewind->views[rewind->whole] = (struct cart_view){0};
    rewind->whole = 0;
    return status;
}

static enum status put_all(const struct view_store *store, int16_t partition, struct rewind *rewind,
                           struct error *error)
{
    bool more = true;
    while (more) {
        enum status status = store->rewind_read(store->self, take_event, rewind, &more, error);
        if (status == STATUS_OK && !more && rewind->views[rewind->whole].version > 0)
            rewind->whole++;
        if (status == STATUS_OK)
            status = put_views(store, partition, rewind, error);
        if (status != STATUS_OK)
            return status;
    }
    return store->rewind_commit(store->self, error);
}

enum status view_rewind(const struct view_store *store, int16_t partition, int64_t position,
                        struct rewound *ret_rewound, struct error *error)
{
    struct rewound rewound;
    enum status status = store->rewind_begin(store->self, partition, position, &rewound, error);
    if (status != STATUS_OK)
        return status;
    struct rewind rewind = {.bodies = TEXT_INIT(REWIND_BODIES_MAX)};
    status = put_all(store, partition, &rewind, error);
    if (status == STATUS_OK)
        *ret_rewound = rewound;
    else
        store->abandon(store->self);
    for (size_t i = 0; i <= rewind.whole; i++)
        cart_view_done(&rewind.views[i]);
    text_done(&rewind.bodies);
    return status;
}
