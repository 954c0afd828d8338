/* Given a cart, when an event happens to it, then these are the changes. */
#include "cart_changes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define TEA(quantity, amount)                                                                      \
    "{\"sku\":\"tea-01\",\"name\":\"Green tea\",\"quantity\":" #quantity                           \
    ",\"unitPrice\":{\"amountMinor\":" #amount ",\"currency\":\"EUR\"}"
#define PRICE(amount) "{\"amountMinor\":" #amount ",\"currency\":\"EUR\"}"
#define CHANGE(path, before, after)                                                                \
    "{\"path\":\"" path "\",\"before\":" before ",\"after\":" after "}"

static const struct uuid cart_id = {{0x01, 0x98, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};

struct given {
    struct cart_view before;
    struct cart_view now;
};

static void apply(struct cart_view *view, const char *type, const char *data)
{
    struct error error = {0};
    struct recorded_event event = {.cart_id = cart_id,
                                   .version = view->version + 1,
                                   .type = str_from(type),
                                   .schema_version = 1,
                                   .occurred_at_us = view->version,
                                   .data = str_from(data)};
    cr_assert_eq(cart_view_apply_event(view, &event, &error), STATUS_OK, "%s: %s", type,
                 error.message);
}

static void happens(struct given *given, const char *type, const char *data)
{
    apply(&given->before, type, data);
    apply(&given->now, type, data);
}

/* The same, with what it changes. */
static void changes(struct given *given, const char *type, const char *data, const char *expected)
{
    struct text text = TEXT_INIT(CART_VIEW_BODY_MAX);
    struct json_out out = json_out_to(&text);
    apply(&given->now, type, data);
    cart_changes_write(&given->before, &given->now, &out);
    apply(&given->before, type, data);
    char *json = text_steal(&text, NULL);
    cr_assert_not_null(json);
    cr_assert_str_eq(json, expected);
    free(json);
}

static void done(struct given *given)
{
    cart_view_done(&given->before);
    cart_view_done(&given->now);
}

static struct given a_cart(void)
{
    struct given given = {0};
    happens(&given, "CartCreated", "{\"currency\":\"EUR\",\"customerId\":null}");
    return given;
}

static struct given a_cart_with_tea(void)
{
    struct given given = a_cart();
    happens(&given, "ItemAdded", TEA(2, 1999) ",\"lineQuantity\":2}");
    return given;
}

Test(cart_changes, of_a_creation)
{
    struct given guest = {0};
    changes(
        &guest, "CartCreated", "{\"currency\":\"EUR\",\"customerId\":null}",
        "[" CHANGE("/status", "null", "\"open\"") "," CHANGE("/currency", "null", "\"EUR\"") "]");
    done(&guest);
    struct given customer = {0};
    changes(&customer, "CartCreated", "{\"currency\":\"EUR\",\"customerId\":\"c-1\"}",
            "[" CHANGE("/status", "null", "\"open\"") "," CHANGE(
                "/customerId", "null", "\"c-1\"") "," CHANGE("/currency", "null", "\"EUR\"") "]");
    done(&customer);
}

Test(cart_changes, of_a_line)
{
    struct given given = a_cart();
    changes(&given, "ItemAdded", TEA(2, 1999) ",\"lineQuantity\":2}",
            "[" CHANGE("/items/tea-01", "null", TEA(2, 1999) "}") "]");
    changes(&given, "ItemAdded", TEA(1, 1999) ",\"lineQuantity\":3}",
            "[" CHANGE("/items/tea-01/quantity", "2", "3") "]");
    changes(&given, "ItemAdded",
            "{\"sku\":\"tea-01\",\"name\":\"Tea\",\"quantity\":1,\"unitPrice\":" PRICE(
                5) ",\"lineQuantity\":4}",
            "[" CHANGE("/items/tea-01/name", "\"Green tea\"", "\"Tea\"") "," CHANGE(
                "/items/tea-01/quantity", "3", "4") "," CHANGE("/items/tea-01/unitPrice",
                                                               PRICE(1999), PRICE(5)) "]");
    changes(&given, "ItemQuantityChanged",
            "{\"sku\":\"tea-01\",\"quantity\":9,\"previousQuantity\":4}",
            "[" CHANGE("/items/tea-01/quantity", "4", "9") "]");
    changes(&given, "ItemRemoved", "{\"sku\":\"tea-01\",\"quantity\":8,\"lineQuantity\":1}",
            "[" CHANGE("/items/tea-01/quantity", "9", "1") "]");
    changes(&given, "ItemRemoved", "{\"sku\":\"tea-01\",\"quantity\":1,\"lineQuantity\":0}",
            "[" CHANGE(
                "/items/tea-01",
                "{\"sku\":\"tea-01\",\"name\":\"Tea\",\"quantity\":1,\"unitPrice\":" PRICE(5) "}",
                "null") "]");
    done(&given);
}

Test(cart_changes, a_sku_in_a_path_is_escaped)
{
    struct given given = a_cart();
    happens(&given, "ItemAdded",
            "{\"sku\":\"a/b~c \\\"\",\"name\":\"\",\"quantity\":1,\"unitPrice\":" PRICE(
                0) ",\"lineQuantity\":1}");
    changes(&given, "ItemQuantityChanged",
            "{\"sku\":\"a/b~c \\\"\",\"quantity\":2,\"previousQuantity\":1}",
            "[" CHANGE("/items/a~1b~0c \\\"/quantity", "1", "2") "]");
    done(&given);
}

Test(cart_changes, of_clearing_and_of_merging_name_each_line)
{
    static const char coffee[] = "{\"sku\":\"coffee\",\"name\":\"C\",\"quantity\":1,"
                                 "\"unitPrice\":" PRICE(7);
    char data[1024];
    char expected[1024];
    struct given given = a_cart_with_tea();
    snprintf(data, sizeof(data),
             "{\"sourceCartId\":\"01980000-0000-7000-8000-000000000002\",\"sourceVersion\":3,"
             "\"strategy\":\"sum\",\"items\":[%s},%s}]}",
             coffee, TEA(5, 1999));
    snprintf(expected, sizeof(expected),
             "[" CHANGE("/items/tea-01/quantity", "2", "5") "," CHANGE("/items/coffee", "null",
                                                                       "%s}") "]",
             coffee);
    changes(&given, "CartMerged", data, expected);
    snprintf(expected, sizeof(expected),
             "[" CHANGE("/items/coffee", "%s}", "null") "," CHANGE("/items/tea-01",
                                                                   TEA(5, 1999) "}", "null") "]",
             coffee);
    changes(&given, "CartCleared", "{\"lineCount\":2}", expected);
    done(&given);
}

Test(cart_changes, of_coupons_and_the_customer)
{
    struct given given = a_cart_with_tea();
    changes(&given, "CouponApplied", "{\"code\":\"TEN\",\"percentOff\":10}",
            "[" CHANGE("/coupons/TEN", "null", "{\"code\":\"TEN\",\"percentOff\":10}") "]");
    changes(&given, "CouponApplied", "{\"code\":\"TEN\",\"amountOff\":" PRICE(10) "}",
            "[" CHANGE("/coupons/TEN", "{\"code\":\"TEN\",\"percentOff\":10}",
                       "{\"code\":\"TEN\",\"amountOff\":" PRICE(10) "}") "]");
    changes(&given, "CouponApplied", "{\"code\":\"TEN\",\"amountOff\":" PRICE(11) "}",
            "[" CHANGE("/coupons/TEN", "{\"code\":\"TEN\",\"amountOff\":" PRICE(10) "}",
                       "{\"code\":\"TEN\",\"amountOff\":" PRICE(11) "}") "]");
    changes(
        &given, "CouponRemoved", "{\"code\":\"TEN\"}",
        "[" CHANGE("/coupons/TEN", "{\"code\":\"TEN\",\"amountOff\":" PRICE(11) "}", "null") "]");
    happens(&given, "CouponApplied", "{\"code\":\"TEN\",\"percentOff\":10}");
    changes(&given, "CouponApplied", "{\"code\":\"TWO\",\"percentOff\":2}",
            "[" CHANGE("/coupons/TWO", "null", "{\"code\":\"TWO\",\"percentOff\":2}") "]");
    changes(&given, "CouponApplied", "{\"code\":\"TWO\",\"percentOff\":2}", "[]");
    changes(&given, "CustomerAssigned", "{\"customerId\":\"c\",\"previousCustomerId\":null}",
            "[" CHANGE("/customerId", "null", "\"c\"") "]");
    changes(&given, "CustomerAssigned", "{\"customerId\":\"d\",\"previousCustomerId\":\"c\"}",
            "[" CHANGE("/customerId", "\"c\"", "\"d\"") "]");
    done(&given);
}

Test(cart_changes, of_an_end)
{
    struct given merged = a_cart();
    changes(&merged, "CartMergedAway",
            "{\"targetCartId\":\"01980000-0000-7000-8000-000000000002\"}",
            "[" CHANGE("/status", "\"open\"", "\"merged\"") "," CHANGE(
                "/mergedInto", "null", "\"01980000-0000-7000-8000-000000000002\"") "]");
    done(&merged);
    struct given cancelled = a_cart_with_tea();
    changes(&cancelled, "CartCancelled", "{}",
            "[" CHANGE("/status", "\"open\"", "\"cancelled\"") "]");
    done(&cancelled);
    struct given sold = a_cart_with_tea();
    changes(
        &sold, "CartCheckedOut",
        "{\"orderId\":\"o-7\",\"customerId\":null,\"items\":[" TEA(2, 1999) ",\"lineTotal\":" PRICE(
            3998) "}],\"coupons\":[],"
                  "\"subtotal\":" PRICE(3998) ",\"discountTotal\":" PRICE(0) ","
                                                                             "\"total\":" PRICE(
                                                                                 3998) "}",
        "[" CHANGE("/status", "\"open\"", "\"checked_out\"") "," CHANGE("/orderId", "null",
                                                                        "\"o-7\"") "]");
    done(&sold);
}

Test(cart_changes, an_event_that_cannot_be_read_is_invalid)
{
    struct given given = a_cart();
    struct recorded_event event = {.cart_id = cart_id,
                                   .version = 2,
                                   .type = STR_LITERAL("CartCancelled"),
                                   .schema_version = 2,
                                   .data = STR_LITERAL("{}")};
    cr_assert_eq(cart_view_apply_event(&given.now, &event, NULL), STATUS_INVALID);
    event.type = STR_LITERAL("CartForgotten");
    event.schema_version = 1;
    cr_assert_eq(cart_view_apply_event(&given.now, &event, NULL), STATUS_INVALID);
    cr_assert_eq(given.now.version, 1);
    done(&given);
}
