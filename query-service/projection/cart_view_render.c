#include "cart_view_internal.h"

#include <assert.h>

static void write_money(struct json_out *out, const char *key, const struct cart_view *view,
                        int64_t amount_minor)
{
    struct money money = {.amount_minor = amount_minor};
    memcpy(money.currency, view->currency, sizeof(money.currency));
    json_out_key(out, key);
    json_out_money(out, money);
}

static void write_items(struct json_out *out, const struct cart_view *view)
{
    int64_t item_count = 0;
    json_out_key(out, "items");
    json_out_array(out);
    for (size_t i = 0; i < view->line_count; i++) {
        cart_line_write(&view->lines[i], true, out);
        item_count += view->lines[i].quantity;
    }
    json_out_end_array(out);
    json_out_key(out, "lineCount");
    json_out_int(out, (int64_t)view->line_count);
    json_out_key(out, "itemCount");
    json_out_int(out, item_count);
}

static void write_coupons(struct json_out *out, const struct cart_view *view)
{
    json_out_key(out, "coupons");
    json_out_array(out);
    for (size_t i = 0; i < view->coupon_count; i++)
        cart_coupon_write(&view->coupons[i], out);
    json_out_end_array(out);
}

static void write_totals(struct json_out *out, const struct cart_view *view)
{
    struct cart_totals totals;
    bool fits =
        cart_totals_of(view->lines, view->line_count, view->coupons, view->coupon_count, &totals);
    assert(fits); /* apply and read take nothing else */
    write_money(out, "subtotal", view, totals.subtotal);
    write_money(out, "discountTotal", view, totals.discount);
    write_money(out, "total", view, totals.total);
}

static void write_end(struct json_out *out, const struct cart_view *view)
{
    json_out_key(out, "createdAt");
    json_out_time(out, view->created_at_us);
    json_out_key(out, "updatedAt");
    json_out_time(out, view->updated_at_us);
    json_out_key(out, "closedAt");
    if (view->status == CART_VIEW_OPEN)
        json_out_null(out);
    else
        json_out_time(out, view->closed_at_us);
    json_out_key(out, "orderId");
    json_out_string(out, view->order_id);
    json_out_key(out, "mergedInto");
    if (view->status == CART_VIEW_MERGED)
        json_out_uuid(out, &view->merged_into);
    else
        json_out_null(out);
}

void cart_view_render(const struct cart_view *view, struct text *text)
{
    assert(view->status != CART_VIEW_ABSENT);
    struct json_out out = json_out_to(text);
    json_out_object(&out);
    json_out_key(&out, "cartId");
    json_out_uuid(&out, &view->cart_id);
    json_out_key(&out, "status");
    json_out_string(&out, str_from(cart_view_status_name(view->status)));
    json_out_key(&out, "customerId");
    json_out_string(&out, view->customer_id);
    json_out_key(&out, "currency");
    json_out_string(&out, str_from(view->currency));
    json_out_key(&out, "version");
    json_out_int(&out, view->version);
    write_items(&out, view);
    write_coupons(&out, view);
    write_totals(&out, view);
    write_end(&out, view);
    json_out_end_object(&out);
}
