/*
 * cart_lines.h - how a cart holds its lines in memory; for the domain's own files only.
 *
 * One array in the lines' order. Each line owns one allocation for its sku and its name, so a line
 * costs what its texts need. All functions keep cart->bytes right. A function that fails for want
 * of memory leaves the cart as it was.
 */
#pragma once

#include "cart.h"

/* The line with that sku, or NULL. */
struct cart_line *cart_lines_find(const struct cart *cart, struct str sku);

/* Appends a copy of `line`. False when memory is out. */
MUST_CHECK bool cart_lines_append(struct cart *cart, const struct cart_line *line);

/* Gives `line` (one of the cart's) another name. False when memory is out. */
MUST_CHECK bool cart_lines_rename(struct cart *cart, struct cart_line *line, struct str name);

/* Takes `line` (one of the cart's) out; the lines after it move up. */
void cart_lines_remove(struct cart *cart, struct cart_line *line);

/* Replaces all lines by copies of these, which may be the cart's own. False when memory is out. */
MUST_CHECK bool cart_lines_replace(struct cart *cart, const struct cart_line *lines, size_t count);

/* Removes all lines and gives the array's memory back. */
void cart_lines_clear(struct cart *cart);
