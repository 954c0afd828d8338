#include "cart_view_internal.h"

static const char *const status_names[] = {
    [CART_VIEW_ABSENT] = "absent",           [CART_VIEW_OPEN] = "open",
    [CART_VIEW_CHECKED_OUT] = "checked_out", [CART_VIEW_CANCELLED] = "cancelled",
    [CART_VIEW_EXPIRED] = "expired",         [CART_VIEW_MERGED] = "merged",
};
_Static_assert(ARRAY_SIZE(status_names) == CART_VIEW_STATUS_COUNT, "a name for each status");

const char *cart_view_status_name(enum cart_view_status status)
{
    return status_names[status];
}

bool cart_view_status_parse(struct str name, enum cart_view_status *ret_status)
{
    for (size_t i = CART_VIEW_OPEN; i < CART_VIEW_STATUS_COUNT; i++) {
        if (!str_equal_literal(name, status_names[i]))
            continue;
        *ret_status = (enum cart_view_status)i;
        return true;
    }
    return false;
}

/* Whether any event, and whether this one, can come now. */
static enum status check_order(const struct cart_view *view, enum event_type type,
                               const struct recorded_event *event, struct error *error)
{
    if ((int64_t)event->version != (int64_t)view->version + 1)
        return error_set(error, STATUS_INVALID, "version %d after %d", event->version,
                         view->version);
    enum cart_view_status needed = type == EVENT_CART_CREATED ? CART_VIEW_ABSENT : CART_VIEW_OPEN;
    if (view->status != needed)
        return error_set(error, STATUS_INVALID, "%s on a cart that is %s", event_type_name(type),
                         cart_view_status_name(view->status));
    if (needed == CART_VIEW_OPEN && !uuid_equal(&event->cart_id, &view->cart_id))
        return error_set(error, STATUS_INVALID, "an event of another cart");
    return STATUS_OK;
}

static enum status apply_data(struct cart_view *view, const struct event_data *data,
                              struct error *error)
{
    switch (data->type) {
#define X(upper, lower, name, schema_version)                                                      \
    case EVENT_##upper:                                                                            \
        return view_apply_##lower(view, &data->lower, error);
        EVENT_TYPES(X)
#undef X
    case EVENT_TYPE_COUNT:
        break;
    }
    return error_set(error, STATUS_INVALID, "an event of no known type");
}

enum status cart_view_apply(struct cart_view *view, const struct event_data *data,
                            const struct recorded_event *event, struct error *error)
{
    enum status status = check_order(view, data->type, event, error);
    if (status != STATUS_OK)
        return status;
    status = apply_data(view, data, error);
    if (status != STATUS_OK)
        return status;

    if (data->type == EVENT_CART_CREATED) {
        view->cart_id = event->cart_id;
        view->created_at_us = event->occurred_at_us;
    }
    view->version = event->version;
    view->updated_at_us = event->occurred_at_us;
    if (view->status != CART_VIEW_OPEN)
        view->closed_at_us = event->occurred_at_us;
    return STATUS_OK;
}

enum status cart_view_apply_event(struct cart_view *view, const struct recorded_event *event,
                                  struct error *error)
{
    AUTO(event_data_done) struct event_data data = {0};
    enum status status =
        event_data_read(event->type, event->schema_version, event->data, &data, error);
    return status == STATUS_OK ? cart_view_apply(view, &data, event, error) : status;
}
