/*
 * cart_view_internal.h - shared by the files of the cart view.
 */
#pragma once

#include "cart_view.h"

/* A copy that is the caller's, terminated; none copies to none. False: memory is out. */
MUST_CHECK bool view_text_copy(struct str text, struct str *ret_copy);
/* Releases a text of the view and leaves none. */
void view_text_free(struct str *text);

MUST_CHECK bool view_line_copy(const struct cart_line *line, struct cart_line *ret_copy);
void view_line_free(struct cart_line *line);
/* Frees the array and what its lines own. */
void view_lines_free(struct cart_line *lines, size_t count);

MUST_CHECK bool view_coupon_copy(const struct cart_coupon *coupon, struct cart_coupon *ret_copy);
void view_coupon_free(struct cart_coupon *coupon);

/* Room for one more line or coupon. False: memory is out, nothing changed. */
MUST_CHECK bool view_reserve_line(struct cart_view *view);
MUST_CHECK bool view_reserve_coupon(struct cart_view *view);

/* The index, or the count when there is none. */
size_t view_find_line(const struct cart_view *view, struct str sku);
size_t view_find_coupon(const struct cart_view *view, struct str code);

/* The lines' totals, sums and discounts stay within 64 bits. */
MUST_CHECK bool view_totals_fit(const struct cart_line *lines, size_t count);

/* Each event's effect on an open cart, or for CartCreated on an absent one. STATUS_INVALID, and
 * nothing changed, when it contradicts the view. */
#define X(upper, lower, name, schema_version)                                                      \
    MUST_CHECK enum status view_apply_##lower(struct cart_view *view, const struct lower *data,    \
                                              struct error *error);
EVENT_TYPES(X)
#undef X

enum status view_no_memory(struct error *error);
