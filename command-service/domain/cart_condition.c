#include "cart_condition.h"
#include "entity_tags.h"

enum cart_refusal cart_condition_holds(const struct cart_condition *condition,
                                       const struct cart *cart)
{
    if (!condition->given)
        return CART_ACCEPTED;
    if (cart->status == CART_ABSENT)
        return CART_REFUSED_NOT_FOUND;
    if (condition->any || entity_tags_have(condition->tags, cart->version, ENTITY_TAGS_STRONGLY))
        return CART_ACCEPTED;
    return CART_REFUSED_VERSION_MISMATCH;
}
