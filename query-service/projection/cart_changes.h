/*
 * cart_changes.h - what an event changed: the difference between a cart before and after it.
 *
 * Pure. Only what is a fact of its own is listed: line totals, counts and the cart's totals follow
 * from it, `version` and the times are the event's own.
 */
#pragma once

#include "cart_view.h"

/*
 * Appends [{"path","before","after"},...]. A path is a JSON Pointer (RFC 6901) into a cart whose
 * items are named by sku and whose coupons by code: /status, /customerId, /currency,
 * /items/{sku}/name, /items/{sku}/quantity, /items/{sku}/unitPrice, /orderId, /mergedInto, and for
 * a line that comes or goes /items/{sku}, for a coupon that comes, goes or is replaced
 * /coupons/{code}, as a whole. What is not there is null. An absent cart is one without anything.
 *
 * In the order of the cart's members; within the items first those that were there, then the new
 * ones, each in the cart's order. Both views are of the same cart.
 */
void cart_changes_write(const struct cart_view *before, const struct cart_view *after,
                        struct json_out *out);
