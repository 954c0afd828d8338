#include "event_data.h"

#include <assert.h>

static void put_text(struct json_out *out, const char *key, struct str value)
{
    json_out_key(out, key);
    json_out_string(out, value);
}

static void put_int(struct json_out *out, const char *key, int64_t value)
{
    json_out_key(out, key);
    json_out_int(out, value);
}

static void put_uuid(struct json_out *out, const char *key, const struct uuid *value)
{
    json_out_key(out, key);
    json_out_uuid(out, value);
}

static void put_lines(struct json_out *out, const struct cart_line *lines, size_t count,
                      bool with_total)
{
    json_out_key(out, "items");
    json_out_array(out);
    for (size_t i = 0; i < count; i++)
        cart_line_write(&lines[i], with_total, out);
    json_out_end_array(out);
}

static void put_amount(struct json_out *out, const char *key, int64_t amount, const char *currency)
{
    struct money money = {.amount_minor = amount};
    memcpy(money.currency, currency, sizeof(money.currency));
    json_out_key(out, key);
    json_out_money(out, money);
}

static void write_cart_created(const struct cart_created *event, struct json_out *out)
{
    put_text(out, "currency", str_from(event->currency));
    put_text(out, "customerId", event->customer_id);
}

static void write_item_added(const struct item_added *event, struct json_out *out)
{
    put_text(out, "sku", event->line.sku);
    put_text(out, "name", event->line.name);
    put_int(out, "quantity", event->line.quantity);
    json_out_key(out, "unitPrice");
    json_out_money(out, event->line.unit_price);
    put_int(out, "lineQuantity", event->line_quantity);
}

static void write_item_quantity_changed(const struct item_quantity_changed *event,
                                        struct json_out *out)
{
    put_text(out, "sku", event->sku);
    put_int(out, "quantity", event->quantity);
    put_int(out, "previousQuantity", event->previous_quantity);
}

static void write_item_removed(const struct item_removed *event, struct json_out *out)
{
    put_text(out, "sku", event->sku);
    put_int(out, "quantity", event->quantity);
    put_int(out, "lineQuantity", event->line_quantity);
}

static void write_cart_cleared(const struct cart_cleared *event, struct json_out *out)
{
    put_int(out, "lineCount", event->line_count);
}

static void write_customer_assigned(const struct customer_assigned *event, struct json_out *out)
{
    put_text(out, "customerId", event->customer_id);
    put_text(out, "previousCustomerId", event->previous_customer_id);
}

static void write_coupon_applied(const struct coupon_applied *event, struct json_out *out)
{
    cart_coupon_write_members(&event->coupon, out);
}

static void write_coupon_removed(const struct coupon_removed *event, struct json_out *out)
{
    put_text(out, "code", event->code);
}

static void write_cart_merged(const struct cart_merged *event, struct json_out *out)
{
    put_uuid(out, "sourceCartId", &event->source_cart_id);
    put_int(out, "sourceVersion", event->source_version);
    put_text(out, "strategy", event->strategy);
    put_lines(out, event->items, event->item_count, false);
}

static void write_cart_merged_away(const struct cart_merged_away *event, struct json_out *out)
{
    put_uuid(out, "targetCartId", &event->target_cart_id);
}

static void write_cart_checked_out(const struct cart_checked_out *event, struct json_out *out)
{
    put_text(out, "orderId", event->order_id);
    put_text(out, "customerId", event->customer_id);
    put_lines(out, event->items, event->item_count, true);
    json_out_key(out, "coupons");
    json_out_array(out);
    for (size_t i = 0; i < event->coupon_count; i++)
        cart_coupon_write(&event->coupons[i], out);
    json_out_end_array(out);
    put_amount(out, "subtotal", event->totals.subtotal, event->currency);
    put_amount(out, "discountTotal", event->totals.discount, event->currency);
    put_amount(out, "total", event->totals.total, event->currency);
}

static void write_cart_cancelled(const struct cart_cancelled *event, struct json_out *out)
{
    (void)event;
    (void)out;
}

const char *expiry_policy_name(enum expiry_policy policy)
{
    static const char *const names[EXPIRY_POLICY_COUNT] = {"unknown", "guest", "customer"};
    assert(policy < EXPIRY_POLICY_COUNT);
    return names[policy];
}

static void write_cart_expired(const struct cart_expired *event, struct json_out *out)
{
    json_out_key(out, "lastChangedAt");
    json_out_time(out, event->last_changed_at_us);
    json_out_key(out, "policy");
    json_out_string(out, str_from(expiry_policy_name(event->policy)));
}

void event_data_write(const struct event_data *data, struct text *text)
{
    struct json_out out = json_out_to(text);
    json_out_object(&out);
    switch (data->type) {
#define X(upper, lower, name, schema_version)                                                      \
    case EVENT_##upper:                                                                            \
        write_##lower(&data->lower, &out);                                                         \
        break;
        EVENT_TYPES(X)
#undef X
    case EVENT_TYPE_COUNT:
        assert(false);
    }
    json_out_end_object(&out);
}
