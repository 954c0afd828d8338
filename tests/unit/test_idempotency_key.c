#include "idempotency_key.h"

#include <criterion/criterion.h>

static bool parse(struct str field, struct str *ret_key)
{
    static char buffer[COMMAND_KEY_BYTES_MAX];
    return idempotency_key_parse(field, buffer, ret_key);
}

static void then_key(const char *field, const char *expected)
{
    struct str key;
    cr_assert(parse(str_from(field), &key), "%s is refused", field);
    cr_expect(str_equal_literal(key, expected), STR_FORMAT " instead of %s", STR_ARGS(key),
              expected);
}

Test(idempotency_key, bare_and_quoted_are_the_same_key)
{
    struct str key;
    cr_expect(parse(STR_NONE, &key) && str_is_none(key), "no field is no key");
    then_key("k", "k");
    then_key("\"k\"", "k");
    then_key(" \t\"k\" ", "k");
    then_key("0198c0de-0000-7000-8000-000000000001", "0198c0de-0000-7000-8000-000000000001");
    then_key("two words, and ~!", "two words, and ~!");
    then_key("back\\slash", "back\\slash");
    then_key("\"a \\\"quote\\\" and a \\\\\"", "a \"quote\" and a \\");
}

Test(idempotency_key, what_is_malformed_is_refused)
{
    static const char *const fields[] = {
        "",          " ",    "\"",    "\"\"",     "\"k",          "\"k\"x",   "\"k\\\"",
        "\"k\\n\"",  "a\tb", "a\x7f", "\xc3\xa4", "\"\xc3\xa4\"", "\"a\"b\"", "\"a\", \"b\"",
        "\"a\";p=1", "\x01",
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct str key;
        cr_expect(!parse(str_from(fields[i]), &key), "%s is taken", fields[i]);
    }
}

Test(idempotency_key, it_has_255_characters_at_most)
{
    char field[COMMAND_KEY_BYTES_MAX + 4];
    struct str key;
    memset(field, 'k', sizeof(field));
    cr_expect(parse((struct str){field, COMMAND_KEY_BYTES_MAX}, &key));
    cr_expect_eq(key.length, COMMAND_KEY_BYTES_MAX);
    cr_expect(!parse((struct str){field, COMMAND_KEY_BYTES_MAX + 1}, &key));
    field[0] = '"';
    field[COMMAND_KEY_BYTES_MAX + 1] = '"';
    cr_expect(parse((struct str){field, COMMAND_KEY_BYTES_MAX + 2}, &key));
    cr_expect_eq(key.length, COMMAND_KEY_BYTES_MAX);
    field[COMMAND_KEY_BYTES_MAX + 1] = 'k';
    field[COMMAND_KEY_BYTES_MAX + 2] = '"';
    cr_expect(!parse((struct str){field, COMMAND_KEY_BYTES_MAX + 3}, &key));
}

Test(idempotency_key, it_decides_the_id_of_a_cart_for_ever)
{
    char text[UUID_TEXT_LENGTH + 1];
    struct uuid one = idempotency_key_cart(STR_LITERAL("k"));
    struct uuid other = idempotency_key_cart(STR_LITERAL("k2"));
    uuid_format(&one, text);
    cr_expect_str_eq(text, "56b78454-8fa7-8926-a5cf-fc78c140ed9e");
    cr_expect(!uuid_equal(&one, &other));
}

static void hash_of(const char *route, uint8_t cart, struct str sku, struct str quantity,
                    const char *body, char ret_hash[REQUEST_HASH_LENGTH + 1])
{
    json_t *json = body == NULL ? NULL : json_loads(body, 0, NULL);
    cr_assert_eq(json == NULL, body == NULL);
    const struct request_identity identity = {
        .route = route, .cart_id = {{cart}}, .path_key = sku, .quantity = quantity, .body = json};
    cr_assert(request_identity_hash(&identity, ret_hash));
    json_decref(json);
}

Test(idempotency_key, a_request_is_the_same_whatever_its_spelling)
{
    char one[REQUEST_HASH_LENGTH + 1];
    char other[REQUEST_HASH_LENGTH + 1];
    hash_of("POST", 1, STR_NONE, STR_NONE, "{\"a\":1,\"b\":[1,{\"c\":\"\\u00e4\",\"d\":2}]}", one);
    hash_of("POST", 1, STR_NONE, STR_NONE, " {\"b\": [1, {\"d\":2,\"c\":\"\xc3\xa4\"}], \"a\": 1}",
            other);
    cr_expect_str_eq(one, other);
    cr_expect_eq(strlen(one), REQUEST_HASH_LENGTH);
    cr_expect_str_eq(one, "423acac193c843594a06542c541c10be4b7cf0d3d27dd0c18e1801604b150f09");
}

Test(idempotency_key, a_request_is_another_when_anything_differs)
{
    static const struct {
        const char *route;
        uint8_t cart;
        struct str sku;
        struct str quantity;
        const char *body;
    } requests[] = {
        {"POST", 1, {NULL, 0}, {NULL, 0}, "{}"},
        {"PUT", 1, {NULL, 0}, {NULL, 0}, "{}"},
        {"POST", 2, {NULL, 0}, {NULL, 0}, "{}"},
        {"POST", 1, {"a", 1}, {NULL, 0}, "{}"},
        {"POST", 1, {NULL, 0}, {"a", 1}, "{}"},
        {"POST", 1, {"ab", 2}, {NULL, 0}, "{}"},
        {"POST", 1, {"a", 1}, {"b", 1}, "{}"},
        {"POST", 1, {NULL, 0}, {NULL, 0}, NULL},
        {"POST", 1, {NULL, 0}, {NULL, 0}, "{\"a\":1}"},
        {"POST", 1, {NULL, 0}, {NULL, 0}, "{\"a\":\"1\"}"},
        {"POST", 1, {NULL, 0}, {NULL, 0}, "{\"a\":[1,2]}"},
        {"POST", 1, {NULL, 0}, {NULL, 0}, "{\"a\":[2,1]}"},
    };
    char hashes[ARRAY_SIZE(requests)][REQUEST_HASH_LENGTH + 1];
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        hash_of(requests[i].route, requests[i].cart, requests[i].sku, requests[i].quantity,
                requests[i].body, hashes[i]);
        for (size_t other = 0; other < i; other++)
            cr_expect_str_neq(hashes[i], hashes[other], "%zu and %zu", i, other);
    }
}
