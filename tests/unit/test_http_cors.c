#include "http_cors.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void then_fine(const char *setting, size_t count)
{
    struct http_cors cors;
    struct error error;
    cr_assert_eq(http_cors_check(setting, &error), STATUS_OK, "%s", setting);
    cr_assert_eq(http_cors_init(setting, &cors, &error), STATUS_OK);
    cr_assert_eq(cors.count, count, "%s: %zu", setting, cors.count);
    http_cors_done(&cors);
}

Test(http_cors, given_origins_as_browsers_send_them_then_they_are_fine)
{
    then_fine(NULL, 0);
    then_fine("", 0);
    then_fine("https://shop.example", 1);
    then_fine("https://shop.example, http://localhost:3000 ,http://127.0.0.1:8080", 3);
    then_fine("http://[::1]:3000,https://[2001:db8::1],http://[::ffff:1.2.3.4]", 3);
    then_fine("capacitor://localhost,chrome-extension://abcdefgh,https://xn--tst-qla.example", 3);
    then_fine("http://a:443,https://a:80,http://a:65535,http://a_b", 4);
}

Test(http_cors, given_what_no_browser_sends_then_it_is_complained_about)
{
    static const char *const settings[] = {
        "*",
        "null",
        "https://a,*",
        "https://*.example",
        "shop.example",
        "//shop.example",
        "://a",
        "https:shop.example",
        "https://",
        "https:///",
        "https://a/",
        "https://a/b",
        "https://a?b",
        "https://a#b",
        "https://u@a",
        "HTTPS://a",
        "https://A.example",
        "https://\xc3\xa4.example",
        "https://a b",
        "https://a;https://b",
        ",",
        "https://a,",
        ",https://a",
        "https://a,,https://b",
        " ",
        "https://a:",
        "https://a:0",
        "https://a:080",
        "https://a:65536",
        "https://a:123456",
        "https://a:99999999999999999999",
        "https://a:x",
        "https://a:1x",
        "https://a:1/",
        "http://a:80",
        "https://a:443",
        "http://[::1",
        "http://[]",
        "http://[::1]x",
        "http://[::G]",
        "http://[",
        "http://[::1]:80",
        "ht_tp://a",
        "https://a\thttps://b",
        "https://a\r\nX: y",
    };
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        struct http_cors cors;
        struct error error;
        cr_assert_eq(http_cors_check(settings[i], &error), STATUS_INVALID, "%s", settings[i]);
        cr_assert_eq(http_cors_init(settings[i], &cors, &error), STATUS_INVALID);
    }
}

Test(http_cors, given_as_many_origins_as_there_may_be_then_one_more_is_too_many)
{
    char setting[2048];
    size_t length = 0;
    for (int i = 0; i < HTTP_CORS_ORIGINS_MAX; i++)
        length += (size_t)snprintf(setting + length, sizeof(setting) - length, "%shttp://a%d",
                                   i > 0 ? "," : "", i);
    then_fine(setting, HTTP_CORS_ORIGINS_MAX);
    snprintf(setting + length, sizeof(setting) - length, ",http://b");
    struct error error;
    cr_assert_eq(http_cors_check(setting, &error), STATUS_INVALID);
}

Test(http_cors, given_a_preflight_of_a_path_without_methods_then_none_are_allowed)
{
    struct http_cors cors;
    struct error error;
    struct http_cors_header headers[HTTP_CORS_HEADERS_MAX];
    cr_assert_eq(http_cors_init("https://a", &cors, &error), STATUS_OK);
    size_t count = http_cors_headers(
        &cors, &(struct http_cors_answer){.origin = "https://a", .is_preflight = true}, headers);
    cr_assert_gt(count, 0);
    for (size_t i = 0; i < count; i++)
        cr_assert_str_neq(headers[i].name, "Access-Control-Allow-Methods");
    http_cors_done(&cors);
}

Test(http_cors, given_origins_then_exactly_these_are_found)
{
    struct http_cors cors;
    struct error error;
    cr_assert_eq(http_cors_init("https://shop.example,http://localhost:3000", &cors, &error),
                 STATUS_OK);
    cr_assert_str_eq(http_cors_find(&cors, STR_LITERAL("http://localhost:3000")),
                     "http://localhost:3000");
    cr_assert_not_null(http_cors_find(&cors, STR_LITERAL("https://shop.example")));
    static const char *const others[] = {
        NULL,
        "",
        "null",
        "*",
        "https://shop.exampl",
        "https://shop.example.evil.example",
        "https://evil.example/https://shop.example",
        "http://shop.example",
        "https://SHOP.example",
        "https://shop.example/",
        "https://shop.example:443",
        "https://shop.example, https://shop.example",
        "https://shop.example,http://localhost:3000",
        "http://localhost:30000",
    };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        cr_assert_null(http_cors_find(&cors, str_from(others[i])), "%s", others[i]);
    http_cors_done(&cors);
}
