/*
 * cart_coupons.h - how a cart holds its coupons in memory; for the domain's own files only.
 *
 * One array in order of application. Each coupon owns its code. All functions keep cart->bytes
 * right. A function that fails for want of memory leaves the cart as it was.
 */
#pragma once

#include "cart.h"

/* The coupon with that code, or NULL. */
struct cart_coupon *cart_coupons_find(const struct cart *cart, struct str code);

/* Appends a copy. If there is a coupon with the same code, changes what it takes off; it keeps its
 * place. False when memory is out. */
MUST_CHECK bool cart_coupons_put(struct cart *cart, const struct cart_coupon *coupon);

/* Takes `coupon` (one of the cart's) out; the coupons after it move up. */
void cart_coupons_remove(struct cart *cart, struct cart_coupon *coupon);

void cart_coupons_clear(struct cart *cart);
