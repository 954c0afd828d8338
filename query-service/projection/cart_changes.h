/*
 * cart_changes.h - what an event changed: the difference between a cart before and after it.
 *
 * Pure. Only independent facts are listed: line totals, counts and the cart's totals follow from
 * them; `version` and the times are the event's own.
 */
#pragma once

#include "cart_view.h"

/*
 * Appends [{"path","before","after"},...]. A path is a JSON Pointer (RFC 6901) into a cart whose
 * items are named by sku and whose coupons are named by code:
 *
 *     /status, /customerId, /currency, /orderId, /mergedInto
 *     /items/{sku}/name, /items/{sku}/quantity, /items/{sku}/unitPrice
 *     /items/{sku}     a line that comes or goes, as a whole
 *     /coupons/{code}  a coupon that comes, goes or is replaced, as a whole
 *
 * An absent value is null. An absent cart counts as one without anything.
 *
 * The order is that of the cart's members. Within the items, those that were there come first, then
 * the new ones, each in the cart's order. Both views are of the same cart.
 */
void cart_changes_write(const struct cart_view *before, const struct cart_view *after,
                        struct json_out *out);
