/* The events that change the lines of a cart. */
#include "cart_view_internal.h"

#include <stdlib.h>

static enum status no_such_line(struct str sku, struct error *error)
{
    return error_set(error, STATUS_INVALID, "the cart has no line '" STR_FORMAT "'", STR_ARGS(sku));
}

static enum status check_line(const struct cart_view *view, const struct cart_line *line,
                              struct error *error)
{
    if (line->quantity <= 0)
        return error_set(error, STATUS_INVALID, "quantity %d of '" STR_FORMAT "'", line->quantity,
                         STR_ARGS(line->sku));
    if (line->unit_price.amount_minor < 0)
        return error_set(error, STATUS_INVALID, "a negative price of '" STR_FORMAT "'",
                         STR_ARGS(line->sku));
    if (strcmp(line->unit_price.currency, view->currency) != 0)
        return error_set(error, STATUS_INVALID, "'" STR_FORMAT "' is priced in %s, the cart in %s",
                         STR_ARGS(line->sku), line->unit_price.currency, view->currency);
    return STATUS_OK;
}

/* Writes `changed` over line `at` (or after the last one) when the totals still fit; the line that
 * was there goes to *ret_former. Steals changed's texts on success. */
static enum status set_line(struct cart_view *view, size_t at, struct cart_line changed,
                            struct cart_line *ret_former, struct error *error)
{
    bool is_new = at == view->line_count;
    if (is_new && !view_reserve_line(view))
        return view_no_memory(error);
    struct cart_line former = is_new ? (struct cart_line){0} : view->lines[at];
    view->lines[at] = changed;
    if (!view_totals_fit(view->lines, view->line_count + (is_new ? 1 : 0))) {
        if (!is_new)
            view->lines[at] = former;
        return error_set(error, STATUS_INVALID, "the total does not fit in 64 bits");
    }
    view->line_count += is_new ? 1 : 0;
    *ret_former = former;
    return STATUS_OK;
}

static void remove_line(struct cart_view *view, size_t at)
{
    view_line_free(&view->lines[at]);
    view->line_count--;
    memmove(&view->lines[at], &view->lines[at + 1],
            (view->line_count - at) * sizeof(view->lines[0]));
}

enum status view_apply_item_added(struct cart_view *view, const struct item_added *data,
                                  struct error *error)
{
    enum status status = check_line(view, &data->line, error);
    if (status != STATUS_OK)
        return status;
    size_t at = view_find_line(view, data->line.sku);
    int64_t before = at < view->line_count ? view->lines[at].quantity : 0;
    if (before + data->line.quantity != data->line_quantity)
        return error_set(error, STATUS_INVALID, "%d of '" STR_FORMAT "' added to %d make %d",
                         data->line.quantity, STR_ARGS(data->line.sku), (int)before,
                         data->line_quantity);
    struct cart_line added;
    if (!view_line_copy(&data->line, &added))
        return view_no_memory(error);
    added.quantity = data->line_quantity;
    struct cart_line former;
    status = set_line(view, at, added, &former, error);
    view_line_free(status == STATUS_OK ? &former : &added);
    return status;
}

enum status view_apply_item_quantity_changed(struct cart_view *view,
                                             const struct item_quantity_changed *data,
                                             struct error *error)
{
    size_t at = view_find_line(view, data->sku);
    if (at == view->line_count)
        return no_such_line(data->sku, error);
    struct cart_line changed = view->lines[at];
    if (changed.quantity != data->previous_quantity || data->quantity <= 0)
        return error_set(
            error, STATUS_INVALID, "'" STR_FORMAT "' has quantity %d, not changed from %d to %d",
            STR_ARGS(data->sku), changed.quantity, data->previous_quantity, data->quantity);
    changed.quantity = data->quantity;
    struct cart_line former;
    return set_line(view, at, changed, &former, error);
}

enum status view_apply_item_removed(struct cart_view *view, const struct item_removed *data,
                                    struct error *error)
{
    size_t at = view_find_line(view, data->sku);
    if (at == view->line_count)
        return no_such_line(data->sku, error);
    int64_t rest = (int64_t)view->lines[at].quantity - data->quantity;
    if (data->quantity <= 0 || data->line_quantity < 0 || rest != data->line_quantity)
        return error_set(error, STATUS_INVALID, "%d of %d '" STR_FORMAT "' removed leave %d",
                         data->quantity, view->lines[at].quantity, STR_ARGS(data->sku),
                         data->line_quantity);
    if (data->line_quantity == 0)
        remove_line(view, at);
    else
        view->lines[at].quantity = data->line_quantity;
    return STATUS_OK;
}

enum status view_apply_cart_cleared(struct cart_view *view, const struct cart_cleared *data,
                                    struct error *error)
{
    if (data->line_count < 0 || (size_t)data->line_count != view->line_count)
        return error_set(error, STATUS_INVALID, "%d lines cleared of %zu", data->line_count,
                         view->line_count);
    while (view->line_count > 0)
        view_line_free(&view->lines[--view->line_count]);
    return STATUS_OK;
}

static enum status check_merged_lines(const struct cart_view *view, const struct cart_merged *data,
                                      struct error *error)
{
    for (size_t i = 0; i < data->item_count; i++) {
        enum status status = check_line(view, &data->items[i], error);
        if (status != STATUS_OK)
            return status;
        for (size_t j = 0; j < i; j++)
            if (str_equal(data->items[j].sku, data->items[i].sku))
                return error_set(error, STATUS_INVALID, "two merged lines '" STR_FORMAT "'",
                                 STR_ARGS(data->items[i].sku));
    }
    if (!view_totals_fit(data->items, data->item_count))
        return error_set(error, STATUS_INVALID, "the total does not fit in 64 bits");
    return STATUS_OK;
}

enum status view_apply_cart_merged(struct cart_view *view, const struct cart_merged *data,
                                   struct error *error)
{
    enum status status = check_merged_lines(view, data, error);
    if (status != STATUS_OK)
        return status;
    size_t capacity = data->item_count == 0 ? 1 : data->item_count;
    struct cart_line *lines = calloc(capacity, sizeof(*lines));
    if (lines == NULL)
        return view_no_memory(error);
    for (size_t i = 0; i < data->item_count; i++) {
        if (!view_line_copy(&data->items[i], &lines[i])) {
            view_lines_free(lines, i);
            return view_no_memory(error);
        }
    }
    view_lines_free(view->lines, view->line_count);
    view->lines = lines;
    view->line_count = data->item_count;
    view->line_capacity = capacity;
    return STATUS_OK;
}
