/* The events that change anything but the lines. */
#include "cart_view_internal.h"

#include <assert.h>

/* Takes the place of `text` only when the copy was made. */
static enum status replace_text(struct str *text, struct str value, struct error *error)
{
    struct str copy;
    if (!view_text_copy(value, &copy))
        return view_no_memory(error);
    view_text_free(text);
    *text = copy;
    return STATUS_OK;
}

enum status view_apply_cart_created(struct cart_view *view, const struct cart_created *data,
                                    struct error *error)
{
    enum status status = replace_text(&view->customer_id, data->customer_id, error);
    if (status != STATUS_OK)
        return status;
    memcpy(view->currency, data->currency, sizeof(view->currency));
    view->status = CART_VIEW_OPEN;
    return STATUS_OK;
}

enum status view_apply_customer_assigned(struct cart_view *view,
                                         const struct customer_assigned *data, struct error *error)
{
    if (!str_equal(data->previous_customer_id, view->customer_id))
        return error_set(error, STATUS_INVALID,
                         "the previous customer is '" STR_FORMAT "', not '" STR_FORMAT "'",
                         STR_ARGS(view->customer_id), STR_ARGS(data->previous_customer_id));
    return replace_text(&view->customer_id, data->customer_id, error);
}

enum status view_apply_coupon_applied(struct cart_view *view, const struct coupon_applied *data,
                                      struct error *error)
{
    const struct cart_coupon *coupon = &data->coupon;
    bool is_amount = coupon->percent_off == 0;
    if (coupon->percent_off < 0 || coupon->percent_off > 100 ||
        (is_amount && (coupon->amount_off.amount_minor < 0 ||
                       strcmp(coupon->amount_off.currency, view->currency) != 0)))
        return error_set(error, STATUS_INVALID, "coupon '" STR_FORMAT "' takes off nothing we know",
                         STR_ARGS(coupon->code));
    size_t at = view_find_coupon(view, coupon->code);
    struct cart_coupon copy;
    if (!view_reserve_coupon(view) || !view_coupon_copy(coupon, &copy))
        return view_no_memory(error);
    if (at == view->coupon_count)
        view->coupon_count++;
    else
        view_coupon_free(&view->coupons[at]);
    view->coupons[at] = copy;
    return STATUS_OK;
}

enum status view_apply_coupon_removed(struct cart_view *view, const struct coupon_removed *data,
                                      struct error *error)
{
    size_t at = view_find_coupon(view, data->code);
    if (at == view->coupon_count)
        return error_set(error, STATUS_INVALID, "the cart has no coupon '" STR_FORMAT "'",
                         STR_ARGS(data->code));
    view_coupon_free(&view->coupons[at]);
    view->coupon_count--;
    memmove(&view->coupons[at], &view->coupons[at + 1],
            (view->coupon_count - at) * sizeof(view->coupons[0]));
    return STATUS_OK;
}

enum status view_apply_cart_merged_away(struct cart_view *view, const struct cart_merged_away *data,
                                        struct error *error)
{
    if (uuid_equal(&data->target_cart_id, &view->cart_id))
        return error_set(error, STATUS_INVALID, "the cart is merged into itself");
    view->merged_into = data->target_cart_id;
    view->status = CART_VIEW_MERGED;
    return STATUS_OK;
}

static bool same_money(const struct money *a, const struct money *b)
{
    return a->amount_minor == b->amount_minor && strcmp(a->currency, b->currency) == 0;
}

static bool same_lines(const struct cart_view *view, const struct cart_checked_out *data)
{
    if (data->item_count != view->line_count)
        return false;
    for (size_t i = 0; i < data->item_count; i++) {
        const struct cart_line *sold = &data->items[i];
        const struct cart_line *ours = &view->lines[i];
        if (!str_equal(sold->sku, ours->sku) || sold->quantity != ours->quantity ||
            !same_money(&sold->unit_price, &ours->unit_price))
            return false;
    }
    return true;
}

static bool same_coupons(const struct cart_view *view, const struct cart_checked_out *data)
{
    if (data->coupon_count != view->coupon_count)
        return false;
    for (size_t i = 0; i < data->coupon_count; i++) {
        const struct cart_coupon *taken = &data->coupons[i];
        const struct cart_coupon *ours = &view->coupons[i];
        if (!str_equal(taken->code, ours->code) || taken->percent_off != ours->percent_off ||
            (ours->percent_off == 0 && !same_money(&taken->amount_off, &ours->amount_off)))
            return false;
    }
    return true;
}

enum status view_apply_cart_checked_out(struct cart_view *view, const struct cart_checked_out *data,
                                        struct error *error)
{
    if (!str_equal(data->customer_id, view->customer_id) ||
        strcmp(data->currency, view->currency) != 0)
        return error_set(error, STATUS_INVALID, "checked out for another customer or currency");
    if (!same_lines(view, data) || !same_coupons(view, data))
        return error_set(error, STATUS_INVALID, "checked out with other lines or coupons");
    struct cart_totals totals;
    bool fits =
        cart_totals_of(view->lines, view->line_count, view->coupons, view->coupon_count, &totals);
    assert(fits); /* apply and read take nothing else */
    if (totals.subtotal != data->totals.subtotal || totals.discount != data->totals.discount ||
        totals.total != data->totals.total)
        return error_set(error, STATUS_INVALID, "checked out with other totals");
    enum status status = replace_text(&view->order_id, data->order_id, error);
    if (status == STATUS_OK)
        view->status = CART_VIEW_CHECKED_OUT;
    return status;
}

enum status view_apply_cart_cancelled(struct cart_view *view, const struct cart_cancelled *data,
                                      struct error *error)
{
    (void)data;
    (void)error;
    view->status = CART_VIEW_CANCELLED;
    return STATUS_OK;
}

enum status view_apply_cart_expired(struct cart_view *view, const struct cart_expired *data,
                                    struct error *error)
{
    (void)data;
    (void)error;
    view->status = CART_VIEW_EXPIRED;
    return STATUS_OK;
}
