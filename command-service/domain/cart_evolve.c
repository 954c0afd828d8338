#include "cart.h"

#include "cart_coupons.h"
#include "cart_lines.h"
#include "cart_memory.h"

#include <assert.h>

/* The effect of one event. On failure the caller adds which event it was. */
typedef enum status evolve_fn(struct cart *cart, const struct event_data *event);

static bool is_price_of(const struct cart *cart, const struct money *price)
{
    return price->amount_minor >= 0 && strcmp(price->currency, cart->currency) == 0;
}

static enum status done_if(bool had_memory)
{
    return had_memory ? STATUS_OK : STATUS_NO_MEMORY;
}

static bool set_customer(struct cart *cart, struct str customer_id)
{
    char *copy = NULL;
    if (!str_is_none(customer_id) &&
        (copy = strndup(customer_id.bytes, customer_id.length)) == NULL)
        return false;
    if (cart->customer_id != NULL)
        cart->bytes -= cart_block_bytes(strlen(cart->customer_id) + 1);
    if (copy != NULL)
        cart->bytes += cart_block_bytes(strlen(copy) + 1);
    free(cart->customer_id);
    cart->customer_id = copy;
    return true;
}

/* No command changes a closed cart, so it needs no lines. */
static enum status close_cart(struct cart *cart, enum cart_status status)
{
    cart_lines_clear(cart);
    cart_coupons_clear(cart);
    cart->status = status;
    return STATUS_OK;
}

static enum status evolve_cart_created(struct cart *cart, const struct event_data *event)
{
    const struct cart_created *created = &event->cart_created;

    memcpy(cart->currency, created->currency, sizeof(cart->currency));
    cart->status = CART_OPEN;
    return done_if(set_customer(cart, created->customer_id));
}

static enum status evolve_item_added(struct cart *cart, const struct event_data *event)
{
    const struct item_added *added = &event->item_added;
    struct cart_line *line = cart_lines_find(cart, added->line.sku);
    int64_t quantity = added->line.quantity;

    if (line != NULL)
        quantity += line->quantity;
    if (added->line.sku.length == 0 || str_is_none(added->line.name) || added->line.quantity < 1 ||
        added->line_quantity != quantity || !is_price_of(cart, &added->line.unit_price))
        return STATUS_INVALID;
    if (line == NULL)
        return done_if(cart_lines_append(cart, &added->line));
    if (!cart_lines_rename(cart, line, added->line.name))
        return STATUS_NO_MEMORY;
    line->quantity = added->line_quantity;
    line->unit_price = added->line.unit_price;
    return STATUS_OK;
}

static enum status evolve_item_quantity_changed(struct cart *cart, const struct event_data *event)
{
    const struct item_quantity_changed *changed = &event->item_quantity_changed;
    struct cart_line *line = cart_lines_find(cart, changed->sku);

    if (line == NULL || changed->quantity < 1 || changed->previous_quantity != line->quantity)
        return STATUS_INVALID;
    line->quantity = changed->quantity;
    return STATUS_OK;
}

static enum status evolve_item_removed(struct cart *cart, const struct event_data *event)
{
    const struct item_removed *removed = &event->item_removed;
    struct cart_line *line = cart_lines_find(cart, removed->sku);

    if (line == NULL || removed->quantity < 1 || removed->quantity > line->quantity ||
        removed->line_quantity != line->quantity - removed->quantity)
        return STATUS_INVALID;
    line->quantity = removed->line_quantity;
    if (line->quantity == 0)
        cart_lines_remove(cart, line);
    return STATUS_OK;
}

static enum status evolve_cart_cleared(struct cart *cart, const struct event_data *event)
{
    if (event->cart_cleared.line_count < 1 ||
        (size_t)event->cart_cleared.line_count != cart->line_count)
        return STATUS_INVALID;
    cart_lines_clear(cart);
    return STATUS_OK;
}

static enum status evolve_customer_assigned(struct cart *cart, const struct event_data *event)
{
    const struct customer_assigned *assigned = &event->customer_assigned;

    if (str_is_none(assigned->customer_id) ||
        !str_equal(assigned->previous_customer_id, str_from(cart->customer_id)))
        return STATUS_INVALID;
    return done_if(set_customer(cart, assigned->customer_id));
}

static enum status evolve_coupon_applied(struct cart *cart, const struct event_data *event)
{
    const struct cart_coupon *coupon = &event->coupon_applied.coupon;
    bool takes_percentage = coupon->percent_off >= 1 && coupon->percent_off <= 100;
    bool takes_amount = coupon->percent_off == 0 && is_price_of(cart, &coupon->amount_off);

    if (coupon->code.length == 0 || !(takes_percentage || takes_amount))
        return STATUS_INVALID;
    return done_if(cart_coupons_put(cart, coupon));
}

static enum status evolve_coupon_removed(struct cart *cart, const struct event_data *event)
{
    struct cart_coupon *coupon = cart_coupons_find(cart, event->coupon_removed.code);

    if (coupon == NULL)
        return STATUS_INVALID;
    cart_coupons_remove(cart, coupon);
    return STATUS_OK;
}

static enum status evolve_cart_merged(struct cart *cart, const struct event_data *event)
{
    const struct cart_line *items = event->cart_merged.items;
    size_t count = event->cart_merged.item_count;

    for (size_t i = 0; i < count; i++) {
        if (items[i].sku.length == 0 || str_is_none(items[i].name) || items[i].quantity < 1 ||
            !is_price_of(cart, &items[i].unit_price))
            return STATUS_INVALID;
        for (size_t earlier = 0; earlier < i; earlier++)
            if (str_equal(items[earlier].sku, items[i].sku))
                return STATUS_INVALID;
    }
    return done_if(cart_lines_replace(cart, items, count));
}

static enum status evolve_cart_merged_away(struct cart *cart, const struct event_data *event)
{
    (void)event;
    return close_cart(cart, CART_MERGED);
}

static enum status evolve_cart_checked_out(struct cart *cart, const struct event_data *event)
{
    const struct cart_checked_out *checked_out = &event->cart_checked_out;

    if (checked_out->item_count == 0 || checked_out->item_count != cart->line_count ||
        checked_out->coupon_count != cart->coupon_count)
        return STATUS_INVALID;
    for (size_t i = 0; i < cart->line_count; i++)
        if (!str_equal(checked_out->items[i].sku, cart->lines[i].sku) ||
            checked_out->items[i].quantity != cart->lines[i].quantity)
            return STATUS_INVALID;
    return close_cart(cart, CART_CHECKED_OUT);
}

static enum status evolve_cart_cancelled(struct cart *cart, const struct event_data *event)
{
    (void)event;
    return close_cart(cart, CART_CANCELLED);
}

static enum status evolve_cart_expired(struct cart *cart, const struct event_data *event)
{
    (void)event;
    return close_cart(cart, CART_EXPIRED);
}

static evolve_fn *const EVOLVE[EVENT_TYPE_COUNT] = {
#define X(upper, lower, name, schema_version) [EVENT_##upper] = evolve_##lower,
    EVENT_TYPES(X)
#undef X
};

enum status cart_evolve(struct cart *cart, const struct event_data *event, int64_t occurred_at_us,
                        struct error *error)
{
    assert(event->type < EVENT_TYPE_COUNT);
    const char *name = event_type_name(event->type);
    enum cart_status needed = event->type == EVENT_CART_CREATED ? CART_ABSENT : CART_OPEN;

    if (cart->status != needed)
        return error_set(error, STATUS_INVALID, "%s cannot follow version %d of a cart that is %s",
                         name, (int)cart->version, cart_status_name(cart->status));
    if (cart->version == INT32_MAX)
        return error_set(error, STATUS_INVALID, "%s: the cart has no version left", name);

    enum status status = EVOLVE[event->type](cart, event);
    if (status == STATUS_INVALID)
        return error_set(error, status, "%s does not fit the cart's version %d", name,
                         (int)cart->version);
    if (status != STATUS_OK)
        return error_set(error, status, "%s: out of memory", name);
    cart->version++;
    cart->last_changed_at_us = occurred_at_us;
    return STATUS_OK;
}
