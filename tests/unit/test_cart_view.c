/* Given the events of a cart, when they are applied, then the view shows this. */
#include "cart_view.h"
#include "clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 500, NAME_MAX_BYTES = 256 };

static const struct uuid cart_id = {{0x01, 0x98, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};
static const struct uuid other_id = {{0x01, 0x98, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 2}};
/* 2026-11-23T09:00:00.123456Z */
static const int64_t start_us = INT64_C(1795424400123456);

/* What is under test, fed with one event a second. */
struct given {
    struct cart_view view;
    struct error error;
};

static enum status apply(struct given *given, struct event_data data)
{
    struct recorded_event event = {
        .cart_id = cart_id,
        .version = given->view.version + 1,
        .occurred_at_us = start_us + (int64_t)given->view.version * MICROSECONDS_PER_SECOND,
    };
    return cart_view_apply(&given->view, &data, &event, &given->error);
}

static void happens(struct given *given, struct event_data data)
{
    enum status status = apply(given, data);
    cr_assert_eq(status, STATUS_OK, "%s: %s", event_type_name(data.type), given->error.message);
}

static char *rendered(const struct cart_view *view)
{
    struct text text = TEXT_INIT(CART_VIEW_BODY_MAX);
    cart_view_render(view, &text);
    char *json = text_steal(&text, NULL);
    cr_assert(json != NULL);
    return json;
}

/* The event is refused and the view is what it was. */
static void cannot_happen(struct given *given, struct event_data data)
{
    char *before = given->view.version > 0 ? rendered(&given->view) : NULL;
    cr_assert_eq(apply(given, data), STATUS_INVALID, "%s was applied", event_type_name(data.type));
    if (before != NULL) {
        char *after = rendered(&given->view);
        cr_assert_str_eq(after, before);
        free(after);
    } else {
        cr_assert_eq(given->view.version, 0);
    }
    free(before);
}

static void shows(const struct given *given, const char *expected)
{
    char *json = rendered(&given->view);
    cr_assert_str_eq(json, expected);
    free(json);
}

static struct money euros(int64_t amount_minor)
{
    return (struct money){amount_minor, "EUR"};
}

static struct cart_line line(const char *sku, const char *name, int32_t quantity, int64_t price)
{
    return (struct cart_line){.sku = str_from(sku),
                              .name = str_from(name),
                              .quantity = quantity,
                              .unit_price = euros(price)};
}

static struct event_data created(const char *customer)
{
    return (struct event_data){
        .type = EVENT_CART_CREATED,
        .cart_created = {.currency = "EUR", .customer_id = str_from(customer)}};
}

static struct event_data added(const char *sku, const char *name, int32_t quantity, int64_t price,
                               int32_t line_quantity)
{
    return (struct event_data){.type = EVENT_ITEM_ADDED,
                               .item_added = {line(sku, name, quantity, price), line_quantity}};
}

static struct event_data changed(const char *sku, int32_t previous, int32_t quantity)
{
    return (struct event_data){.type = EVENT_ITEM_QUANTITY_CHANGED,
                               .item_quantity_changed = {str_from(sku), quantity, previous}};
}

static struct event_data removed(const char *sku, int32_t quantity, int32_t line_quantity)
{
    return (struct event_data){.type = EVENT_ITEM_REMOVED,
                               .item_removed = {str_from(sku), quantity, line_quantity}};
}

static struct event_data cleared(int32_t line_count)
{
    return (struct event_data){.type = EVENT_CART_CLEARED, .cart_cleared = {line_count}};
}

static struct event_data assigned(const char *customer, const char *previous)
{
    return (struct event_data){.type = EVENT_CUSTOMER_ASSIGNED,
                               .customer_assigned = {str_from(customer), str_from(previous)}};
}

static struct event_data percent_coupon(const char *code, int32_t percent)
{
    return (struct event_data){.type = EVENT_COUPON_APPLIED,
                               .coupon_applied = {{str_from(code), percent, {0}}}};
}

static struct event_data amount_coupon(const char *code, struct money amount)
{
    return (struct event_data){.type = EVENT_COUPON_APPLIED,
                               .coupon_applied = {{str_from(code), 0, amount}}};
}

static struct event_data coupon_removed(const char *code)
{
    return (struct event_data){.type = EVENT_COUPON_REMOVED, .coupon_removed = {str_from(code)}};
}

static struct event_data merged(const struct cart_line *items, size_t count)
{
    return (struct event_data){.type = EVENT_CART_MERGED,
                               .cart_merged = {other_id, 3, STR_LITERAL("sum"), items, count}};
}

static struct event_data merged_away(struct uuid target)
{
    return (struct event_data){.type = EVENT_CART_MERGED_AWAY, .cart_merged_away = {target}};
}

/* What the command service would say of the cart as it is. */
static struct event_data checked_out(const struct cart_view *view, const char *order)
{
    struct event_data data = {.type = EVENT_CART_CHECKED_OUT,
                              .cart_checked_out = {.order_id = str_from(order),
                                                   .customer_id = view->customer_id,
                                                   .currency = "EUR",
                                                   .items = view->lines,
                                                   .item_count = view->line_count,
                                                   .coupons = view->coupons,
                                                   .coupon_count = view->coupon_count}};
    cr_assert(cart_totals_of(view->lines, view->line_count, view->coupons, view->coupon_count,
                             &data.cart_checked_out.totals));
    return data;
}

static struct event_data cancelled(void)
{
    return (struct event_data){.type = EVENT_CART_CANCELLED};
}

static struct event_data expired(int64_t last_changed_at_us)
{
    return (struct event_data){.type = EVENT_CART_EXPIRED,
                               .cart_expired = {last_changed_at_us, EXPIRY_POLICY_GUEST}};
}

#define ID "01980000-0000-7000-8000-000000000001"
#define OTHER_ID "01980000-0000-7000-8000-000000000002"
#define EUR(amount) "{\"amountMinor\":" #amount ",\"currency\":\"EUR\"}"
#define ITEM(sku, name, quantity, price, total)                                                    \
    "{\"sku\":\"" sku "\",\"name\":\"" name "\",\"quantity\":" #quantity                           \
    ",\"unitPrice\":" EUR(price) ",\"lineTotal\":" EUR(total) "}"

Test(cart_view, a_new_cart_of_a_guest)
{
    struct given given = {0};
    happens(&given, created(NULL));
    shows(&given,
          "{\"cartId\":\"" ID "\",\"status\":\"open\",\"customerId\":null,\"currency\":\"EUR\","
          "\"version\":1,\"items\":[],\"lineCount\":0,\"itemCount\":0,\"coupons\":[],"
          "\"subtotal\":" EUR(0) ",\"discountTotal\":" EUR(0) ",\"total\":" EUR(
              0) ","
                 "\"createdAt\":\"2026-11-23T09:00:00.123456Z\","
                 "\"updatedAt\":\"2026-11-23T09:00:00.123456Z\","
                 "\"closedAt\":null,\"orderId\":null,\"mergedInto\":null}");
    cart_view_done(&given.view);
}

Test(cart_view, a_cart_that_was_checked_out_keeps_its_lines)
{
    struct given given = {0};
    happens(&given, created("c-\"1\""));
    happens(&given, added("tea-01", "Gr\xc3\xbcner Tee", 2, 1999, 2));
    happens(&given, added("cup", "Cup", 1, 500, 1));
    happens(&given, percent_coupon("TEN", 10));
    happens(&given, amount_coupon("FIVE", euros(500)));
    happens(&given, checked_out(&given.view, "order-7"));
    shows(&given,
          "{\"cartId\":\"" ID "\",\"status\":\"checked_out\",\"customerId\":\"c-\\\"1\\\"\","
          "\"currency\":\"EUR\",\"version\":6,"
          "\"items\":[" ITEM("tea-01", "Gr\xc3\xbcner Tee", 2, 1999, 3998) "," ITEM(
              "cup", "Cup", 1, 500,
              500) "],\"lineCount\":2,\"itemCount\":3,"
                   "\"coupons\":[{\"code\":\"TEN\",\"percentOff\":10},"
                   "{\"code\":\"FIVE\",\"amountOff\":" EUR(
                       500) "}],"
                            "\"subtotal\":" EUR(4498) ",\"discountTotal\":" EUR(
                                950) ",\"total\":" EUR(3548) ","
                                                             "\"createdAt\":\"2026-11-23T09:00:00."
                                                             "123456Z\","
                                                             "\"updatedAt\":\"2026-11-23T09:00:05."
                                                             "123456Z\","
                                                             "\"closedAt\":\"2026-11-23T09:00:05."
                                                             "123456Z\","
                                                             "\"orderId\":\"order-7\","
                                                             "\"mergedInto\":null}");
    cart_view_done(&given.view);
}

Test(cart_view, a_cart_that_was_merged_away_names_its_target_and_keeps_its_lines)
{
    struct given given = {0};
    happens(&given, created(NULL));
    happens(&given, added("a", "A", 1, 7, 1));
    happens(&given, merged_away(other_id));
    shows(&given,
          "{\"cartId\":\"" ID "\",\"status\":\"merged\",\"customerId\":null,\"currency\":\"EUR\","
          "\"version\":3,\"items\":[" ITEM(
              "a", "A", 1, 7,
              7) "],\"lineCount\":1,\"itemCount\":1,"
                 "\"coupons\":[],\"subtotal\":" EUR(7) ",\"discountTotal\":" EUR(
                     0) ",\"total\":" EUR(7) ",\"createdAt\":\"2026-11-23T09:00:00.123456Z\","
                                             "\"updatedAt\":\"2026-11-23T09:00:02.123456Z\","
                                             "\"closedAt\":\"2026-11-23T09:00:02.123456Z\","
                                             "\"orderId\":null,\"mergedInto\":\"" OTHER_ID "\"}");
    cart_view_done(&given.view);
}

/* "a:1@10(A) b:2@20(B)": the lines, short enough to compare. */
static void has_lines(const struct given *given, const char *expected)
{
    struct text text = TEXT_INIT(4096);
    for (size_t i = 0; i < given->view.line_count; i++) {
        const struct cart_line *l = &given->view.lines[i];
        text_format(&text, "%s" STR_FORMAT ":%d@%d(" STR_FORMAT ")", i == 0 ? "" : " ",
                    STR_ARGS(l->sku), l->quantity, (int)l->unit_price.amount_minor,
                    STR_ARGS(l->name));
    }
    char *lines = text_steal(&text, NULL);
    cr_assert_str_eq(lines, expected);
    free(lines);
}

Test(cart_view, the_same_sku_again_adds_up_and_the_newest_price_and_name_hold)
{
    struct given given = {0};
    happens(&given, created(NULL));
    happens(&given, added("a", "A", 1, 10, 1));
    happens(&given, added("b", "B", 2, 20, 2));
    happens(&given, added("a", "A new", 4, 11, 5));
    has_lines(&given, "a:5@11(A new) b:2@20(B)");
    cart_view_done(&given.view);
}

Test(cart_view, a_sku_that_went_and_comes_back_stands_at_the_end)
{
    struct given given = {0};
    happens(&given, created(NULL));
    happens(&given, added("a", "A", 1, 10, 1));
    happens(&given, added("b", "B", 2, 20, 2));
    happens(&given, added("c", "C", 3, 30, 3));
    happens(&given, removed("a", 1, 0));
    has_lines(&given, "b:2@20(B) c:3@30(C)");
    happens(&given, added("a", "A", 7, 10, 7));
    has_lines(&given, "b:2@20(B) c:3@30(C) a:7@10(A)");
    happens(&given, removed("c", 1, 2));
    happens(&given, changed("b", 2, 9));
    has_lines(&given, "b:9@20(B) c:2@30(C) a:7@10(A)");
    happens(&given, cleared(3));
    has_lines(&given, "");
    happens(&given, added("c", "C", 1, 30, 1));
    has_lines(&given, "c:1@30(C)");
    cart_view_done(&given.view);
}

Test(cart_view, a_merge_gives_the_lines_of_the_event_in_their_order)
{
    struct given given = {0};
    happens(&given, created(NULL));
    happens(&given, added("a", "A", 1, 10, 1));
    happens(&given, percent_coupon("TEN", 10));
    struct cart_line items[] = {line("z", "Z", 5, 50), line("a", "A2", 3, 11)};
    happens(&given, merged(items, 2));
    has_lines(&given, "z:5@50(Z) a:3@11(A2)");
    cr_assert_eq(given.view.coupon_count, 1); /* coupons stay */
    happens(&given, added("b", "B", 1, 1, 1));
    has_lines(&given, "z:5@50(Z) a:3@11(A2) b:1@1(B)");
    happens(&given, merged(NULL, 0));
    has_lines(&given, "");
    happens(&given, added("b", "B", 1, 1, 1));
    has_lines(&given, "b:1@1(B)");
    cart_view_done(&given.view);
}

Test(cart_view, a_coupon_applied_again_keeps_its_place_and_survives_a_clear)
{
    struct given given = {0};
    happens(&given, created(NULL));
    happens(&given, added("a", "A", 1, 1000, 1));
    happens(&given, percent_coupon("ONE", 10));
    happens(&given, percent_coupon("TWO", 20));
    happens(&given, amount_coupon("ONE", euros(5)));
    cr_assert(str_equal_literal(given.view.coupons[0].code, "ONE"));
    cr_assert_eq(given.view.coupons[0].percent_off, 0);
    cr_assert_eq(given.view.coupons[0].amount_off.amount_minor, 5);
    happens(&given, cleared(1));
    cr_assert_eq(given.view.coupon_count, 2);
    happens(&given, coupon_removed("ONE"));
    cr_assert_eq(given.view.coupon_count, 1);
    cr_assert(str_equal_literal(given.view.coupons[0].code, "TWO"));
    cannot_happen(&given, coupon_removed("ONE"));
    cart_view_done(&given.view);
}

Test(cart_view, a_guest_becomes_a_customer)
{
    struct given given = {0};
    happens(&given, created(NULL));
    cannot_happen(&given, assigned("c1", "c0"));
    happens(&given, assigned("c1", NULL));
    cannot_happen(&given, assigned("c2", NULL));
    happens(&given, assigned("c2", "c1"));
    cr_assert(str_equal_literal(given.view.customer_id, "c2"));
    cart_view_done(&given.view);
}

Test(cart_view, nothing_happens_to_an_absent_cart_but_its_creation)
{
    struct given given = {0};
    cannot_happen(&given, added("a", "A", 1, 10, 1));
    cannot_happen(&given, cancelled());
    cannot_happen(&given, cleared(0));
    happens(&given, created(NULL));
    cannot_happen(&given, created(NULL));
    cart_view_done(&given.view);
}

Test(cart_view, nothing_happens_to_a_closed_cart)
{
    const struct event_data ends[] = {cancelled(), expired(start_us), merged_away(other_id)};
    const char *const names[] = {"cancelled", "expired", "merged"};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct given given = {0};
        happens(&given, created(NULL));
        happens(&given, added("a", "A", 1, 10, 1));
        happens(&given, ends[i]);
        cr_assert_str_eq(cart_view_status_name(given.view.status), names[i]);
        cr_assert_eq(given.view.closed_at_us, start_us + 2 * MICROSECONDS_PER_SECOND);
        has_lines(&given, "a:1@10(A)");
        cannot_happen(&given, added("b", "B", 1, 10, 1));
        cannot_happen(&given, cancelled());
        cannot_happen(&given, created(NULL));
        cart_view_done(&given.view);
    }
}

Test(cart_view, a_version_that_is_not_the_next_one_or_another_carts_event_is_refused)
{
    struct given given = {0};
    happens(&given, created(NULL));
    struct event_data data = added("a", "A", 1, 10, 1);
    for (int32_t version = 0; version <= 4; version++) {
        struct recorded_event event = {
            .cart_id = cart_id, .version = version, .occurred_at_us = start_us};
        if (version != 2)
            cr_assert_eq(cart_view_apply(&given.view, &data, &event, NULL), STATUS_INVALID);
    }
    struct recorded_event event = {.cart_id = other_id, .version = 2, .occurred_at_us = start_us};
    cr_assert_eq(cart_view_apply(&given.view, &data, &event, NULL), STATUS_INVALID);
    event.cart_id = cart_id;
    cr_assert_eq(cart_view_apply(&given.view, &data, &event, NULL), STATUS_OK);
    cart_view_done(&given.view);
}

Test(cart_view, quantities_that_do_not_agree_are_refused)
{
    struct given given = {0};
    happens(&given, created(NULL));
    cannot_happen(&given, added("a", "A", 2, 10, 3));
    cannot_happen(&given, added("a", "A", 0, 10, 0));
    cannot_happen(&given, added("a", "A", -1, 10, -1));
    cannot_happen(&given, added("a", "A", 1, -10, 1));
    happens(&given, added("a", "A", 2, 10, 2));
    cannot_happen(&given, added("a", "A", 2, 10, 2));
    cannot_happen(&given, added("a", "A", INT32_MAX, 10, INT32_MIN + 1));
    cannot_happen(&given, changed("a", 1, 5));
    cannot_happen(&given, changed("a", 2, 0));
    cannot_happen(&given, changed("b", 0, 5));
    cannot_happen(&given, removed("a", 1, 0));
    cannot_happen(&given, removed("a", 3, -1));
    cannot_happen(&given, removed("a", 0, 2));
    cannot_happen(&given, removed("b", 1, 0));
    cannot_happen(&given, cleared(2));
    cannot_happen(&given, cleared(-1));
    cannot_happen(&given, merged_away(cart_id));
    cart_view_done(&given.view);
}

Test(cart_view, another_currency_is_refused)
{
    struct given given = {0};
    happens(&given, created(NULL));
    struct event_data dollars = added("a", "A", 1, 10, 1);
    memcpy(dollars.item_added.line.unit_price.currency, "USD", 4);
    cannot_happen(&given, dollars);
    cannot_happen(&given, amount_coupon("X", (struct money){5, "USD"}));
    cannot_happen(&given, amount_coupon("X", euros(-5)));
    cannot_happen(&given, percent_coupon("X", 101));
    cannot_happen(&given, percent_coupon("X", -1));
    struct cart_line items[] = {dollars.item_added.line};
    cannot_happen(&given, merged(items, 1));
    cart_view_done(&given.view);
}

Test(cart_view, a_merge_with_a_sku_twice_or_nothing_of_it_is_refused)
{
    struct given given = {0};
    happens(&given, created(NULL));
    struct cart_line twice[] = {line("a", "A", 1, 10), line("b", "B", 1, 10),
                                line("a", "A", 1, 10)};
    cannot_happen(&given, merged(twice, 3));
    struct cart_line none[] = {line("a", "A", 0, 10)};
    cannot_happen(&given, merged(none, 1));
    cart_view_done(&given.view);
}

Test(cart_view, amounts_beyond_64_bits_are_refused)
{
    struct given given = {0};
    happens(&given, created(NULL));
    cannot_happen(&given, added("a", "A", 2, INT64_MAX / 2 + 1, 2));
    happens(&given, added("a", "A", 1, INT64_MAX - 10, 1));
    cannot_happen(&given, added("b", "B", 1, 11, 1));
    happens(&given, added("b", "B", 1, 10, 1));
    cannot_happen(&given, changed("b", 1, 2));
    cannot_happen(&given, added("a", "A", 1, INT64_MAX / 2, 2));
    struct cart_line items[] = {line("a", "A", 2, INT64_MAX)};
    cannot_happen(&given, merged(items, 1));
    has_lines(&given, "a:1@-11(A) b:1@10(B)"); /* its low 32 bits */
    cart_view_done(&given.view);
}

/* A check-out of the cart as it is, but for one thing. */
enum lie {
    NO_LIE,
    CUSTOMER,
    CURRENCY,
    ITEM_COUNT,
    COUPON_COUNT,
    SKU,
    QUANTITY,
    PRICE,
    PRICE_IN,
    CODE,
    PERCENT,
    AMOUNT,
    SUBTOTAL,
    DISCOUNT,
    TOTAL,
    LIE_COUNT
};

static enum status check_out_with(struct given *given, enum lie lie)
{
    struct event_data data = checked_out(&given->view, NULL);
    struct cart_checked_out *out = &data.cart_checked_out;
    struct cart_line items[] = {out->items[0], out->items[1]};
    struct cart_coupon coupons[] = {out->coupons[0], out->coupons[1]};
    out->items = items;
    out->coupons = coupons;
    out->customer_id = lie == CUSTOMER ? STR_NONE : out->customer_id;
    memcpy(out->currency, lie == CURRENCY ? "USD" : "EUR", sizeof(out->currency));
    out->item_count -= lie == ITEM_COUNT;
    out->coupon_count -= lie == COUPON_COUNT;
    items[1].sku = lie == SKU ? STR_LITERAL("other") : items[1].sku;
    items[1].quantity += lie == QUANTITY;
    items[1].unit_price.amount_minor += lie == PRICE;
    memcpy(items[1].unit_price.currency, lie == PRICE_IN ? "USD" : "EUR", sizeof(out->currency));
    coupons[1].code = lie == CODE ? STR_LITERAL("other") : coupons[1].code;
    coupons[0].percent_off += lie == PERCENT;
    coupons[1].amount_off.amount_minor += lie == AMOUNT;
    out->totals.subtotal += lie == SUBTOTAL;
    out->totals.discount += lie == DISCOUNT;
    out->totals.total += lie == TOTAL;
    return apply(given, data);
}

Test(cart_view, a_checkout_of_something_else_is_refused)
{
    struct given given = {0};
    happens(&given, created("c1"));
    happens(&given, added("a", "A", 2, 10, 2));
    happens(&given, added("b", "B", 1, 20, 1));
    happens(&given, percent_coupon("TEN", 10));
    happens(&given, amount_coupon("ONE", euros(1)));
    for (enum lie lie = NO_LIE + 1; lie < LIE_COUNT; lie++)
        cr_expect_eq(check_out_with(&given, lie), STATUS_INVALID, "lie %d was believed", (int)lie);
    cr_assert_eq(check_out_with(&given, NO_LIE), STATUS_OK, "%s", given.error.message);
    cr_assert(str_is_none(given.view.order_id));
    cart_view_done(&given.view);
}

Test(cart_view, five_hundred_of_the_longest_lines_fit_and_are_read_again)
{
    struct given given = {0};
    happens(&given, created(NULL));
    char name[NAME_MAX_BYTES + 1];
    memset(name, '"', NAME_MAX_BYTES); /* each is two bytes in JSON */
    name[NAME_MAX_BYTES] = '\0';
    for (int i = 0; i < LINES_MAX; i++) {
        char sku[65];
        snprintf(sku, sizeof(sku), "%064d", i);
        happens(&given, added(sku, name, 999, MONEY_AMOUNT_MAX, 999));
    }
    char *json = rendered(&given.view);
    struct cart_view again;
    cr_assert_eq(cart_view_read(str_from(json), &again, NULL), STATUS_OK);
    cr_assert_eq(again.line_count, LINES_MAX);
    char *json_again = rendered(&again);
    cr_assert_str_eq(json_again, json);
    free(json);
    free(json_again);
    cart_view_done(&again);
    cart_view_done(&given.view);
}

Test(cart_view, what_is_not_a_stored_view_is_not_read)
{
    struct given given = {0};
    happens(&given, created("c1"));
    happens(&given, added("a", "A", 2, 10, 2));
    happens(&given, amount_coupon("X", euros(1)));
    char *json = rendered(&given.view);
    size_t length = strlen(json);
    struct cart_view view;
    for (size_t i = 0; i < length; i++)
        cr_assert_eq(cart_view_read((struct str){json, i}, &view, NULL), STATUS_INVALID);
    const char *const wrong[] = {
        "[]",
        "{}",
        "null",
        "",
        "{\"cartId\":\"x\"}",
        "{\"cartId\":\"" ID "\",\"status\":\"absent\"}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_eq(cart_view_read(str_from(wrong[i]), &view, &given.error), STATUS_INVALID);
    /* Every member that is read matters: rename one at a time. */
    const char *const members[] = {"cartId",    "status",     "customerId", "currency",  "version",
                                   "items",     "coupons",    "createdAt",  "updatedAt", "orderId",
                                   "sku",       "name",       "quantity",   "unitPrice", "code",
                                   "amountOff", "amountMinor"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        char quoted[32];
        snprintf(quoted, sizeof(quoted), "\"%s\"", members[i]);
        char *at = strstr(json, quoted);
        cr_assert(at != NULL);
        at[1] ^= 1;
        cr_assert_eq(cart_view_read(str_from(json), &view, &given.error), STATUS_INVALID,
                     "read without %s", members[i]);
        at[1] ^= 1;
    }
    free(json);
    cart_view_done(&given.view);
}

/* The stored view with one piece of its text replaced. */
static enum status read_with(const char *json, const char *piece, const char *replacement)
{
    struct text text = TEXT_INIT(CART_VIEW_BODY_MAX);
    const char *at = strstr(json, piece);
    cr_assert_not_null(at, "%s is not in %s", piece, json);
    text_append(&text, json, (size_t)(at - json));
    text_append_terminated(&text, replacement);
    text_append_terminated(&text, at + strlen(piece));
    struct cart_view view = {0};
    enum status status = cart_view_read(text_str(&text), &view, NULL);
    cart_view_done(&view);
    text_done(&text);
    return status;
}

Test(cart_view, a_stored_number_out_of_its_range_is_not_read)
{
    static const char *const wrong[][2] = {
        {"\"version\":4", "\"version\":0"},
        {"\"version\":4", "\"version\":2147483648"},
        {"\"quantity\":2", "\"quantity\":0"},
        {"\"quantity\":2", "\"quantity\":2147483648"},
        {"\"quantity\":2", "\"quantity\":2.0"},
        {"\"amountMinor\":10,", "\"amountMinor\":-1,"},
        {"\"amountMinor\":10,", "\"amountMinor\":9223372036854775807,"}, /* twice that */
        {"\"amountMinor\":10,\"currency\":\"EUR\"", "\"amountMinor\":10,\"currency\":\"USD\""},
        {"\"percentOff\":10", "\"percentOff\":101"},
        {"\"percentOff\":10", "\"percentOff\":0"},
    };
    struct given given = {0};
    happens(&given, created("c1"));
    happens(&given, added("a", "A", 2, 10, 2));
    happens(&given, percent_coupon("X", 10));
    happens(&given, amount_coupon("Y", euros(1)));
    char *json = rendered(&given.view);
    cr_assert_eq(read_with(json, "\"version\":4", "\"version\":2147483647"), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_expect_eq(read_with(json, wrong[i][0], wrong[i][1]), STATUS_INVALID, "%s", wrong[i][1]);
    free(json);
    cart_view_done(&given.view);
}

Test(cart_view, status_names_are_read_back)
{
    for (int i = CART_VIEW_OPEN; i <= CART_VIEW_MERGED; i++) {
        enum cart_view_status status;
        const char *name = cart_view_status_name((enum cart_view_status)i);
        cr_assert(cart_view_status_parse(str_from(name), &status));
        cr_assert_eq((int)status, i);
    }
    enum cart_view_status status;
    cr_assert_not(cart_view_status_parse(STR_LITERAL("absent"), &status));
    cr_assert_not(cart_view_status_parse(STR_LITERAL("Open"), &status));
    cr_assert_not(cart_view_status_parse(STR_NONE, &status));
}

/* --- random histories ------------------------------------------------------------------------ */

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice->state >> 33) % sides;
}

static const char *const skus[] = {"a", "b", "c", "d", "e\"f", "\xc3\xa9"};

/* Something that can happen to this cart, or about one time in eight perhaps not. */
static struct event_data random_event(struct dice *dice, const struct cart_view *view,
                                      struct cart_line items[3])
{
    const char *sku = skus[roll(dice, ARRAY_SIZE(skus))];
    const struct cart_line *found = NULL;
    for (size_t i = 0; i < view->line_count; i++)
        if (str_equal_literal(view->lines[i].sku, sku))
            found = &view->lines[i];
    int32_t here = found == NULL ? 0 : found->quantity;
    int32_t quantity = (int32_t)roll(dice, 5) + 1;
    static const char *const codes[] = {"X", "Y", "Z"};
    const char *code = codes[roll(dice, ARRAY_SIZE(codes))];

    switch (roll(dice, 12)) {
    case 0:
        return changed(sku, here, quantity);
    case 1:
        return removed(sku, here, 0);
    case 2:
        return removed(sku, 1, here - 1);
    case 3:
        return percent_coupon(code, (int32_t)roll(dice, 100) + 1);
    case 4:
        return amount_coupon(code, euros((int64_t)roll(dice, 500)));
    case 5:
        return coupon_removed(code);
    case 6:
        if (roll(dice, 4) == 0)
            return cleared((int32_t)view->line_count);
        for (size_t i = 0; i < 3; i++)
            items[i] = line(skus[i], "Merged", quantity + (int32_t)i, 17);
        return merged(items, roll(dice, 4));
    case 7:
        return assigned(code, str_is_none(view->customer_id) ? NULL : view->customer_id.bytes);
    case 8:
        switch (roll(dice, 40)) {
        case 0:
            return checked_out(view, "o");
        case 1:
            return cancelled();
        case 2:
            return expired(view->updated_at_us);
        case 3:
            return merged_away(other_id);
        default:
            break;
        }
        return added(sku, code, quantity, (int64_t)roll(dice, 3000), here + quantity);
    default:
        return added(sku, code, quantity, (int64_t)roll(dice, 3000), here + quantity);
    }
}

/* A view that is stored and read again between any two events is the view that was kept. */
static void lives_like_one_that_is_stored(struct dice *dice)
{
    struct given kept = {0};
    struct given stored = {0};
    happens(&kept, created(roll(dice, 2) == 0 ? NULL : "c"));
    stored.view = (struct cart_view){0};
    happens(&stored, created(str_is_none(kept.view.customer_id) ? NULL : "c"));

    for (int i = 0; i < 40; i++) {
        char *json = rendered(&stored.view);
        cart_view_done(&stored.view);
        cr_assert_eq(cart_view_read(str_from(json), &stored.view, NULL), STATUS_OK);
        char *again = rendered(&stored.view);
        cr_assert_str_eq(again, json);
        free(again);

        struct cart_line items[3];
        struct event_data data = random_event(dice, &kept.view, items);
        /* Its texts may be the kept view's own: apply to the other one first. */
        enum status status = apply(&stored, data);
        cr_assert_eq(apply(&kept, data), status);
        char *now = rendered(&stored.view);
        if (status != STATUS_OK)
            cr_assert_str_eq(now, json);
        char *expected = rendered(&kept.view);
        cr_assert_str_eq(now, expected);
        free(json);
        free(now);
        free(expected);
    }
    cart_view_done(&kept.view);
    cart_view_done(&stored.view);
}

Test(cart_view, random_histories_survive_being_stored_and_read)
{
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct dice dice = {seed};
        lives_like_one_that_is_stored(&dice);
    }
}
