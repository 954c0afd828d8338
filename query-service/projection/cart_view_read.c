#include "cart_view_internal.h"

#include "clock.h"

#include <jansson.h>
#include <stdlib.h>

/* The first failure is kept and everything after it does nothing. */
struct reader {
    enum status status;
    const char *member; /* that failed */
};

static void fail(struct reader *reader, enum status status, const char *member)
{
    if (reader->status != STATUS_OK)
        return;
    reader->status = status;
    reader->member = member;
}

/* Borrowed; none for null when that is allowed. */
static struct str get_text(struct reader *reader, const json_t *object, const char *member,
                           bool may_be_null)
{
    const json_t *value = json_object_get(object, member);
    if (json_is_string(value))
        return (struct str){json_string_value(value), json_string_length(value)};
    if (!may_be_null || !json_is_null(value))
        fail(reader, STATUS_INVALID, member);
    return STR_NONE;
}

static struct str copy_text(struct reader *reader, const json_t *object, const char *member,
                            bool may_be_null)
{
    struct str copy = STR_NONE;
    if (!view_text_copy(get_text(reader, object, member, may_be_null), &copy))
        fail(reader, STATUS_NO_MEMORY, member);
    return copy;
}

static int64_t get_int(struct reader *reader, const json_t *object, const char *member,
                       int64_t minimum, int64_t maximum)
{
    const json_t *value = json_object_get(object, member);
    if (json_is_integer(value) && json_integer_value(value) >= minimum &&
        json_integer_value(value) <= maximum)
        return json_integer_value(value);
    fail(reader, STATUS_INVALID, member);
    return minimum;
}

static int64_t get_time(struct reader *reader, const json_t *object, const char *member)
{
    int64_t time_us = 0;
    if (!time_parse(get_text(reader, object, member, false), &time_us))
        fail(reader, STATUS_INVALID, member);
    return time_us;
}

static struct uuid get_uuid(struct reader *reader, const json_t *object, const char *member)
{
    struct uuid uuid = {0};
    if (!uuid_parse(get_text(reader, object, member, false), &uuid))
        fail(reader, STATUS_INVALID, member);
    return uuid;
}

static void get_currency(struct reader *reader, const json_t *object,
                         char ret_currency[CURRENCY_LENGTH + 1])
{
    if (!currency_parse(get_text(reader, object, "currency", false), ret_currency))
        fail(reader, STATUS_INVALID, "currency");
}

/* Of the cart's own currency. */
static struct money get_money(struct reader *reader, const json_t *object, const char *member,
                              const struct cart_view *view)
{
    const json_t *value = json_object_get(object, member);
    struct money money = {.amount_minor = get_int(reader, value, "amountMinor", 0, INT64_MAX)};
    get_currency(reader, value, money.currency);
    if (strcmp(money.currency, view->currency) != 0)
        fail(reader, STATUS_INVALID, member);
    return money;
}

static void read_line(struct reader *reader, const json_t *item, struct cart_view *view)
{
    if (!view_reserve_line(view)) {
        fail(reader, STATUS_NO_MEMORY, "items");
        return;
    }
    view->lines[view->line_count++] = (struct cart_line){
        .sku = copy_text(reader, item, "sku", false),
        .name = copy_text(reader, item, "name", false),
        .quantity = (int32_t)get_int(reader, item, "quantity", 1, INT32_MAX),
        .unit_price = get_money(reader, item, "unitPrice", view),
    };
}

static void read_coupon(struct reader *reader, const json_t *item, struct cart_view *view)
{
    if (!view_reserve_coupon(view)) {
        fail(reader, STATUS_NO_MEMORY, "coupons");
        return;
    }
    struct cart_coupon coupon = {.code = copy_text(reader, item, "code", false)};
    if (json_object_get(item, "percentOff") != NULL)
        coupon.percent_off = (int32_t)get_int(reader, item, "percentOff", 1, 100);
    else
        coupon.amount_off = get_money(reader, item, "amountOff", view);
    view->coupons[view->coupon_count++] = coupon;
}

static void read_array(struct reader *reader, const json_t *root, const char *member,
                       struct cart_view *view,
                       void (*read)(struct reader *, const json_t *, struct cart_view *))
{
    const json_t *array = json_object_get(root, member);
    if (!json_is_array(array))
        fail(reader, STATUS_INVALID, member);
    for (size_t i = 0; reader->status == STATUS_OK && i < json_array_size(array); i++)
        read(reader, json_array_get(array, i), view);
}

static void read_end(struct reader *reader, const json_t *root, struct cart_view *view)
{
    view->created_at_us = get_time(reader, root, "createdAt");
    view->updated_at_us = get_time(reader, root, "updatedAt");
    if (view->status != CART_VIEW_OPEN)
        view->closed_at_us = get_time(reader, root, "closedAt");
    view->order_id = copy_text(reader, root, "orderId", true);
    if (view->status == CART_VIEW_MERGED)
        view->merged_into = get_uuid(reader, root, "mergedInto");
}

static void read_view(struct reader *reader, const json_t *root, struct cart_view *view)
{
    view->cart_id = get_uuid(reader, root, "cartId");
    if (!cart_view_status_parse(get_text(reader, root, "status", false), &view->status))
        fail(reader, STATUS_INVALID, "status");
    view->customer_id = copy_text(reader, root, "customerId", true);
    get_currency(reader, root, view->currency);
    view->version = (int32_t)get_int(reader, root, "version", 1, INT32_MAX);
    read_array(reader, root, "items", view, read_line);
    read_array(reader, root, "coupons", view, read_coupon);
    if (!view_totals_fit(view->lines, view->line_count))
        fail(reader, STATUS_INVALID, "items");
    read_end(reader, root, view);
}

enum status cart_view_read(struct str json, struct cart_view *ret_view, struct error *error)
{
    json_t *root = json_loadb(json.bytes, json.length, 0, NULL);
    if (root == NULL)
        return error_set(error, STATUS_INVALID, "a stored cart view is not JSON");
    struct reader reader = {STATUS_OK, NULL};
    struct cart_view view = {0};
    read_view(&reader, root, &view);
    json_decref(root);
    if (reader.status != STATUS_OK) {
        cart_view_done(&view);
        return error_set(error, reader.status, "a stored cart view cannot be read: '%s'",
                         reader.member);
    }
    *ret_view = view;
    return STATUS_OK;
}
