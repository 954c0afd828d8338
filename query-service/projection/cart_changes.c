#include "cart_changes.h"

#include "cart_view_internal.h"

/* Longest sku or code that a change can name; what the contract allows is far below. */
enum { PATH_MAX_BYTES = 2 * EVENT_DATA_MAX };

struct changes {
    struct json_out *out;
    struct text path;
};

/* A reference token of RFC 6901. */
static void append_token(struct text *path, struct str token)
{
    for (size_t i = 0; i < token.length; i++) {
        char c = token.bytes[i];
        if (c == '~' || c == '/')
            text_append_terminated(path, c == '~' ? "~0" : "~1");
        else
            text_append_char(path, c);
    }
}

/* The path of a member of the cart. */
static void set_path(struct changes *changes, const char *member)
{
    text_clear(&changes->path);
    text_append_char(&changes->path, '/');
    text_append_terminated(&changes->path, member);
}

/* The path of a named element of a collection or, with `member`, of a member of that element. */
static void set_path_within(struct changes *changes, const char *collection, struct str name,
                            const char *member)
{
    set_path(changes, collection);
    text_append_char(&changes->path, '/');
    append_token(&changes->path, name);
    if (member == NULL)
        return;
    text_append_char(&changes->path, '/');
    text_append_terminated(&changes->path, member);
}

static struct json_out *begin(struct changes *changes)
{
    if (!text_ok(&changes->path))
        text_fail(changes->out->text);
    json_out_object(changes->out);
    json_out_key(changes->out, "path");
    json_out_string(changes->out, text_str(&changes->path));
    json_out_key(changes->out, "before");
    return changes->out;
}

static void write_text(struct changes *changes, struct str before, struct str after)
{
    struct json_out *out = begin(changes);
    json_out_string(out, before);
    json_out_key(out, "after");
    json_out_string(out, after);
    json_out_end_object(out);
}

static void compare_text(struct changes *changes, const char *member, struct str before,
                         struct str after)
{
    if (str_equal(before, after))
        return;
    set_path(changes, member);
    write_text(changes, before, after);
}

/* --- lines --------------------------------------------------------------------------------- */

static void write_line(const struct cart_line *line, struct json_out *out)
{
    if (line == NULL)
        json_out_null(out);
    else
        cart_line_write(line, false, out);
}

/* One of `before` and `after` is NULL. */
static void write_whole_line(struct changes *changes, const struct cart_line *before,
                             const struct cart_line *after)
{
    set_path_within(changes, "items", before != NULL ? before->sku : after->sku, NULL);
    struct json_out *out = begin(changes);
    write_line(before, out);
    json_out_key(out, "after");
    write_line(after, out);
    json_out_end_object(out);
}

static void compare_line(struct changes *changes, const struct cart_line *before,
                         const struct cart_line *after)
{
    if (!str_equal(before->name, after->name)) {
        set_path_within(changes, "items", after->sku, "name");
        write_text(changes, before->name, after->name);
    }
    if (before->quantity != after->quantity) {
        set_path_within(changes, "items", after->sku, "quantity");
        struct json_out *out = begin(changes);
        json_out_int(out, before->quantity);
        json_out_key(out, "after");
        json_out_int(out, after->quantity);
        json_out_end_object(out);
    }
    /* The currency is the cart's, which no event changes. */
    if (before->unit_price.amount_minor != after->unit_price.amount_minor) {
        set_path_within(changes, "items", after->sku, "unitPrice");
        struct json_out *out = begin(changes);
        json_out_money(out, before->unit_price);
        json_out_key(out, "after");
        json_out_money(out, after->unit_price);
        json_out_end_object(out);
    }
}

/* The line of that sku, or NULL. *hint is where to look first: lines keep their order, so walking
 * through one view finds the other one's lines side by side. */
static const struct cart_line *find_line(const struct cart_view *view, struct str sku, size_t *hint)
{
    size_t at = *hint;
    if (at >= view->line_count || !str_equal(view->lines[at].sku, sku))
        at = view_find_line(view, sku);
    if (at == view->line_count)
        return NULL;
    *hint = at + 1;
    return &view->lines[at];
}

static void compare_lines(struct changes *changes, const struct cart_view *before,
                          const struct cart_view *after)
{
    size_t hint = 0;
    for (size_t i = 0; i < before->line_count; i++) {
        const struct cart_line *line = &before->lines[i];
        const struct cart_line *now = find_line(after, line->sku, &hint);
        if (now == NULL)
            write_whole_line(changes, line, NULL);
        else
            compare_line(changes, line, now);
    }
    hint = 0;
    for (size_t i = 0; i < after->line_count; i++)
        if (find_line(before, after->lines[i].sku, &hint) == NULL)
            write_whole_line(changes, NULL, &after->lines[i]);
}

/* --- coupons ------------------------------------------------------------------------------- */

static const struct cart_coupon *find_coupon(const struct cart_view *view, struct str code)
{
    size_t at = view_find_coupon(view, code);
    return at < view->coupon_count ? &view->coupons[at] : NULL;
}

static bool same_coupon(const struct cart_coupon *before, const struct cart_coupon *after)
{
    return before != NULL && after != NULL && before->percent_off == after->percent_off &&
           before->amount_off.amount_minor == after->amount_off.amount_minor;
}

static void write_coupon(const struct cart_coupon *coupon, struct json_out *out)
{
    if (coupon == NULL)
        json_out_null(out);
    else
        cart_coupon_write(coupon, out);
}

/* `before` or `after` may be NULL. */
static void compare_coupon(struct changes *changes, const struct cart_coupon *before,
                           const struct cart_coupon *after)
{
    if (same_coupon(before, after))
        return;
    set_path_within(changes, "coupons", before != NULL ? before->code : after->code, NULL);
    struct json_out *out = begin(changes);
    write_coupon(before, out);
    json_out_key(out, "after");
    write_coupon(after, out);
    json_out_end_object(out);
}

static void compare_coupons(struct changes *changes, const struct cart_view *before,
                            const struct cart_view *after)
{
    for (size_t i = 0; i < before->coupon_count; i++)
        compare_coupon(changes, &before->coupons[i], find_coupon(after, before->coupons[i].code));
    for (size_t i = 0; i < after->coupon_count; i++)
        if (find_coupon(before, after->coupons[i].code) == NULL)
            compare_coupon(changes, NULL, &after->coupons[i]);
}

/* --- the cart ------------------------------------------------------------------------------ */

static struct str status_of(const struct cart_view *view)
{
    return view->status == CART_VIEW_ABSENT ? STR_NONE
                                            : str_from(cart_view_status_name(view->status));
}

static struct str currency_of(const struct cart_view *view)
{
    return view->status == CART_VIEW_ABSENT ? STR_NONE : str_from(view->currency);
}

static struct str merged_into_of(const struct cart_view *view, char text[UUID_TEXT_LENGTH + 1])
{
    if (view->status != CART_VIEW_MERGED)
        return STR_NONE;
    uuid_format(&view->merged_into, text);
    return (struct str){text, UUID_TEXT_LENGTH};
}

void cart_changes_write(const struct cart_view *before, const struct cart_view *after,
                        struct json_out *out)
{
    struct changes changes = {out, TEXT_INIT(PATH_MAX_BYTES)};
    char ids[2][UUID_TEXT_LENGTH + 1];
    json_out_array(out);
    compare_text(&changes, "status", status_of(before), status_of(after));
    compare_text(&changes, "customerId", before->customer_id, after->customer_id);
    compare_text(&changes, "currency", currency_of(before), currency_of(after));
    compare_lines(&changes, before, after);
    compare_coupons(&changes, before, after);
    compare_text(&changes, "orderId", before->order_id, after->order_id);
    compare_text(&changes, "mergedInto", merged_into_of(before, ids[0]),
                 merged_into_of(after, ids[1]));
    json_out_end_array(out);
    text_done(&changes.path);
}
