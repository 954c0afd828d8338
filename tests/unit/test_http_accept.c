#include "http_accept.h"

#include <criterion/criterion.h>

#define NDJSON "application/x-ndjson"

static void then_accepts(const char *accept, const char *type, enum http_preference expected)
{
    enum http_preference actual = http_accepts(str_from(accept), type);
    cr_assert_eq(actual, expected, "%s for %s: %d instead of %d",
                 accept == NULL ? "(none)" : accept, type, (int)actual, (int)expected);
}

Test(http_accept, given_no_field_when_asked_then_everything_is_accepted)
{
    then_accepts(NULL, "application/json", HTTP_ACCEPTED);
    then_accepts("", "application/json", HTTP_ACCEPTED);
}

Test(http_accept, given_the_type_itself_when_asked_then_by_name)
{
    then_accepts("application/json", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("Application/JSON", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts(" application/json ; q=0.5 ", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("\tapplication/json\t", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("application/json;charset=utf-8", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("text/html,\t" NDJSON, NDJSON, HTTP_ACCEPTED_BY_NAME);
    then_accepts("*/*, " NDJSON, NDJSON, HTTP_ACCEPTED_BY_NAME);
}

Test(http_accept, given_wildcards_when_asked_then_accepted_without_a_name)
{
    then_accepts("*/*", "application/json", HTTP_ACCEPTED);
    then_accepts("application/*", NDJSON, HTTP_ACCEPTED);
    then_accepts("APPLICATION/*", NDJSON, HTTP_ACCEPTED);
    then_accepts("text/html, */*;q=0.1", "application/json", HTTP_ACCEPTED);
}

Test(http_accept, given_other_types_when_asked_then_not_accepted)
{
    static const char *const others[] = {"text/html",
                                         "text/*",
                                         "application/xml",
                                         "application/jso",
                                         "application/jsonx",
                                         "application/",
                                         "application",
                                         "app*/*",
                                         "applicationx/*",
                                         "*",
                                         "/",
                                         ",",
                                         ";",
                                         " ",
                                         NDJSON,
                                         "text/html;q=1;x=application/json"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        then_accepts(others[i], "application/json", HTTP_NOT_ACCEPTED);
}

Test(http_accept, given_a_quality_of_zero_when_asked_then_refused)
{
    static const char *const zeros[] = {
        "application/json;q=0",
        "application/json; q=0.0",
        "application/json;Q=0.000",
        "application/json;q=0.",
        "*/*;q=0",
        "application/*;q=0",
        "application/json;x=1; q=0 ",
        "application/*;q=0.00,text/html",
    };
    for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
        then_accepts(zeros[i], "application/json", HTTP_NOT_ACCEPTED);
    then_accepts("application/json;q=0.001", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("application/json;q=1", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("application/json;q=0,", "application/json", HTTP_NOT_ACCEPTED);
    then_accepts("application/json;q=0.01", "application/json", HTTP_ACCEPTED_BY_NAME);
    then_accepts("application/json;qq=0", "application/json", HTTP_ACCEPTED_BY_NAME);
}

Test(http_accept, given_several_ranges_when_asked_then_the_most_specific_decides)
{
    then_accepts("*/*, application/json;q=0", "application/json", HTTP_NOT_ACCEPTED);
    then_accepts("application/json;q=0, */*", "application/json", HTTP_NOT_ACCEPTED);
    then_accepts("application/json;q=0, */*", NDJSON, HTTP_ACCEPTED);
    then_accepts("application/*;q=0, */*", NDJSON, HTTP_NOT_ACCEPTED);
    then_accepts("*/*;q=0, application/*", NDJSON, HTTP_ACCEPTED);
    then_accepts("*/*;q=0, " NDJSON, NDJSON, HTTP_ACCEPTED_BY_NAME);
    then_accepts("*/*;q=0, " NDJSON, "application/json", HTTP_NOT_ACCEPTED);
}

Test(http_accept, given_two_types_when_asked_then_the_one_liked_better_is_preferred)
{
    static const char *const streams[] = {
        NDJSON,
        NDJSON ", application/json",
        "*/*, " NDJSON,
        NDJSON ";q=0.5, application/json;q=0.499",
        "application/json;q=x, " NDJSON ";q=1.000",
        "application/json;q=/, " NDJSON,
        NDJSON ";q=1.001, application/json;q=0.9",
    };
    static const char *const pages[] = {
        NULL,
        "",
        "*/*",
        "application/*",
        "application/json, " NDJSON ";q=0.9",
        NDJSON ";q=0.5, */*",
        NDJSON ";q=0.499, application/*;q=0.5",
        NDJSON ";q=0, */*;q=0",
    };
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
        cr_assert(http_prefers(str_from(streams[i]), NDJSON, "application/json"), "%s", streams[i]);
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        cr_assert_not(http_prefers(str_from(pages[i]), NDJSON, "application/json"), "%zu", i);
}

Test(http_accept, given_a_text_that_is_not_terminated_when_asked_then_its_end_is_kept)
{
    cr_assert_eq(http_accepts((struct str){"application/jsonx", 16}, "application/json"),
                 HTTP_ACCEPTED_BY_NAME);
    cr_assert_eq(http_accepts((struct str){"application/*", 12}, "application/json"),
                 HTTP_NOT_ACCEPTED);
}
