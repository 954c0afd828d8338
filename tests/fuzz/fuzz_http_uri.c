/* Input: a request target. */
#include "fuzz.h"
#include "http_uri.h"
#include "text.h"
#include "utf8.h"

enum { TARGET_MAX = 8192, ENCODED_MAX = 4 * TARGET_MAX };

static void check_text(struct str text, const char *begin, size_t size)
{
    REQUIRE(text.bytes >= begin && text.bytes + text.length <= begin + size);
    REQUIRE(utf8_is_printable(text));
}

static void append_encoded(struct text *text, struct str part)
{
    for (size_t i = 0; i < part.length; i++)
        text_format(text, "%%%02x", (unsigned)(unsigned char)part.bytes[i]);
}

static void encode(struct text *text, const struct http_uri *uri)
{
    for (size_t i = 0; i < uri->segment_count; i++) {
        text_append_char(text, '/');
        append_encoded(text, uri->segments[i]);
    }
    if (uri->segment_count == 0)
        text_append_char(text, '/');
    for (size_t i = 0; i < uri->parameter_count; i++) {
        text_append_char(text, i == 0 ? '?' : '&');
        append_encoded(text, uri->parameters[i].name);
        text_append_char(text, '=');
        append_encoded(text, uri->parameters[i].value);
    }
}

static void check_same(const struct http_uri *a, const struct http_uri *b)
{
    REQUIRE(a->segment_count == b->segment_count);
    REQUIRE(a->parameter_count == b->parameter_count);
    for (size_t i = 0; i < a->segment_count; i++)
        REQUIRE(str_equal(a->segments[i], b->segments[i]));
    for (size_t i = 0; i < a->parameter_count; i++) {
        REQUIRE(str_equal(a->parameters[i].name, b->parameters[i].name));
        REQUIRE(str_equal(a->parameters[i].value, b->parameters[i].value));
    }
}

/* A target that was taken apart and written in full again is taken apart into the same. */
static void check_round_trip(const struct http_uri *uri)
{
    AUTO(text_done) struct text text = TEXT_INIT(ENCODED_MAX);
    encode(&text, uri);
    REQUIRE(text_ok(&text));
    struct http_uri back;
    REQUIRE(http_uri_parse(text.bytes, text.length, &back) == HTTP_URI_OK);
    check_same(uri, &back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > TARGET_MAX)
        return 0;
    char *target = malloc(size > 0 ? size : 1);
    REQUIRE(target != NULL);
    memcpy(target, bytes, size);
    struct http_uri uri;
    if (http_uri_parse(target, size, &uri) == HTTP_URI_OK) {
        for (size_t i = 0; i < uri.segment_count; i++) {
            check_text(uri.segments[i], target, size);
            REQUIRE(uri.segments[i].length > 0);
        }
        for (size_t i = 0; i < uri.parameter_count; i++) {
            check_text(uri.parameters[i].name, target, size);
            check_text(uri.parameters[i].value, target, size);
        }
        check_round_trip(&uri);
    }
    free(target);
    return 0;
}
