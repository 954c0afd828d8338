#include "cart.h"

enum cart_refusal cart_condition_holds(const struct cart_condition *condition,
                                       const struct cart *cart)
{
    if (!condition->given)
        return CART_ACCEPTED;
    if (cart->status == CART_ABSENT)
        return CART_REFUSED_NOT_FOUND;
    if (condition->any)
        return CART_ACCEPTED;
    for (size_t i = 0; i < condition->version_count; i++)
        if (condition->versions[i] == cart->version)
            return CART_ACCEPTED;
    return CART_REFUSED_VERSION_MISMATCH;
}
