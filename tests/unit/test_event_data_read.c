#include "event_data.h"

#include <criterion/criterion.h>
#include <stdio.h>

static enum status read_as(const char *type, int schema_version, const char *json,
                           struct event_data *ret_data, struct error *error)
{
    return event_data_read(str_from(type), schema_version, str_from(json), ret_data, error);
}

static void assert_refused(const char *type, const char *json)
{
    struct event_data data = {0};
    struct error error = {0};
    cr_assert_eq(read_as(type, 1, json, &data, &error), STATUS_INVALID, "%s %s", type, json);
    cr_assert_null(data.source);
    cr_assert_neq(error.message[0], '\0');
}

static void assert_read(const char *type, const char *json)
{
    struct error error = {0};
    AUTO(event_data_done) struct event_data data = {0};
    cr_assert_eq(read_as(type, 1, json, &data, &error), STATUS_OK, "%s %s: %s", type, json,
                 error.message);
}

#define PRICE "{\"amountMinor\":5,\"currency\":\"EUR\"}"
#define LINE(members) "{\"sku\":\"a\",\"name\":\"A\"," members "}"
#define ADDED(members) "{\"sku\":\"a\",\"name\":\"A\",\"lineQuantity\":2," members "}"
#define CHECKED_OUT(items, coupons, totals)                                                        \
    "{\"orderId\":null,\"customerId\":null,\"items\":[" items "],\"coupons\":[" coupons            \
    "]," totals "}"
#define TOTALS "\"subtotal\":" PRICE ",\"discountTotal\":" PRICE ",\"total\":" PRICE

Test(event_data_read, given_an_item_added_when_read_then_each_member_is_where_it_belongs)
{
    struct error error;
    AUTO(event_data_done) struct event_data data = {0};
    cr_assert_eq(read_as("ItemAdded", 1,
                         "{\"sku\":\"tea-01\",\"name\":\"Gr\\u00fcn \\\"x\\\"\",\"quantity\":2,"
                         "\"unitPrice\":{\"amountMinor\":1999,\"currency\":\"EUR\"},"
                         "\"lineQuantity\":5}",
                         &data, &error),
                 STATUS_OK);
    cr_assert_eq(data.type, EVENT_ITEM_ADDED);
    cr_assert(str_equal_literal(data.item_added.line.sku, "tea-01"));
    cr_assert(str_equal_literal(data.item_added.line.name, "Gr\xc3\xbcn \"x\""));
    cr_assert_eq(data.item_added.line.quantity, 2);
    cr_assert_eq(data.item_added.line.unit_price.amount_minor, 1999);
    cr_assert_str_eq(data.item_added.line.unit_price.currency, "EUR");
    cr_assert_eq(data.item_added.line_quantity, 5);
}

Test(event_data_read, given_unknown_members_then_they_are_ignored)
{
    assert_read("CartCleared", "{\"lineCount\":1,\"later\":{\"a\":[1.5,null]},\"x\":2e3}");
    assert_read("CartCancelled", "{\"reason\":\"why not\"}");
}

Test(event_data_read, given_an_unknown_type_or_version_then_it_is_refused)
{
    struct event_data data;
    assert_refused("CartRepainted", "{}");
    assert_refused("cartCancelled", "{}");
    assert_refused("", "{}");
    cr_assert_eq(read_as("CartCancelled", 2, "{}", &data, NULL), STATUS_INVALID);
    cr_assert_eq(read_as("CartCancelled", 0, "{}", &data, NULL), STATUS_INVALID);
    cr_assert_eq(read_as("CartCancelled", -1, "{}", &data, NULL), STATUS_INVALID);
    cr_assert_eq(event_data_read(STR_NONE, 1, STR_LITERAL("{}"), &data, NULL), STATUS_INVALID);
    cr_assert_eq(event_data_read(STR_LITERAL("CartCancelled"), 1, STR_NONE, &data, NULL),
                 STATUS_INVALID);
}

Test(event_data_read, given_what_is_no_object_then_it_is_refused)
{
    static const char *const wrong[] = {"",
                                        "7",
                                        "[]",
                                        "null",
                                        "\"x\"",
                                        "{",
                                        "{}x",
                                        "{} {}",
                                        "{\"a\":}",
                                        "{'a':1}",
                                        "{a:1}",
                                        "\xef\xbb\xbf{}",
                                        "{\"a\":\"\xff\"}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":1,\"a\":1}",
                                        "{\"a\":1,\"\\u0061\":1}",
                                        "{\"a\":9223372036854775808}",
                                        "{\"a\":01}"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_refused("CartCancelled", wrong[i]);
    struct event_data data;
    cr_assert_eq(
        event_data_read(STR_LITERAL("CartCancelled"), 1, (struct str){"{}\0", 3}, &data, NULL),
        STATUS_INVALID);
}

Test(event_data_read, given_deep_nesting_then_it_is_refused_before_parsing)
{
    assert_read("CartCancelled", "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}");
    assert_refused("CartCancelled", "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}");
}

Test(event_data_read, given_numbers_that_are_no_integers_or_out_of_range_then_they_are_refused)
{
    assert_read("CartCleared", "{\"lineCount\":0}");
    assert_read("CartCleared", "{\"lineCount\":2147483647}");
    static const char *const wrong[] = {"2.0",  "1e2",  "-1",  "2147483648", "\"1\"",
                                        "null", "true", "[1]", "{}",         "1.5"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char json[100];
        snprintf(json, sizeof(json), "{\"lineCount\":%s}", wrong[i]);
        assert_refused("CartCleared", json);
    }
    assert_refused("CartCleared", "{}");
    assert_refused("CartCleared", "{\"linecount\":1}");
}

Test(event_data_read, given_money_of_the_wrong_shape_then_it_is_refused)
{
    assert_read("ItemAdded", ADDED("\"quantity\":1,\"unitPrice\":" PRICE));
    assert_read("ItemAdded", ADDED("\"quantity\":1,\"unitPrice\":{\"amountMinor\":1000000000000,"
                                   "\"currency\":\"EUR\",\"more\":1}"));
    static const char *const wrong[] = {
        "5",
        "null",
        "[5,\"EUR\"]",
        "{\"amountMinor\":5}",
        "{\"currency\":\"EUR\"}",
        "{\"amountMinor\":5.0,\"currency\":\"EUR\"}",
        "{\"amountMinor\":-1,\"currency\":\"EUR\"}",
        "{\"amountMinor\":1000000000001,\"currency\":\"EUR\"}",
        "{\"amountMinor\":5,\"currency\":\"eur\"}",
        "{\"amountMinor\":5,\"currency\":\"EURO\"}",
        "{\"amountMinor\":5,\"currency\":7}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char json[200];
        snprintf(json, sizeof(json), ADDED("\"quantity\":1,\"unitPrice\":%s"), wrong[i]);
        assert_refused("ItemAdded", json);
    }
}

Test(event_data_read, given_a_member_that_may_be_null_then_it_must_still_be_there)
{
    struct error error;
    AUTO(event_data_done) struct event_data data = {0};
    cr_assert_eq(
        read_as("CartCreated", 1, "{\"currency\":\"EUR\",\"customerId\":null}", &data, &error),
        STATUS_OK);
    cr_assert(str_is_none(data.cart_created.customer_id));
    assert_refused("CartCreated", "{\"currency\":\"EUR\"}");
    assert_refused("CartCreated", "{\"currency\":\"EUR\",\"customerId\":\"\"}");
    assert_refused("CartCreated", "{\"currency\":\"EUR\",\"customerId\":7}");
    assert_refused("CartCreated", "{\"currency\":null,\"customerId\":null}");
    assert_refused("CustomerAssigned", "{\"customerId\":null,\"previousCustomerId\":null}");
    assert_refused("CustomerAssigned", "{\"customerId\":\"a\"}");
}

Test(event_data_read, given_a_coupon_then_it_takes_off_either_a_percentage_or_an_amount)
{
    assert_read("CouponApplied", "{\"code\":\"a\",\"percentOff\":100}");
    assert_read("CouponApplied", "{\"code\":\"a\",\"percentOff\":1,\"amountOff\":null}");
    assert_read("CouponApplied", "{\"code\":\"a\",\"amountOff\":" PRICE "}");
    assert_refused("CouponApplied", "{\"code\":\"a\"}");
    assert_refused("CouponApplied", "{\"code\":\"a\",\"percentOff\":1,\"amountOff\":" PRICE "}");
    assert_refused("CouponApplied", "{\"code\":\"a\",\"percentOff\":0}");
    assert_refused("CouponApplied", "{\"code\":\"a\",\"percentOff\":101}");
    assert_refused("CouponApplied", "{\"code\":\"\",\"percentOff\":1}");
}

Test(event_data_read, given_ids_and_times_of_the_wrong_shape_then_they_are_refused)
{
    assert_refused("CartMergedAway", "{\"targetCartId\":\"0198f3a2\"}");
    assert_refused("CartMergedAway", "{\"targetCartId\":null}");
    assert_refused("CartExpired", "{\"lastChangedAt\":\"yesterday\"}");
    assert_refused("CartExpired", "{\"lastChangedAt\":1795424400}");
    assert_read("CartExpired", "{\"lastChangedAt\":\"2026-11-23T09:00:00Z\"}");
}

Test(event_data_read, given_an_old_schema_version_then_it_is_brought_up_and_no_other_is_guessed)
{
    struct event_data data;
    struct error error;
    const char *old =
        "{\"lastChangedAt\":\"2026-11-23T09:00:00Z\",\"policy\":\"not yet a member\"}";
    cr_assert_eq(read_as("CartExpired", 1, old, &data, &error), STATUS_OK, "%s", error.message);
    cr_expect_eq(data.cart_expired.policy, EXPIRY_POLICY_UNKNOWN);
    event_data_done(&data);
    cr_expect_eq(read_as("CartExpired", 2, old, &data, &error), STATUS_INVALID);
    const char *fresh = "{\"lastChangedAt\":\"2026-11-23T09:00:00Z\",\"policy\":\"customer\"}";
    cr_assert_eq(read_as("CartExpired", 2, fresh, &data, &error), STATUS_OK, "%s", error.message);
    cr_expect_eq(data.cart_expired.policy, EXPIRY_POLICY_CUSTOMER);
    event_data_done(&data);
    cr_expect_eq(read_as("CartExpired", 3, fresh, &data, &error), STATUS_INVALID);
    cr_expect_eq(read_as("CartExpired", 0, old, &data, &error), STATUS_INVALID);
}

Test(event_data_read, given_lines_of_the_wrong_shape_then_the_message_names_the_line)
{
    struct event_data data;
    struct error error;
    static const char wrong[] =
        "{\"sourceCartId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\",\"sourceVersion\":1,"
        "\"strategy\":\"sum\",\"items\":[" LINE("\"quantity\":1,\"unitPrice\":" PRICE) "," LINE(
            "\"quantity\":1.0,\"unitPrice\":" PRICE) "]}";
    cr_assert_eq(read_as("CartMerged", 1, wrong, &data, &error), STATUS_INVALID);
    cr_assert_str_eq(error.message, "items[1].quantity must be an integer");
    assert_refused("CartMerged", "{\"sourceCartId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\","
                                 "\"sourceVersion\":1,\"strategy\":\"sum\",\"items\":[7]}");
    assert_refused("CartMerged", "{\"sourceCartId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\","
                                 "\"sourceVersion\":1,\"strategy\":\"sum\",\"items\":{}}");
    assert_refused("CartMerged", "{\"sourceCartId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\","
                                 "\"sourceVersion\":0,\"strategy\":\"sum\",\"items\":[]}");
}

Test(event_data_read, given_a_checkout_then_its_line_totals_and_currencies_must_agree)
{
    assert_read("CartCheckedOut", CHECKED_OUT("", "", TOTALS));
    assert_read("CartCheckedOut",
                CHECKED_OUT(LINE("\"quantity\":1,\"unitPrice\":" PRICE ",\"lineTotal\":" PRICE),
                            "{\"code\":\"a\",\"percentOff\":1}", TOTALS));
    assert_refused("CartCheckedOut",
                   CHECKED_OUT(LINE("\"quantity\":2,\"unitPrice\":" PRICE ",\"lineTotal\":" PRICE),
                               "", TOTALS));
    assert_refused("CartCheckedOut",
                   CHECKED_OUT(LINE("\"quantity\":1,\"unitPrice\":" PRICE), "", TOTALS));
    assert_refused("CartCheckedOut",
                   CHECKED_OUT(LINE("\"quantity\":1,\"unitPrice\":" PRICE
                                    ",\"lineTotal\":{\"amountMinor\":5,\"currency\":\"USD\"}"),
                               "", TOTALS));
    assert_refused("CartCheckedOut",
                   CHECKED_OUT(LINE("\"quantity\":2147483647,\"unitPrice\":{\"amountMinor\":"
                                    "1000000000000,\"currency\":\"EUR\"},\"lineTotal\":" PRICE),
                               "", TOTALS));
    assert_refused("CartCheckedOut", CHECKED_OUT("", "{\"code\":\"a\"}", TOTALS));
    assert_refused("CartCheckedOut",
                   CHECKED_OUT("", "{\"code\":\"a\"},{\"code\":\"b\",\"percentOff\":1}", TOTALS));
    assert_refused("CartCheckedOut", CHECKED_OUT("7", "{\"code\":\"a\",\"percentOff\":1}", TOTALS));
    assert_refused("CartCheckedOut",
                   CHECKED_OUT("", "",
                               "\"subtotal\":" PRICE ",\"discountTotal\":" PRICE
                               ",\"total\":{\"amountMinor\":5,\"currency\":\"USD\"}"));
}

Test(event_data_read, given_a_text_that_is_too_long_then_it_is_refused)
{
    static char json[EVENT_DATA_MAX + 10];
    memset(json, ' ', sizeof(json));
    json[0] = '{';
    json[1] = '}';
    struct event_data data = {0};
    struct str most = {json, EVENT_DATA_MAX};
    cr_assert_eq(event_data_read(STR_LITERAL("CartCancelled"), 1, most, &data, NULL), STATUS_OK);
    event_data_done(&data);
    most.length++;
    cr_assert_eq(event_data_read(STR_LITERAL("CartCancelled"), 1, most, &data, NULL),
                 STATUS_INVALID);
}

Test(event_data_read, given_every_type_then_its_name_leads_back_to_it)
{
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++) {
        enum event_type back;
        cr_assert(event_type_parse(str_from(event_type_name(type)), &back));
        cr_assert_eq(back, type);
        cr_assert_eq(event_type_schema_version(type), type == EVENT_CART_EXPIRED ? 2 : 1);
    }
}
