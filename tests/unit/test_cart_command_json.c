#include "cart_command_json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* One request at a time: given a route, when a body comes, then a command or what is wrong. */
static struct {
    struct cart_command_source source;
    struct cart_limits limits;
    bool accepted;
    struct cart_command_body body;
    struct body_problems problems;
} call = {.limits = {.lines_max = 500, .quantity_max = 999}};

static void call_done(void)
{
    cart_command_body_done(&call.body);
}

TestSuite(cart_command_json, .fini = call_done);

static void given_route(enum cart_command_type type)
{
    call.source = (struct cart_command_source){.type = type};
    if (type == CART_SET_QUANTITY || type == CART_REMOVE_ITEM)
        call.source.key = STR_LITERAL("tea");
}

/* The body is an allocation of exactly its length, so that reading beyond it is seen. */
static void when_bytes(const char *bytes, size_t length)
{
    char *copy = malloc(length + 1);
    cr_assert_not_null(copy);
    copy = realloc(copy, length == 0 ? 1 : length);
    memcpy(copy, bytes, length);
    cart_command_body_done(&call.body);
    call.source.body = (struct str){copy, length};
    call.accepted = cart_command_read(&call.source, &call.limits, &call.body, &call.problems);
    free(copy);
    cr_assert_eq(!call.accepted, call.problems.is_malformed || call.problems.error_count > 0);
}

static void when_body(const char *body)
{
    when_bytes(body, strlen(body));
}

static void then_command(void)
{
    if (call.accepted)
        return;
    if (call.problems.is_malformed)
        cr_assert_fail("malformed: %s", call.problems.malformed);
    cr_assert_fail("%s %s", call.problems.errors[0].pointer, call.problems.errors[0].detail);
}

/* `what` is a part of the detail. */
static void then_malformed(const char *what)
{
    cr_assert_not(call.accepted);
    cr_assert(call.problems.is_malformed, "not malformed, looking for '%s'", what);
    cr_assert_not_null(strstr(call.problems.malformed, what), "'%s' has no '%s'",
                       call.problems.malformed, what);
}

/* "/pointer detail, /pointer detail": all of them, in order. */
static void then_invalid(const char *expected)
{
    char actual[8192] = "";
    size_t length = 0;
    cr_assert_not(call.accepted);
    cr_assert_not(call.problems.is_malformed, "malformed: %s", call.problems.malformed);
    for (size_t i = 0; i < call.problems.error_count; i++)
        length += (size_t)snprintf(actual + length, sizeof(actual) - length, "%s%s %s",
                                   i == 0 ? "" : ", ", call.problems.errors[i].pointer,
                                   call.problems.errors[i].detail);
    cr_assert_str_eq(actual, expected);
}

static void then_text(struct str actual, const char *expected)
{
    cr_assert(str_equal(actual, str_from(expected)), "'" STR_FORMAT "' instead of '%s'",
              STR_ARGS(actual), expected == NULL ? "(none)" : expected);
}

#define PRICE "{\"amountMinor\":1999,\"currency\":\"EUR\"}"
#define TEA "\"sku\":\"tea\",\"name\":\"Green tea\",\"quantity\":2,\"unitPrice\":" PRICE
#define IDENTIFIER "01980000-0000-7000-8000-00000000abcd"

/* Create */

Test(cart_command_json, given_create_when_only_a_currency_then_a_guests_cart)
{
    given_route(CART_CREATE);
    when_body(" {\"currency\" : \"EUR\"}\r\n\t");
    then_command();
    cr_assert_eq(call.body.command.type, CART_CREATE);
    cr_assert_str_eq(call.body.command.create.currency, "EUR");
    then_text(call.body.command.create.customer_id, NULL);
    cr_assert_not(call.body.names_cart);
    when_body("{\"currency\":\"XQZ\",\"customerId\":null}");
    then_command();
    then_text(call.body.command.create.customer_id, NULL);
}

Test(cart_command_json, given_create_when_all_is_there_then_all_is_taken)
{
    struct uuid expected;
    cr_assert(uuid_parse(STR_LITERAL(IDENTIFIER), &expected));
    given_route(CART_CREATE);
    call.source.may_name_cart = true;
    when_body("{\"customerId\":\"\\u00e4nna \\ud83c\\udf75\",\"cartId\":\"" IDENTIFIER
              "\",\"currency\":\"USD\"}");
    then_command();
    then_text(call.body.command.create.customer_id, "änna 🍵");
    cr_assert(call.body.names_cart);
    cr_assert(uuid_equal(&call.body.cart_id, &expected));
}

Test(cart_command_json, given_put_when_the_body_names_a_cart_then_the_member_is_unknown)
{
    given_route(CART_CREATE);
    when_body("{\"currency\":\"EUR\",\"cartId\":\"" IDENTIFIER "\"}");
    then_malformed("unknown member 'cartId'");
}

Test(cart_command_json, given_create_when_values_are_wrong_then_each_is_named)
{
    given_route(CART_CREATE);
    call.source.may_name_cart = true;
    when_body("{}");
    then_invalid("/currency is missing");
    when_body("{\"currency\":null,\"customerId\":5,\"cartId\":\"no\"}");
    then_invalid("/cartId must be a UUID, /currency must be three capital letters (ISO 4217), "
                 "/customerId must be a string");
    when_body("{\"currency\":\"EURO\",\"customerId\":\"\",\"cartId\":7}");
    then_invalid("/cartId must be a UUID, /currency must be three capital letters (ISO 4217), "
                 "/customerId must have 1 to 64 bytes");
    when_body("{\"currency\":\"EU\\u0000\"}");
    then_invalid("/currency must be three capital letters (ISO 4217)");
}

Test(cart_command_json, given_texts_when_64_bytes_then_taken_and_65_not)
{
    char body[256];
    given_route(CART_CREATE);
    snprintf(body, sizeof(body), "{\"currency\":\"EUR\",\"customerId\":\"%064d\"}", 1);
    when_body(body);
    then_command();
    snprintf(body, sizeof(body), "{\"currency\":\"EUR\",\"customerId\":\"%065d\"}", 1);
    when_body(body);
    then_invalid("/customerId must have 1 to 64 bytes");
    /* 63 bytes and a letter of two */
    snprintf(body, sizeof(body), "{\"currency\":\"EUR\",\"customerId\":\"%063dä\"}", 1);
    when_body(body);
    then_invalid("/customerId must have 1 to 64 bytes");
}

/* Not JSON */

Test(cart_command_json, given_any_route_with_a_body_when_it_is_not_json_then_malformed)
{
    static const char *const wrong[] = {
        " ",
        "{",
        "}",
        "nul",
        "nullx",
        "{} {}",
        "{}x",
        "{} //",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{'a':1}",
        "[1,]",
        "{\"a\":1,}",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\xff\"",
        "\"\t\"",
        "\"\xc0\x80\"",
        "01",
        "+1",
        "-",
        "1.",
        ".5",
        "1e",
        "0x10",
        "NaN",
        "-Infinity",
        "\xef\xbb\xbf{}",
        "\xed\xa0\x80",
        "[",
        "]",
        "\"",
        "tru",
        "0000000000000000000000000001",
        "-0000000000000000000000000001",
        "{\"quantity\":99999999999999999999999} x",
        "{\"quantity\":99999999999999999999999",
        "{\"quantity\":1e99999",
    };
    static const enum cart_command_type routes[] = {
        CART_CREATE,          CART_ADD_ITEMS,    CART_SET_QUANTITY, CART_CHECK_OUT,
        CART_ASSIGN_CUSTOMER, CART_APPLY_COUPON, CART_MERGE};
    for (size_t route = 0; route < ARRAY_SIZE(routes); route++) {
        given_route(routes[route]);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
            when_body(wrong[i]);
            then_malformed("the body is not JSON (line 1");
        }
    }
}

Test(cart_command_json, given_a_nul_when_outside_of_a_text_then_malformed_and_inside_invalid)
{
    static const char raw[] = "{\"quantity\":1}\0";
    static const char huge[] = "{\"quantity\":99999999999999999999}\0 more";
    static const char within[] = "{\"quantity\":\"\0\"}";
    given_route(CART_SET_QUANTITY);
    when_bytes(raw, sizeof(raw) - 1);
    then_malformed("not JSON");
    when_bytes(huge, sizeof(huge) - 1);
    then_malformed("not JSON");
    when_bytes(within, sizeof(within) - 1);
    then_malformed("not JSON");
    when_bytes("", 0);
    then_malformed("the body is empty");
    given_route(CART_CREATE);
    when_body("{\"currency\":\"EUR\",\"customerId\":\"a\\u0000b\"}");
    then_invalid("/customerId must not hold control characters");
    when_body("{\"currency\":\"EUR\",\"customer\\u0000Id\":\"a\"}");
    then_malformed("not JSON");
}

Test(cart_command_json, given_deep_nesting_when_it_is_beyond_the_limit_then_malformed)
{
    enum { DEEP = 60000 };
    static char body[DEEP];
    given_route(CART_ADD_ITEMS);
    memset(body, '[', DEEP);
    when_bytes(body, DEEP);
    then_malformed("nested deeper");
    for (size_t i = 0; i + 5 <= DEEP; i += 5)
        memcpy(body + i, "{\"a\":", 5);
    when_bytes(body, DEEP);
    then_malformed("nested deeper");
    when_body("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]");
    then_invalid(" must be an object");
    when_body("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]");
    then_malformed("nested deeper");
    when_body("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"");
    then_invalid(" must be an object");
}

Test(cart_command_json, given_a_member_when_it_is_there_twice_then_malformed)
{
    given_route(CART_ADD_ITEMS);
    when_body("{" TEA ",\"sku\":\"jam\"}");
    then_malformed("twice");
    when_body("{" TEA ",\"\\u0073ku\":\"tea\"}");
    then_malformed("twice");
    when_body("{\"items\":[{\"sku\":\"tea\",\"name\":\"\",\"quantity\":1,\"unitPrice\":"
              "{\"amountMinor\":1,\"currency\":\"EUR\",\"amountMinor\":1}}]}");
    then_malformed("twice");
    when_body("{\"items\":[],\"items\":[]}");
    then_malformed("twice");
}

Test(cart_command_json, given_a_member_when_it_is_unknown_at_any_level_then_malformed)
{
    given_route(CART_ADD_ITEMS);
    when_body("{" TEA ",\"colour\":\"red\"}");
    then_malformed("unknown member 'colour' in the body");
    when_body("{" TEA ",\"Sku\":null}");
    then_malformed("unknown member 'Sku'");
    when_body("{" TEA ",\"\":null}");
    then_malformed("unknown member ''");
    when_body("{" TEA ",\"items\":[{" TEA "}]}");
    then_malformed("unknown member 'sku' in the body");
    when_body("{\"items\":[{" TEA "},{" TEA ",\"x\":1}]}");
    then_malformed("unknown member 'x' in /items/1");
    when_body("{\"items\":[{\"sku\":\"tea\",\"name\":\"\",\"quantity\":1,\"unitPrice\":"
              "{\"amountMinor\":1,\"currency\":\"EUR\",\"per\":1}}]}");
    then_malformed("unknown member 'per' in /items/0/unitPrice");
    given_route(CART_SET_QUANTITY);
    when_body("{\"quantity\":1,\"sku\":\"tea\"}");
    then_malformed("unknown member 'sku'");
    given_route(CART_CHECK_OUT);
    when_body("{\"orderID\":\"o\"}");
    then_malformed("unknown member 'orderID'");
}

Test(cart_command_json, given_an_unknown_member_when_its_name_is_hostile_then_it_is_not_repeated)
{
    char body[4096] = "{\"";
    given_route(CART_CHECK_OUT);
    memset(body + 2, 'n', 3000);
    memcpy(body + 3002, "\":1}", 5);
    when_body(body);
    then_malformed("unknown member '...'");
    when_body("{\"a\\u0007\\nb\":1}");
    then_malformed("unknown member '...'");
    when_body("{\"\\u00e4\":1}");
    then_malformed("unknown member 'ä'");
}

Test(cart_command_json, given_both_kinds_of_wrong_when_read_then_malformed_wins)
{
    given_route(CART_ADD_ITEMS);
    when_body("{\"sku\":\"\",\"quantity\":0,\"x\":1}");
    then_malformed("unknown member 'x'");
    when_body("{\"items\":[{\"sku\":\"\"},{\"x\":1}]}");
    then_malformed("unknown member 'x' in /items/1");
}

Test(cart_command_json, given_another_value_than_an_object_when_read_then_the_whole_is_invalid)
{
    static const char *const wrong[] = {"[]",      "null", "5",
                                        "\"tea\"", "true", "1e999",
                                        "-1",      "[{}]", "123456789012345678901234567890"};
    static const enum cart_command_type routes[] = {
        CART_CREATE,          CART_ADD_ITEMS,    CART_SET_QUANTITY, CART_CHECK_OUT,
        CART_ASSIGN_CUSTOMER, CART_APPLY_COUPON, CART_MERGE};
    for (size_t route = 0; route < ARRAY_SIZE(routes); route++) {
        given_route(routes[route]);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
            when_body(wrong[i]);
            then_invalid(" must be an object");
        }
    }
}

/* Add */

Test(cart_command_json, given_one_line_when_read_then_it_is_the_command)
{
    given_route(CART_ADD_ITEMS);
    when_body("{" TEA "}");
    then_command();
    cr_assert_eq(call.body.command.add_items.count, 1);
    const struct cart_line *line = &call.body.command.add_items.lines[0];
    then_text(line->sku, "tea");
    then_text(line->name, "Green tea");
    cr_assert_eq(line->quantity, 2);
    cr_assert_eq(line->unit_price.amount_minor, 1999);
    cr_assert_str_eq(line->unit_price.currency, "EUR");
}

Test(cart_command_json, given_a_list_when_read_then_its_order_holds)
{
    given_route(CART_ADD_ITEMS);
    when_body("{\"items\":[{" TEA "},{\"unitPrice\":{\"currency\":\"USD\",\"amountMinor\":0},"
              "\"quantity\":999,\"name\":\"\",\"sku\":\"jam\"},{" TEA "}]}");
    then_command();
    cr_assert_eq(call.body.command.add_items.count, 3);
    const struct cart_line *lines = call.body.command.add_items.lines;
    then_text(lines[0].sku, "tea");
    then_text(lines[1].sku, "jam");
    then_text(lines[1].name, "");
    cr_assert_eq(lines[1].quantity, 999);
    cr_assert_str_eq(lines[1].unit_price.currency, "USD");
    then_text(lines[2].sku, "tea");
}

static void when_items(size_t count)
{
    static char body[65536];
    size_t length = (size_t)snprintf(body, sizeof(body), "{\"items\":[");
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(body + length, sizeof(body) - length, "%s{" TEA "}",
                                   i == 0 ? "" : ",");
    length += (size_t)snprintf(body + length, sizeof(body) - length, "]}");
    when_bytes(body, length);
}

Test(cart_command_json, given_a_list_when_it_has_1_to_100_lines_then_taken)
{
    given_route(CART_ADD_ITEMS);
    when_items(1);
    then_command();
    when_items(100);
    then_command();
    cr_assert_eq(call.body.command.add_items.count, 100);
    then_text(call.body.command.add_items.lines[99].sku, "tea");
    when_items(0);
    then_invalid("/items must have 1 to 100 elements");
    when_items(101);
    then_invalid("/items must have 1 to 100 elements");
    when_body("{\"items\":null}");
    then_invalid("/items must be an array");
    when_body("{\"items\":{\"0\":{" TEA "}}}");
    then_invalid("/items must be an array");
    when_body("{\"items\":[[],null,{" TEA "},\"tea\"]}");
    then_invalid("/items/0 must be an object, /items/1 must be an object, "
                 "/items/3 must be an object");
}

Test(cart_command_json, given_wrong_values_when_read_then_all_are_named)
{
    given_route(CART_ADD_ITEMS);
    when_body("{}");
    then_invalid("/sku is missing, /name is missing, /quantity is missing, /unitPrice is missing");
    when_body("{\"sku\":\"\",\"name\":null,\"quantity\":\"2\",\"unitPrice\":[]}");
    then_invalid("/sku must have 1 to 64 bytes, /name must be a string, "
                 "/quantity must be an integer, /unitPrice must be an object");
    when_body("{\"items\":[{\"sku\":\"a\\tb\",\"name\":\"a\\u009fb\",\"quantity\":0,\"unitPrice\":"
              "{\"amountMinor\":-1,\"currency\":\"eur\"}},{\"sku\":5,\"name\":true,"
              "\"quantity\":1000,\"unitPrice\":{}}]}");
    then_invalid("/items/0/sku must not hold control characters, "
                 "/items/0/name must not hold control characters, "
                 "/items/0/quantity must be 1 to 999, "
                 "/items/0/unitPrice/amountMinor must be 0 to 1000000000000, "
                 "/items/0/unitPrice/currency must be three capital letters (ISO 4217), "
                 "/items/1/sku must be a string, /items/1/name must be a string, "
                 "/items/1/quantity must be 1 to 999, "
                 "/items/1/unitPrice/amountMinor is missing, "
                 "/items/1/unitPrice/currency is missing");
}

Test(cart_command_json, given_the_most_wrong_values_there_can_be_when_read_then_all_are_told)
{
    char body[8192] = "{\"items\":[";
    for (int i = 0; i < 100; i++)
        strncat(body, i == 0 ? "{\"unitPrice\":{}}" : ",{\"unitPrice\":{}}",
                sizeof(body) - strlen(body) - 1);
    strncat(body, "]}", sizeof(body) - strlen(body) - 1);
    given_route(CART_ADD_ITEMS);
    when_body(body);
    cr_assert_not(call.accepted);
    cr_assert_eq(call.problems.error_count, 500);
    cr_assert_str_eq(call.problems.errors[499].pointer, "/items/99/unitPrice/currency");
    /* What is malformed behind the last one is still seen. */
    memcpy(strrchr(body, '{'), "{\"x\":1}}]}", 11);
    when_body(body);
    then_malformed("unknown member 'x' in /items/99/unitPrice");
}

static void when_quantity(const char *quantity)
{
    char body[1024];
    snprintf(body, sizeof(body), "{\"quantity\":%s}", quantity);
    when_body(body);
}

Test(cart_command_json, given_numbers_when_they_are_no_integers_then_a_wrong_type)
{
    static const char *const wrong[] = {"2.0",
                                        "2e0",
                                        "2E+1",
                                        "0.5",
                                        "-0.0",
                                        "true",
                                        "\"2\"",
                                        "null",
                                        "[]",
                                        "1e999",
                                        "-1e999",
                                        "1e-999",
                                        "1.00000000000000000000000000000000000000000000000001",
                                        "99999999999999999999999999.5",
                                        "1e99999999999999999999"};
    given_route(CART_SET_QUANTITY);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        when_quantity(wrong[i]);
        then_invalid("/quantity must be an integer");
    }
}

Test(cart_command_json, given_integers_when_beyond_64_bits_then_out_of_range_and_the_rest_is_told)
{
    static const char *const wrong[] = {
        "1000",
        "-1",
        "2147483648",
        "4294967297",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551617",
        "99999999999999999999999999999999999999999999999999999999999"};
    given_route(CART_SET_QUANTITY);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        when_quantity(wrong[i]);
        then_invalid("/quantity must be 0 to 999");
    }
    given_route(CART_ADD_ITEMS);
    when_body("{\"sku\":\"\",\"name\":\"\\\"99999999999999999999\\\\\","
              "\"quantity\":99999999999999999999,\"unitPrice\":"
              "{\"currency\":\"EU\",\"amountMinor\":-99999999999999999999 }}");
    then_invalid("/sku must have 1 to 64 bytes, /quantity must be 1 to 999, "
                 "/unitPrice/amountMinor must be 0 to 1000000000000, "
                 "/unitPrice/currency must be three capital letters (ISO 4217)");
}

Test(cart_command_json, given_limits_when_values_are_at_their_edges_then_taken)
{
    given_route(CART_ADD_ITEMS);
    when_body("{\"sku\":\"t\",\"name\":\"\",\"quantity\":1,\"unitPrice\":"
              "{\"amountMinor\":1000000000000,\"currency\":\"ZZZ\"}}");
    then_command();
    cr_assert_eq(call.body.lines[0].unit_price.amount_minor, MONEY_AMOUNT_MAX);
    when_body("{\"sku\":\"t\",\"name\":\"\",\"quantity\":1,\"unitPrice\":"
              "{\"amountMinor\":1000000000001,\"currency\":\"ZZZ\"}}");
    then_invalid("/unitPrice/amountMinor must be 0 to 1000000000000");

    char body[1024];
    for (int bytes = 255; bytes <= 257; bytes++) {
        snprintf(body, sizeof(body),
                 "{\"sku\":\"t\",\"name\":\"%0*d\",\"quantity\":1,\"unitPrice\":" PRICE "}", bytes,
                 0);
        when_body(body);
        if (bytes <= 256)
            then_command();
        else
            then_invalid("/name must have 0 to 256 bytes");
    }
}

Test(cart_command_json, given_another_quantity_limit_when_read_then_it_is_the_one_that_counts)
{
    call.limits.quantity_max = 5;
    given_route(CART_SET_QUANTITY);
    when_quantity("5");
    then_command();
    when_quantity("6");
    then_invalid("/quantity must be 0 to 5");
}

/* Set the quantity, remove, clear, cancel */

Test(cart_command_json, given_patch_when_read_then_sku_and_quantity)
{
    given_route(CART_SET_QUANTITY);
    when_quantity("0");
    then_command();
    then_text(call.body.command.set_quantity.sku, "tea");
    cr_assert_eq(call.body.command.set_quantity.quantity, 0);
    when_quantity("999");
    then_command();
    cr_assert_eq(call.body.command.set_quantity.quantity, 999);
    when_quantity("-0");
    then_command();
    cr_assert_eq(call.body.command.set_quantity.quantity, 0);
    when_body("{}");
    then_invalid("/quantity is missing");
}

Test(cart_command_json, given_a_path_when_its_sku_cannot_be_then_malformed)
{
    static const struct str wrong[] = {
        {"", 0},     {"a\0b", 3},
        {"\xff", 1}, {"a\nb", 3},
        {"\x7f", 1}, {"01234567890123456789012345678901234567890123456789012345678901234", 65},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        given_route(CART_SET_QUANTITY);
        call.source.key = wrong[i];
        when_quantity("1");
        then_malformed("sku in the path");
        given_route(CART_REMOVE_ITEM);
        call.source.key = wrong[i];
        when_body("");
        then_malformed("sku in the path");
        given_route(CART_REMOVE_COUPON);
        call.source.key = wrong[i];
        when_body("");
        then_malformed("code in the path");
    }
    given_route(CART_REMOVE_ITEM);
    call.source.key.bytes = "0123456789012345678901234567890123456789012345678901234567890123";
    call.source.key.length = SKU_BYTES_MAX;
    when_body("");
    then_command();
    call.source.key = STR_LITERAL("ä/b c");
    when_body("");
    then_command();
    then_text(call.body.command.remove_item.sku, "ä/b c");
    cr_assert_eq(call.body.command.remove_item.quantity, 0, "no quantity: the whole line");
}

Test(cart_command_json, given_delete_when_a_quantity_is_given_then_any_positive_32_bit_integer)
{
    static const char *const wrong[] = {"",
                                        "0",
                                        "-1",
                                        "+1",
                                        "1.0",
                                        "1e1",
                                        " 1",
                                        "1 ",
                                        "x",
                                        "0x1",
                                        "²",
                                        "١",
                                        "00",
                                        "01",
                                        "2147483648",
                                        "4294967297",
                                        "99999999999999999999",
                                        "18446744073709551617"};
    given_route(CART_REMOVE_ITEM);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        call.source.quantity = str_from(wrong[i]);
        when_body("");
        then_malformed("quantity must be a positive 32-bit integer");
    }
    call.source.quantity = STR_LITERAL("2147483647");
    when_body("");
    then_command();
    cr_assert_eq(call.body.command.remove_item.quantity, INT32_MAX);
    call.source.quantity = STR_LITERAL("1987654320");
    when_body("");
    then_command();
    cr_assert_eq(call.body.command.remove_item.quantity, 1987654320);
    call.source.quantity = STR_LITERAL("1");
    when_body("");
    then_command();
    cr_assert_eq(call.body.command.remove_item.quantity, 1);
}

Test(cart_command_json, given_clear_and_cancel_when_read_then_there_is_nothing_to_read)
{
    given_route(CART_CLEAR);
    when_body("");
    then_command();
    cr_assert_eq(call.body.command.type, CART_CLEAR);
    given_route(CART_CANCEL);
    when_body("");
    then_command();
    cr_assert_eq(call.body.command.type, CART_CANCEL);
}

/* The customer and coupons */

Test(cart_command_json, given_customer_when_read_then_the_id_is_required)
{
    given_route(CART_ASSIGN_CUSTOMER);
    when_body("{\"customerId\":\"änna\"}");
    then_command();
    then_text(call.body.command.assign_customer.customer_id, "änna");
    when_body("{}");
    then_invalid("/customerId is missing");
    when_body("{\"customerId\":null}");
    then_invalid("/customerId must be a string");
    when_body("{\"customerId\":\"\"}");
    then_invalid("/customerId must have 1 to 64 bytes");
    when_body("{\"customerId\":\"a\",\"currency\":\"EUR\"}");
    then_malformed("unknown member 'currency'");
    when_body("");
    then_malformed("the body is empty");
}

Test(cart_command_json, given_coupon_when_read_then_a_percentage_or_an_amount)
{
    const struct cart_coupon *coupon = &call.body.command.apply_coupon.coupon;
    given_route(CART_APPLY_COUPON);
    for (int percent = 1; percent <= 100; percent += 99) {
        char body[64];
        snprintf(body, sizeof(body), "{\"code\":\"TEN\",\"percentOff\":%d}", percent);
        when_body(body);
        then_command();
        then_text(coupon->code, "TEN");
        cr_assert_eq(coupon->percent_off, percent);
        cr_assert_eq(coupon->amount_off.amount_minor, 0);
    }
    when_body("{\"amountOff\":" PRICE ",\"code\":\"a/b ä\"}");
    then_command();
    then_text(coupon->code, "a/b ä");
    cr_assert_eq(coupon->percent_off, 0);
    cr_assert_eq(coupon->amount_off.amount_minor, 1999);
    cr_assert_str_eq(coupon->amount_off.currency, "EUR");
}

Test(cart_command_json, given_coupon_when_values_are_wrong_then_each_is_named)
{
    given_route(CART_APPLY_COUPON);
    when_body("{}");
    then_invalid("/code is missing,  must have either percentOff or amountOff");
    when_body("{\"code\":\"A\",\"percentOff\":10,\"amountOff\":" PRICE "}");
    then_invalid(" must have either percentOff or amountOff");
    when_body("{\"code\":\"A\",\"percentOff\":10,\"amountOff\":null}");
    then_invalid(" must have either percentOff or amountOff");
    when_body("{\"code\":\"\",\"percentOff\":0}");
    then_invalid("/code must have 1 to 64 bytes, /percentOff must be 1 to 100");
    when_body("{\"code\":5,\"percentOff\":101}");
    then_invalid("/code must be a string, /percentOff must be 1 to 100");
    when_body("{\"code\":\"A\",\"percentOff\":10.0}");
    then_invalid("/percentOff must be an integer");
    when_body("{\"code\":\"A\",\"percentOff\":null}");
    then_invalid("/percentOff must be an integer");
    when_body("{\"code\":\"A\",\"amountOff\":{\"amountMinor\":-1,\"currency\":\"eur\"}}");
    then_invalid("/amountOff/amountMinor must be 0 to 1000000000000, "
                 "/amountOff/currency must be three capital letters (ISO 4217)");
    when_body("{\"code\":\"A\",\"amountOff\":5}");
    then_invalid("/amountOff must be an object");
    when_body("{\"code\":\"A\",\"amountOff\":{\"amountMinor\":1,\"currency\":\"EUR\",\"x\":1}}");
    then_malformed("unknown member 'x' in /amountOff");
    when_body("{\"code\":\"A\",\"percent\":1}");
    then_malformed("unknown member 'percent'");
}

Test(cart_command_json, given_a_coupons_path_when_read_then_its_code)
{
    given_route(CART_REMOVE_COUPON);
    call.source.key = STR_LITERAL("a/b ä");
    when_body("");
    then_command();
    then_text(call.body.command.remove_coupon.code, "a/b ä");
}

/* Merge */

Test(cart_command_json, given_merge_when_read_then_the_source_and_each_strategy)
{
    static const char *const names[] = {"sum", "max", "replace", "keep"};
    struct uuid expected;
    cr_assert(uuid_parse(STR_LITERAL(IDENTIFIER), &expected));
    given_route(CART_MERGE);
    for (int i = 0; i < CART_MERGE_STRATEGY_COUNT; i++) {
        char body[128];
        snprintf(body, sizeof(body), "{\"sourceCartId\":\"" IDENTIFIER "\",\"strategy\":\"%s\"}",
                 names[i]);
        when_body(body);
        then_command();
        cr_assert_eq((int)call.body.command.merge.strategy, i);
        cr_assert_str_eq(cart_merge_strategy_name((enum cart_merge_strategy)i), names[i]);
        cr_assert(uuid_equal(&call.body.command.merge.source_cart_id, &expected));
    }
}

Test(cart_command_json, given_merge_when_values_are_wrong_then_each_is_named)
{
    given_route(CART_MERGE);
    when_body("{}");
    then_invalid("/sourceCartId is missing, /strategy is missing");
    when_body("{\"sourceCartId\":null,\"strategy\":null}");
    then_invalid("/sourceCartId must be a UUID, /strategy must be a string");
    when_body("{\"sourceCartId\":\"no\",\"strategy\":\"Sum\"}");
    then_invalid("/sourceCartId must be a UUID, /strategy must be sum, max, replace or keep");
    when_body("{\"sourceCartId\":\"" IDENTIFIER "\",\"strategy\":\"\"}");
    then_invalid("/strategy must be sum, max, replace or keep");
    when_body("{\"sourceCartId\":\"" IDENTIFIER "\",\"strategy\":\"sum\",\"targetCartId\":null}");
    then_malformed("unknown member 'targetCartId'");
}

/* Check out */

Test(cart_command_json, given_check_out_when_the_body_is_empty_then_no_order_id)
{
    given_route(CART_CHECK_OUT);
    when_body("");
    then_command();
    then_text(call.body.command.check_out.order_id, NULL);
    when_body("{}");
    then_command();
    then_text(call.body.command.check_out.order_id, NULL);
    when_body("{\"orderId\":null}");
    then_command();
    then_text(call.body.command.check_out.order_id, NULL);
    when_body("{\"orderId\":\"o-1\"}");
    then_command();
    then_text(call.body.command.check_out.order_id, "o-1");
    when_body("{\"orderId\":\"\"}");
    then_invalid("/orderId must have 1 to 64 bytes");
    when_body("{\"orderId\":1}");
    then_invalid("/orderId must be a string");
}

/* Whatever comes */

static const char LARGE[] =
    "{\"items\":[{" TEA "},{\"sku\":\"\\u00e4\\n\",\"name\":\"\\ud83c\\udf75\","
    "\"quantity\":12345678901234567890,\"unitPrice\":{\"amountMinor\":1e400,"
    "\"currency\":\"EUR\"}}]}";

Test(cart_command_json, given_a_body_when_it_ends_early_then_malformed)
{
    given_route(CART_ADD_ITEMS);
    for (size_t length = 0; length < sizeof(LARGE) - 1; length++) {
        when_bytes(LARGE, length);
        then_malformed(length == 0 ? "empty" : "not JSON");
    }
    when_bytes(LARGE, sizeof(LARGE) - 1);
    then_invalid("/items/1/sku must not hold control characters, "
                 "/items/1/quantity must be 1 to 999, "
                 "/items/1/unitPrice/amountMinor must be an integer");
}

Test(cart_command_json, given_a_body_when_any_bytes_are_changed_then_it_is_answered)
{
    static const char interesting[] = "{}[]\",:\\/09-.eE+ntf\0\x1f\x7f\x80\xc3\xff u";
    static const enum cart_command_type routes[] = {
        CART_CREATE,          CART_ADD_ITEMS,    CART_SET_QUANTITY, CART_CHECK_OUT,
        CART_ASSIGN_CUSTOMER, CART_APPLY_COUPON, CART_MERGE};
    char body[sizeof(LARGE)];
    uint64_t state = 20261123;
    for (int round = 0; round < 60000; round++) {
        memcpy(body, LARGE, sizeof(LARGE));
        size_t length = sizeof(LARGE) - 1;
        for (int change = 0; change <= round % 3; change++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            size_t at = state % length;
            char byte = interesting[(state >> 20) % (sizeof(interesting) - 1)];
            if ((state >> 40) % 3 == 0) {
                memmove(body + at, body + at + 1, length - at - 1);
                length--;
            } else {
                body[at] = byte;
            }
        }
        given_route(routes[round % 8 == 0 ? (size_t)(round / 8) % ARRAY_SIZE(routes) : 1]);
        when_bytes(body, length);
        if (call.accepted)
            cr_assert(call.body.command.add_items.count >= 1);
        for (size_t i = 0; !call.accepted && i < call.problems.error_count; i++) {
            cr_assert_neq(call.problems.errors[i].detail[0], '\0');
            cr_assert_lt(strlen(call.problems.errors[i].pointer), 64);
        }
    }
}
