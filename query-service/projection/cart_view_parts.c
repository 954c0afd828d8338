#include "cart_view_internal.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 4 };

bool view_text_copy(struct str text, struct str *ret_copy)
{
    if (str_is_none(text)) {
        *ret_copy = STR_NONE;
        return true;
    }
    char *bytes = malloc(text.length + 1);
    if (bytes == NULL)
        return false;
    memcpy(bytes, text.bytes, text.length);
    bytes[text.length] = '\0';
    *ret_copy = (struct str){bytes, text.length};
    return true;
}

void view_text_free(struct str *text)
{
    free((void *)(uintptr_t)text->bytes); /* a str is const for its borrowers; here is its owner */
    *text = STR_NONE;
}

bool view_line_copy(const struct cart_line *line, struct cart_line *ret_copy)
{
    struct cart_line copy = *line;
    if (!view_text_copy(line->sku, &copy.sku))
        return false;
    if (!view_text_copy(line->name, &copy.name)) {
        view_text_free(&copy.sku);
        return false;
    }
    *ret_copy = copy;
    return true;
}

void view_line_free(struct cart_line *line)
{
    view_text_free(&line->sku);
    view_text_free(&line->name);
}

void view_lines_free(struct cart_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        view_line_free(&lines[i]);
    free(lines);
}

bool view_coupon_copy(const struct cart_coupon *coupon, struct cart_coupon *ret_copy)
{
    struct cart_coupon copy = *coupon;
    if (!view_text_copy(coupon->code, &copy.code))
        return false;
    *ret_copy = copy;
    return true;
}

void view_coupon_free(struct cart_coupon *coupon)
{
    view_text_free(&coupon->code);
}

bool view_reserve_line(struct cart_view *view)
{
    if (view->line_count < view->line_capacity)
        return true;
    size_t capacity = view->line_capacity == 0 ? FIRST_CAPACITY : view->line_capacity * 2;
    struct cart_line *lines = reallocarray(view->lines, capacity, sizeof(*lines));
    if (lines == NULL)
        return false;
    view->lines = lines;
    view->line_capacity = capacity;
    return true;
}

bool view_reserve_coupon(struct cart_view *view)
{
    if (view->coupon_count < view->coupon_capacity)
        return true;
    size_t capacity = view->coupon_capacity == 0 ? FIRST_CAPACITY : view->coupon_capacity * 2;
    struct cart_coupon *coupons = reallocarray(view->coupons, capacity, sizeof(*coupons));
    if (coupons == NULL)
        return false;
    view->coupons = coupons;
    view->coupon_capacity = capacity;
    return true;
}

enum status view_no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "no memory for a cart view");
}

size_t view_find_line(const struct cart_view *view, struct str sku)
{
    size_t i = 0;
    while (i < view->line_count && !str_equal(view->lines[i].sku, sku))
        i++;
    return i;
}

size_t view_find_coupon(const struct cart_view *view, struct str code)
{
    size_t i = 0;
    while (i < view->coupon_count && !str_equal(view->coupons[i].code, code))
        i++;
    return i;
}

bool view_totals_fit(const struct cart_line *lines, size_t count)
{
    struct cart_totals totals;
    return cart_totals_of(lines, count, NULL, 0, &totals);
}

void cart_view_done(struct cart_view *view)
{
    view_text_free(&view->customer_id);
    view_text_free(&view->order_id);
    view_lines_free(view->lines, view->line_count);
    for (size_t i = 0; i < view->coupon_count; i++)
        view_coupon_free(&view->coupons[i]);
    free(view->coupons);
    *view = (struct cart_view){0};
}
