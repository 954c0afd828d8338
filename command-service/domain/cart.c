#include "cart.h"

#include "cart_coupons.h"
#include "cart_lines.h"
#include "cart_memory.h"

#include <assert.h>

const char *cart_status_name(enum cart_status status)
{
    switch (status) {
    case CART_ABSENT:
        return "absent";
    case CART_OPEN:
        return "open";
    case CART_CHECKED_OUT:
        return "checked_out";
    case CART_CANCELLED:
        return "cancelled";
    case CART_EXPIRED:
        return "expired";
    case CART_MERGED:
        return "merged";
    }
    assert(false && "not a cart status");
    return "";
}

enum cart_refusal cart_takes_commands(const struct cart *cart)
{
    if (cart->status == CART_ABSENT)
        return CART_REFUSED_NOT_FOUND;
    return cart->status == CART_OPEN ? CART_ACCEPTED : CART_REFUSED_CLOSED;
}

void cart_done(struct cart *cart)
{
    cart_lines_clear(cart);
    cart_coupons_clear(cart);
    free(cart->customer_id);
    *cart = (struct cart){0};
}
