#include "problem.h"

#include <criterion/criterion.h>
#include <jansson.h>

static void expect_json(const struct problem *problem, const char *expected)
{
    AUTO(text_done) struct text text = TEXT_INIT(65536);
    problem_write(problem, STR_LITERAL("0198"), &text);
    cr_assert(text_ok(&text));
    struct str written = text_str(&text);
    cr_expect(str_equal_literal(written, expected), STR_FORMAT "\n%s", STR_ARGS(written), expected);
    json_t *json = json_loadb(written.bytes, written.length, JSON_REJECT_DUPLICATES, NULL);
    cr_expect_not_null(json);
    json_decref(json);
}

Test(problem, has_the_members_of_rfc_9457)
{
    expect_json(
        &(struct problem){.type = &(struct problem_type){404, "cart-not-found", "Cart not found"}},
        "{\"type\":\"urn:cartledger:problem:cart-not-found\",\"title\":\"Cart not found\","
        "\"status\":404}");
}

Test(problem, carries_its_extensions)
{
    expect_json(&(struct problem){.type = &(struct problem_type){409, "cart-closed", "Cart closed"},
                                  .detail = STR_LITERAL("no \"more\"\n"),
                                  .cart_status = "merged",
                                  .current_version = 7},
                "{\"type\":\"urn:cartledger:problem:cart-closed\",\"title\":\"Cart closed\","
                "\"status\":409,\"detail\":\"no \\\"more\\\"\\n\",\"cartStatus\":\"merged\","
                "\"currentVersion\":7}");
}

Test(problem, lists_every_error_with_its_pointer)
{
    const struct problem_error errors[] = {{"/items/0/quantity", "too many"}, {"/a~1b", "no"}};
    expect_json(
        &(struct problem){.type = &(struct problem_type){422, "invalid-value", "Invalid value"},
                          .errors = errors,
                          .error_count = ARRAY_SIZE(errors)},
        "{\"type\":\"urn:cartledger:problem:invalid-value\",\"title\":\"Invalid value\","
        "\"status\":422,\"errors\":[{\"pointer\":\"/items/0/quantity\",\"detail\":\"too "
        "many\"},{\"pointer\":\"/a~1b\",\"detail\":\"no\"}]}");
}

Test(problem, an_internal_error_names_the_request)
{
    expect_json(
        &(struct problem){.type = &(struct problem_type){500, "internal", "Internal error"}},
        "{\"type\":\"urn:cartledger:problem:internal\",\"title\":\"Internal error\","
        "\"status\":500,\"requestId\":\"0198\"}");
}
