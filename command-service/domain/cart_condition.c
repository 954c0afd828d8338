#include "cart.h"

#include <inttypes.h>
#include <stdio.h>

/* A quote only begins and ends a tag, and between two tags are no digits: so wherever the quoted
 * version stands in the list, it is a tag. A weak one never matches. */
static bool has_version(struct str tags, int32_t version)
{
    char tag[sizeof("\"-2147483648\"")];
    size_t length = (size_t)snprintf(tag, sizeof(tag), "\"%" PRId32 "\"", version);
    struct str rest = tags;
    const char *found;
    while (rest.length > 0 && (found = memmem(rest.bytes, rest.length, tag, length)) != NULL) {
        if (found == tags.bytes || found[-1] != '/')
            return true;
        rest.length -= (size_t)(found + length - rest.bytes);
        rest.bytes = found + length;
    }
    return false;
}

enum cart_refusal cart_condition_holds(const struct cart_condition *condition,
                                       const struct cart *cart)
{
    if (!condition->given)
        return CART_ACCEPTED;
    if (cart->status == CART_ABSENT)
        return CART_REFUSED_NOT_FOUND;
    if (condition->any || has_version(condition->tags, cart->version))
        return CART_ACCEPTED;
    return CART_REFUSED_VERSION_MISMATCH;
}
