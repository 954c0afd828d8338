#include "http_uri.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char *target;

static enum http_uri_result parse(const char *text, struct http_uri *ret_uri)
{
    free(target);
    target = strdup(text);
    cr_assert_not_null(target);
    memset(ret_uri, 0, sizeof(*ret_uri));
    return http_uri_parse(target, strlen(target), ret_uri);
}

static void drop_target(void)
{
    free(target);
    target = NULL;
}

TestSuite(http_uri, .fini = drop_target);

static void expect(const char *text, enum http_uri_result result)
{
    struct http_uri uri;
    cr_expect_eq(parse(text, &uri), result, "%s", text);
}

static void expect_segments(const char *text, size_t count, const char *const segments[])
{
    struct http_uri uri;
    cr_assert_eq(parse(text, &uri), HTTP_URI_OK, "%s", text);
    cr_assert_eq(uri.segment_count, count, "%s", text);
    for (size_t i = 0; i < count; i++)
        cr_expect(str_equal_literal(uri.segments[i], segments[i]), "%s [%zu]", text, i);
}

Test(http_uri, a_path_is_its_segments)
{
    expect_segments("/v1/carts/x", 3, (const char *[]){"v1", "carts", "x"});
    expect_segments("/v1", 1, (const char *[]){"v1"});
    expect_segments("/", 0, NULL);
    expect_segments("/1/2/3/4/5/6/7/8", 8,
                    (const char *[]){"1", "2", "3", "4", "5", "6", "7", "8"});
}

Test(http_uri, each_segment_is_decoded_by_itself)
{
    expect_segments("/a%2Fb/c%2fd", 2, (const char *[]){"a/b", "c/d"});
    expect_segments("/%3F%23%25%20", 1, (const char *[]){"?#% "});
    expect_segments("/gr%C3%BCn/grün", 2, (const char *[]){"grün", "grün"});
    expect_segments("/a+b", 1, (const char *[]){"a+b"});
    expect_segments("/../%2E", 2, (const char *[]){"..", "."});
}

Test(http_uri, a_star_is_the_server)
{
    expect("*", HTTP_URI_SERVER);
    expect("*/", HTTP_URI_MALFORMED);
    expect("/*", HTTP_URI_OK);
}

Test(http_uri, a_segment_that_no_resource_has_is_unknown)
{
    expect("//", HTTP_URI_UNKNOWN);
    expect("//v1", HTTP_URI_UNKNOWN);
    expect("/v1//carts", HTTP_URI_UNKNOWN);
    expect("/v1/carts/", HTTP_URI_UNKNOWN);
    expect("/1/2/3/4/5/6/7/8/9", HTTP_URI_UNKNOWN);
    expect("/1/2/3/4/5/6/7/8/9?a=%zz", HTTP_URI_MALFORMED);
}

Test(http_uri, what_does_not_decode_to_printable_utf8_is_malformed)
{
    static const char *const malformed[] = {
        "/%",      "/%2",      "/%2x",     "/%x2",        "/%00",    "/%0A",       "/%0d",
        "/%7F",    "/%80",     "/%C3",     "/%C3(",       "/%C0%AF", "/%ED%A0%80", "/a?b=%",
        "/a?%=b",  "/a?b=%00", "/a?%ff=1", "/a?b=%E2%82", "/\xff",   "/\x01",      "/a b",
        "/a?b= c", "/a#b",     "/a?b#c",   "/\x7f",
    };
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
        expect(malformed[i], HTTP_URI_MALFORMED);
}

Test(http_uri, the_target_has_a_known_form)
{
    static const char *const malformed[] = {"",          "**",       "v1/carts", "?a=b",
                                            "http://",   "http:///", "http:/a",  "ftp://a/b",
                                            "host:8081", "https://?"};
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
        expect(malformed[i], HTTP_URI_MALFORMED);
    expect_segments("http://host:1/v1/carts", 2, (const char *[]){"v1", "carts"});
    expect_segments("HTTPS://host/v1?a=b", 1, (const char *[]){"v1"});
    expect_segments("http://host", 0, NULL);
}

Test(http_uri, a_query_is_its_parameters)
{
    struct http_uri uri;
    cr_assert_eq(parse("/a?from=2026-11-23T09:00:00+02:00&b&&c=%26%3d=&=", &uri),
                 HTTP_URI_MALFORMED);
    cr_assert_eq(parse("/a?from=2026-11-23T09:00:00+02:00&b&&c=%26%3d=&", &uri), HTTP_URI_OK);
    cr_assert_eq(uri.parameter_count, 3);
    cr_expect(str_equal_literal(uri.parameters[0].name, "from"));
    cr_expect(str_equal_literal(uri.parameters[0].value, "2026-11-23T09:00:00 02:00"));
    cr_expect(str_equal_literal(uri.parameters[1].name, "b"));
    cr_expect(str_equal_literal(uri.parameters[1].value, ""));
    cr_expect(str_equal_literal(uri.parameters[2].name, "c"));
    cr_expect(str_equal_literal(uri.parameters[2].value, "&=="));

    cr_assert_eq(parse("http://host?a=1", &uri), HTTP_URI_OK);
    cr_expect_eq(uri.segment_count, 0);
    cr_assert_eq(uri.parameter_count, 1);
    cr_assert_eq(parse("/a?", &uri), HTTP_URI_OK);
    cr_expect_eq(uri.parameter_count, 0);
}

Test(http_uri, a_query_has_a_limit)
{
    char text[256] = "/a?";
    struct http_uri uri;
    for (int i = 0; i < HTTP_QUERY_PARAMETERS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "p%d=%d&", i, i);
    cr_assert_eq(parse(text, &uri), HTTP_URI_OK);
    cr_expect_eq(uri.parameter_count, HTTP_QUERY_PARAMETERS_MAX);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "one=more");
    expect(text, HTTP_URI_MALFORMED);
}
