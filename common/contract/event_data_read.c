#include "event_data.h"

#include "json_scan.h"
#include "object_reader.h"
#include "upcaster.h"

#include <stdlib.h>

/* Owns the texts and arrays of an event that was read. */
struct event_source {
    json_t *object;
    struct cart_line *items;
    struct cart_coupon *coupons;
};

static struct cart_line read_line(struct object_reader *reader)
{
    return (struct cart_line){
        .sku = object_reader_text(reader, "sku"),
        .name = object_reader_text_or_empty(reader, "name"),
        .quantity = object_reader_quantity(reader, "quantity"),
        .unit_price = object_reader_money(reader, "unitPrice", MONEY_AMOUNT_MAX),
    };
}

static struct cart_coupon read_coupon(struct object_reader *reader)
{
    struct cart_coupon coupon = {.code = object_reader_text(reader, "code")};
    bool percent = object_reader_find(reader, "percentOff") != NULL;
    bool amount = object_reader_find(reader, "amountOff") != NULL;
    if (percent == amount)
        object_reader_fail(reader, "code", "must come with either percentOff or amountOff");
    else if (percent)
        coupon.percent_off = (int32_t)object_reader_int(reader, "percentOff", 1, 100);
    else
        coupon.amount_off = object_reader_money(reader, "amountOff", MONEY_AMOUNT_MAX);
    return coupon;
}

static void check_line_total(struct object_reader *reader, const struct cart_line *line)
{
    struct money total = object_reader_money(reader, "lineTotal", INT64_MAX);
    int64_t expected;
    if (!money_multiply(line->unit_price.amount_minor, line->quantity, &expected) ||
        total.amount_minor != expected ||
        memcmp(total.currency, line->unit_price.currency, sizeof(total.currency)) != 0)
        object_reader_fail(reader, "lineTotal", "is not quantity times unitPrice");
}

static struct cart_line *read_lines(struct object_reader *reader, bool with_total,
                                    size_t *ret_count)
{
    const json_t *array = object_reader_array(reader, "items");
    size_t count = json_array_size(array);
    *ret_count = 0;
    if (count == 0 || reader->status != STATUS_OK)
        return NULL;
    struct cart_line *lines = calloc(count, sizeof(*lines));
    if (lines == NULL) {
        reader->status = error_set(reader->error, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count && reader->status == STATUS_OK; i++) {
        struct object_reader line = {json_array_get(array, i), "items", i, STATUS_OK,
                                     reader->error};
        lines[i] = read_line(&line);
        if (with_total)
            check_line_total(&line, &lines[i]);
        reader->status = line.status;
    }
    *ret_count = count;
    return lines;
}

static struct cart_coupon *read_coupons(struct object_reader *reader, size_t *ret_count)
{
    const json_t *array = object_reader_array(reader, "coupons");
    size_t count = json_array_size(array);
    *ret_count = 0;
    if (count == 0 || reader->status != STATUS_OK)
        return NULL;
    struct cart_coupon *coupons = calloc(count, sizeof(*coupons));
    if (coupons == NULL) {
        reader->status = error_set(reader->error, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count && reader->status == STATUS_OK; i++) {
        struct object_reader coupon = {json_array_get(array, i), "coupons", i, STATUS_OK,
                                       reader->error};
        coupons[i] = read_coupon(&coupon);
        reader->status = coupon.status;
    }
    *ret_count = count;
    return coupons;
}

static void read_cart_created(struct object_reader *reader, struct event_source *source,
                              struct cart_created *event)
{
    (void)source;
    object_reader_currency(reader, "currency", event->currency);
    event->customer_id = object_reader_text_or_null(reader, "customerId");
}

static void read_item_added(struct object_reader *reader, struct event_source *source,
                            struct item_added *event)
{
    (void)source;
    event->line = read_line(reader);
    event->line_quantity = object_reader_quantity(reader, "lineQuantity");
}

static void read_item_quantity_changed(struct object_reader *reader, struct event_source *source,
                                       struct item_quantity_changed *event)
{
    (void)source;
    event->sku = object_reader_text(reader, "sku");
    event->quantity = object_reader_quantity(reader, "quantity");
    event->previous_quantity = object_reader_quantity(reader, "previousQuantity");
}

static void read_item_removed(struct object_reader *reader, struct event_source *source,
                              struct item_removed *event)
{
    (void)source;
    event->sku = object_reader_text(reader, "sku");
    event->quantity = object_reader_quantity(reader, "quantity");
    event->line_quantity = object_reader_quantity(reader, "lineQuantity");
}

static void read_cart_cleared(struct object_reader *reader, struct event_source *source,
                              struct cart_cleared *event)
{
    (void)source;
    event->line_count = object_reader_quantity(reader, "lineCount");
}

static void read_customer_assigned(struct object_reader *reader, struct event_source *source,
                                   struct customer_assigned *event)
{
    (void)source;
    event->customer_id = object_reader_text(reader, "customerId");
    event->previous_customer_id = object_reader_text_or_null(reader, "previousCustomerId");
}

static void read_coupon_applied(struct object_reader *reader, struct event_source *source,
                                struct coupon_applied *event)
{
    (void)source;
    event->coupon = read_coupon(reader);
}

static void read_coupon_removed(struct object_reader *reader, struct event_source *source,
                                struct coupon_removed *event)
{
    (void)source;
    event->code = object_reader_text(reader, "code");
}

static void read_cart_merged(struct object_reader *reader, struct event_source *source,
                             struct cart_merged *event)
{
    event->source_cart_id = object_reader_uuid(reader, "sourceCartId");
    event->source_version = (int32_t)object_reader_int(reader, "sourceVersion", 1, INT32_MAX);
    event->strategy = object_reader_text(reader, "strategy");
    event->items = source->items = read_lines(reader, false, &event->item_count);
}

static void read_cart_merged_away(struct object_reader *reader, struct event_source *source,
                                  struct cart_merged_away *event)
{
    (void)source;
    event->target_cart_id = object_reader_uuid(reader, "targetCartId");
}

/* The three totals are in one currency, the cart's. */
static void read_totals(struct object_reader *reader, struct cart_checked_out *event)
{
    struct money subtotal = object_reader_money(reader, "subtotal", INT64_MAX);
    struct money discount = object_reader_money(reader, "discountTotal", INT64_MAX);
    struct money total = object_reader_money(reader, "total", INT64_MAX);
    if (strcmp(subtotal.currency, discount.currency) != 0 ||
        strcmp(subtotal.currency, total.currency) != 0)
        object_reader_fail(reader, "total", "is in another currency");
    memcpy(event->currency, subtotal.currency, sizeof(event->currency));
    event->totals = (struct cart_totals){.subtotal = subtotal.amount_minor,
                                         .discount = discount.amount_minor,
                                         .total = total.amount_minor};
}

static void read_cart_checked_out(struct object_reader *reader, struct event_source *source,
                                  struct cart_checked_out *event)
{
    event->order_id = object_reader_text_or_null(reader, "orderId");
    event->customer_id = object_reader_text_or_null(reader, "customerId");
    event->items = source->items = read_lines(reader, true, &event->item_count);
    event->coupons = source->coupons = read_coupons(reader, &event->coupon_count);
    read_totals(reader, event);
}

static void read_cart_cancelled(struct object_reader *reader, struct event_source *source,
                                struct cart_cancelled *event)
{
    (void)reader;
    (void)source;
    (void)event;
}

static void read_cart_expired(struct object_reader *reader, struct event_source *source,
                              struct cart_expired *event)
{
    (void)source;
    event->last_changed_at_us = object_reader_time(reader, "lastChangedAt");
    struct str policy = object_reader_text(reader, "policy");
    event->policy = 0;
    while (event->policy < EXPIRY_POLICY_COUNT &&
           !str_equal_literal(policy, expiry_policy_name(event->policy)))
        event->policy++;
    if (event->policy == EXPIRY_POLICY_COUNT)
        object_reader_fail(reader, "policy", "is not one of unknown, guest, customer");
}

static void source_free(struct event_source *source)
{
    if (source == NULL)
        return;
    json_decref(source->object);
    free(source->items);
    free(source->coupons);
    free(source);
}

static enum status read_members(enum event_type type, struct event_source *source,
                                struct event_data *data, struct error *error)
{
    struct object_reader reader = {.object = source->object, .error = error};
    switch (type) {
#define X(upper, lower, name, schema_version)                                                      \
    case EVENT_##upper:                                                                            \
        read_##lower(&reader, source, &data->lower);                                               \
        break;
        EVENT_TYPES(X)
#undef X
    case EVENT_TYPE_COUNT:
        break;
    }
    return reader.status;
}

enum status event_data_read(struct str type, int schema_version, struct str json,
                            struct event_data *ret_data, struct error *error)
{
    struct event_data data = {0};
    if (!event_type_parse(type, &data.type))
        return error_set(error, STATUS_INVALID, "unknown event type " STR_FORMAT, STR_ARGS(type));
    if (json.length > EVENT_DATA_MAX)
        return error_set(error, STATUS_INVALID, "more than %d bytes", EVENT_DATA_MAX);
    struct event_source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    enum status status = json_object_parse(json, JSON_DEPTH_MAX, &source->object, error);
    if (status == STATUS_OK)
        status = event_upcast(data.type, schema_version, &source->object, error);
    if (status == STATUS_OK)
        status = read_members(data.type, source, &data, error);
    if (status != STATUS_OK) {
        source_free(source);
        return status;
    }
    data.source = source;
    *ret_data = data;
    return STATUS_OK;
}

void event_data_done(struct event_data *data)
{
    source_free(data->source);
    *data = (struct event_data){0};
}
