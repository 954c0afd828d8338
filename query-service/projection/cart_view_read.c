#include "cart_view_internal.h"

#include "object_reader.h"

static struct str copy_text(struct object_reader *reader, struct str text)
{
    struct str copy = STR_NONE;
    if (!view_text_copy(text, &copy))
        reader->status = view_no_memory(reader->error);
    return copy;
}

/* Of the cart's own currency. */
static struct money read_money(struct object_reader *reader, const char *name,
                               const struct cart_view *view)
{
    struct money money = object_reader_money(reader, name, INT64_MAX);
    if (strcmp(money.currency, view->currency) != 0)
        object_reader_fail(reader, name, "is in another currency");
    return money;
}

static void read_line(struct object_reader *reader, struct cart_view *view)
{
    if (!view_reserve_line(view)) {
        reader->status = view_no_memory(reader->error);
        return;
    }
    view->lines[view->line_count++] = (struct cart_line){
        .sku = copy_text(reader, object_reader_text(reader, "sku")),
        .name = copy_text(reader, object_reader_text_or_empty(reader, "name")),
        .quantity = (int32_t)object_reader_int(reader, "quantity", 1, INT32_MAX),
        .unit_price = read_money(reader, "unitPrice", view),
    };
}

static void read_coupon(struct object_reader *reader, struct cart_view *view)
{
    if (!view_reserve_coupon(view)) {
        reader->status = view_no_memory(reader->error);
        return;
    }
    struct cart_coupon coupon = {.code = copy_text(reader, object_reader_text(reader, "code"))};
    if (object_reader_find(reader, "percentOff") != NULL)
        coupon.percent_off = (int32_t)object_reader_int(reader, "percentOff", 1, 100);
    else
        coupon.amount_off = read_money(reader, "amountOff", view);
    view->coupons[view->coupon_count++] = coupon;
}

static void read_array(struct object_reader *reader, const char *name, struct cart_view *view,
                       void (*read)(struct object_reader *, struct cart_view *))
{
    const json_t *array = object_reader_array(reader, name);
    for (size_t i = 0; reader->status == STATUS_OK && i < json_array_size(array); i++) {
        struct object_reader element = {json_array_get(array, i), name, i, STATUS_OK,
                                        reader->error};
        read(&element, view);
        reader->status = element.status;
    }
}

static void read_end(struct object_reader *reader, struct cart_view *view)
{
    view->created_at_us = object_reader_time(reader, "createdAt");
    view->updated_at_us = object_reader_time(reader, "updatedAt");
    if (view->status != CART_VIEW_OPEN)
        view->closed_at_us = object_reader_time(reader, "closedAt");
    view->order_id = copy_text(reader, object_reader_text_or_null(reader, "orderId"));
    if (view->status == CART_VIEW_MERGED)
        view->merged_into = object_reader_uuid(reader, "mergedInto");
}

static void read_view(struct object_reader *reader, struct cart_view *view)
{
    view->cart_id = object_reader_uuid(reader, "cartId");
    if (!cart_view_status_parse(object_reader_text(reader, "status"), &view->status))
        object_reader_fail(reader, "status", "is not one that a cart can have");
    view->customer_id = copy_text(reader, object_reader_text_or_null(reader, "customerId"));
    object_reader_currency(reader, "currency", view->currency);
    view->version = (int32_t)object_reader_int(reader, "version", 1, INT32_MAX);
    read_array(reader, "items", view, read_line);
    read_array(reader, "coupons", view, read_coupon);
    if (!view_totals_fit(view->lines, view->line_count))
        object_reader_fail(reader, "items", "have a total that does not fit in 64 bits");
    read_end(reader, view);
}

enum status cart_view_read(struct str json, struct cart_view *ret_view, struct error *error)
{
    json_t *root = json_loadb(json.bytes, json.length, 0, NULL);
    if (root == NULL)
        return error_set(error, STATUS_INVALID, "a stored cart view is not JSON");
    struct error problem;
    struct object_reader reader = {.object = root, .error = &problem};
    struct cart_view view = {0};
    read_view(&reader, &view);
    json_decref(root);
    if (reader.status != STATUS_OK) {
        cart_view_done(&view);
        return error_set(error, reader.status, "a stored cart view cannot be read: %s",
                         problem.message);
    }
    *ret_view = view;
    return STATUS_OK;
}
