#include "cart.h"

#include <assert.h>

static enum cart_refusal happened(struct cart_decision *decision, struct event_data event)
{
    decision->event_count = 1;
    decision->events[0] = event;
    return CART_ACCEPTED;
}

static enum cart_refusal already_so(struct cart_decision *decision)
{
    decision->event_count = 0;
    return CART_ACCEPTED;
}

static enum cart_refusal decide_create(const struct cart *cart, const struct cart_command *command,
                                       struct cart_decision *decision)
{
    struct cart_created created = {.customer_id = command->create.customer_id};
    memcpy(created.currency, command->create.currency, sizeof(created.currency));

    switch (cart->status) {
    case CART_ABSENT:
        return happened(decision,
                        (struct event_data){.type = EVENT_CART_CREATED, .cart_created = created});
    case CART_OPEN:
        if (strcmp(cart->currency, created.currency) != 0 ||
            !str_equal(str_from(cart->customer_id), created.customer_id))
            return CART_REFUSED_EXISTS;
        return already_so(decision);
    default:
        return CART_REFUSED_CLOSED;
    }
}

/* The quantity of `lines[index].sku` before that line is added: as left by the earlier lines of the
 * same command, else the cart's, else 0 with *ret_new. */
static int32_t quantity_before(const struct cart *cart, const struct cart_line *lines, size_t index,
                               const int32_t *quantities, bool *ret_new)
{
    *ret_new = false;
    for (size_t earlier = index; earlier-- > 0;)
        if (str_equal(lines[earlier].sku, lines[index].sku))
            return quantities[earlier];
    const struct cart_line *line = cart_find_line(cart, lines[index].sku);
    *ret_new = line == NULL;
    return line == NULL ? 0 : line->quantity;
}

/* All or nothing: every line is judged before the first event is written. */
static enum cart_refusal decide_add_items(const struct cart *cart,
                                          const struct cart_command *command,
                                          const struct cart_limits *limits,
                                          struct cart_decision *decision)
{
    const struct cart_line *lines = command->add_items.lines;
    size_t count = command->add_items.count;
    int32_t quantities[CART_COMMAND_ITEMS_MAX]; /* of each line's sku, once it is added */
    size_t line_count = cart->line_count;

    assert(count >= 1 && count <= CART_COMMAND_ITEMS_MAX);
    for (size_t i = 0; i < count; i++)
        if (strcmp(lines[i].unit_price.currency, cart->currency) != 0)
            return CART_REFUSED_CURRENCY_MISMATCH;

    for (size_t i = 0; i < count; i++) {
        bool is_new = false;
        int64_t quantity = quantity_before(cart, lines, i, quantities, &is_new);
        if (is_new && ++line_count > (size_t)limits->lines_max)
            return CART_REFUSED_TOO_MANY_LINES;
        quantity += lines[i].quantity;
        if (quantity > limits->quantity_max)
            return CART_REFUSED_QUANTITY_LIMIT;
        quantities[i] = (int32_t)quantity;
    }

    decision->event_count = count;
    for (size_t i = 0; i < count; i++)
        decision->events[i] = (struct event_data){
            .type = EVENT_ITEM_ADDED,
            .item_added = {.line = lines[i], .line_quantity = quantities[i]},
        };
    return CART_ACCEPTED;
}

static enum cart_refusal items_removed(const struct cart_line *line, int32_t quantity,
                                       struct cart_decision *decision)
{
    return happened(decision, (struct event_data){
                                  .type = EVENT_ITEM_REMOVED,
                                  .item_removed = {.sku = line->sku,
                                                   .quantity = quantity,
                                                   .line_quantity = line->quantity - quantity},
                              });
}

static enum cart_refusal decide_set_quantity(const struct cart *cart,
                                             const struct cart_command *command,
                                             const struct cart_limits *limits,
                                             struct cart_decision *decision)
{
    const struct cart_line *line = cart_find_line(cart, command->set_quantity.sku);
    int32_t quantity = command->set_quantity.quantity;

    assert(quantity >= 0);
    if (line == NULL)
        return quantity == 0 ? already_so(decision) : CART_REFUSED_ITEM_NOT_IN_CART;
    if (quantity == line->quantity)
        return already_so(decision);
    if (quantity == 0)
        return items_removed(line, line->quantity, decision);
    if (quantity > limits->quantity_max)
        return CART_REFUSED_QUANTITY_LIMIT;
    return happened(decision, (struct event_data){
                                  .type = EVENT_ITEM_QUANTITY_CHANGED,
                                  .item_quantity_changed = {.sku = line->sku,
                                                            .quantity = quantity,
                                                            .previous_quantity = line->quantity},
                              });
}

static enum cart_refusal decide_remove_item(const struct cart *cart,
                                            const struct cart_command *command,
                                            struct cart_decision *decision)
{
    const struct cart_line *line = cart_find_line(cart, command->remove_item.sku);
    int32_t quantity = command->remove_item.quantity;

    assert(quantity >= 0);
    if (line == NULL)
        return CART_REFUSED_ITEM_NOT_IN_CART;
    if (quantity == 0 || quantity > line->quantity)
        quantity = line->quantity;
    return items_removed(line, quantity, decision);
}

static enum cart_refusal decide_clear(const struct cart *cart, struct cart_decision *decision)
{
    if (cart->line_count == 0)
        return already_so(decision);
    return happened(decision, (struct event_data){
                                  .type = EVENT_CART_CLEARED,
                                  .cart_cleared = {.line_count = (int32_t)cart->line_count},
                              });
}

static enum cart_refusal decide_assign_customer(const struct cart *cart,
                                                const struct cart_command *command,
                                                struct cart_decision *decision)
{
    struct customer_assigned assigned = {.customer_id = command->assign_customer.customer_id,
                                         .previous_customer_id = str_from(cart->customer_id)};

    if (str_equal(assigned.customer_id, assigned.previous_customer_id))
        return already_so(decision);
    return happened(decision, (struct event_data){.type = EVENT_CUSTOMER_ASSIGNED,
                                                  .customer_assigned = assigned});
}

static enum cart_refusal decide_apply_coupon(const struct cart *cart,
                                             const struct cart_command *command,
                                             struct cart_decision *decision)
{
    const struct cart_coupon *coupon = &command->apply_coupon.coupon;
    const struct cart_coupon *known = cart_find_coupon(cart, coupon->code);

    if (coupon->percent_off == 0 && strcmp(coupon->amount_off.currency, cart->currency) != 0)
        return CART_REFUSED_CURRENCY_MISMATCH;
    if (known == NULL && cart->coupon_count >= CART_COUPONS_MAX)
        return CART_REFUSED_TOO_MANY_COUPONS;
    if (known != NULL && known->percent_off == coupon->percent_off &&
        known->amount_off.amount_minor == coupon->amount_off.amount_minor)
        return already_so(decision);
    return happened(decision, (struct event_data){.type = EVENT_COUPON_APPLIED,
                                                  .coupon_applied = {.coupon = *coupon}});
}

static enum cart_refusal decide_remove_coupon(const struct cart *cart,
                                              const struct cart_command *command,
                                              struct cart_decision *decision)
{
    const struct cart_coupon *coupon = cart_find_coupon(cart, command->remove_coupon.code);

    if (coupon == NULL)
        return CART_REFUSED_COUPON_NOT_IN_CART;
    return happened(decision, (struct event_data){.type = EVENT_COUPON_REMOVED,
                                                  .coupon_removed = {.code = coupon->code}});
}

static enum cart_refusal decide_check_out(const struct cart *cart,
                                          const struct cart_command *command,
                                          struct cart_decision *decision)
{
    if (cart->line_count == 0)
        return CART_REFUSED_EMPTY;

    struct cart_checked_out checked_out = {
        .order_id = command->check_out.order_id,
        .customer_id = str_from(cart->customer_id),
        .items = cart->lines,
        .item_count = cart->line_count,
        .coupons = cart->coupons,
        .coupon_count = cart->coupon_count,
    };
    memcpy(checked_out.currency, cart->currency, sizeof(checked_out.currency));
    bool fits = cart_totals_of(cart->lines, cart->line_count, cart->coupons, cart->coupon_count,
                               &checked_out.totals);
    assert(fits && "the limits on amounts, quantities and lines exclude an overflow");
    return happened(decision, (struct event_data){.type = EVENT_CART_CHECKED_OUT,
                                                  .cart_checked_out = checked_out});
}

/* A cart touched after the sweep looked stays open. */
static enum cart_refusal decide_expire(const struct cart *cart, const struct cart_command *command,
                                       struct cart_decision *decision)
{
    bool is_guests = cart->customer_id == NULL;
    int64_t before_us =
        is_guests ? command->expire.guest_before_us : command->expire.customer_before_us;
    if (cart->last_changed_at_us > before_us)
        return already_so(decision);
    return happened(decision,
                    (struct event_data){
                        .type = EVENT_CART_EXPIRED,
                        .cart_expired = {cart->last_changed_at_us,
                                         is_guests ? EXPIRY_POLICY_GUEST : EXPIRY_POLICY_CUSTOMER},
                    });
}

enum cart_refusal cart_decide(const struct cart *cart, const struct cart_command *command,
                              const struct cart_limits *limits, struct cart_decision *ret_decision)
{
    if (command->type == CART_CREATE)
        return decide_create(cart, command, ret_decision);
    enum cart_refusal refusal = cart_takes_commands(cart);
    if (refusal != CART_ACCEPTED)
        return refusal;

    switch (command->type) {
    case CART_ADD_ITEMS:
        return decide_add_items(cart, command, limits, ret_decision);
    case CART_SET_QUANTITY:
        return decide_set_quantity(cart, command, limits, ret_decision);
    case CART_REMOVE_ITEM:
        return decide_remove_item(cart, command, ret_decision);
    case CART_CLEAR:
        return decide_clear(cart, ret_decision);
    case CART_ASSIGN_CUSTOMER:
        return decide_assign_customer(cart, command, ret_decision);
    case CART_APPLY_COUPON:
        return decide_apply_coupon(cart, command, ret_decision);
    case CART_REMOVE_COUPON:
        return decide_remove_coupon(cart, command, ret_decision);
    case CART_CHECK_OUT:
        return decide_check_out(cart, command, ret_decision);
    case CART_CANCEL:
        return happened(ret_decision, (struct event_data){.type = EVENT_CART_CANCELLED});
    case CART_EXPIRE:
        return decide_expire(cart, command, ret_decision);
    case CART_CREATE:
    case CART_MERGE:
    case CART_COMMAND_TYPE_COUNT:
        break;
    }
    assert(false && "not a command");
    return CART_REFUSED_NOT_FOUND;
}
