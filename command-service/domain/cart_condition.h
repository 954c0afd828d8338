/*
 * cart_condition.h - whether a command holds for the cart as it is (If-Match).
 */
#pragma once

#include "cart.h"

/* If-Match as RFC 9110, 13.1.1 says it: any of the tags, or `*` for any existing cart. */
struct cart_condition {
    bool given;
    bool any;        /* If-Match: * */
    struct str tags; /* else a well-formed list, borrowed; the version as a strong tag matches */
};

/* CART_ACCEPTED, CART_REFUSED_NOT_FOUND (an absent cart comes first) or
 * CART_REFUSED_VERSION_MISMATCH. */
MUST_CHECK enum cart_refusal cart_condition_holds(const struct cart_condition *condition,
                                                  const struct cart *cart);
