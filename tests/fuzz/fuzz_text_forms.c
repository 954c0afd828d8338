/* Input: a text that may be a time, a UUID, a place in the log, UTF-8 or JSON. */
#include "clock.h"
#include "fuzz.h"
#include "json_scan.h"
#include "log_place.h"
#include "utf8.h"
#include "uuid.h"

static void check_time(struct str text)
{
    int64_t time_us, back;
    if (!time_parse(text, &time_us))
        return;
    char formatted[TIME_TEXT_LENGTH + 1];
    time_format(time_us, formatted);
    REQUIRE(strlen(formatted) == TIME_TEXT_LENGTH);
    REQUIRE(time_parse(str_from(formatted), &back));
    REQUIRE(back == time_us);
}

static void check_uuid(struct str text)
{
    struct uuid uuid, back;
    if (!uuid_parse(text, &uuid))
        return;
    char formatted[UUID_TEXT_LENGTH + 1];
    uuid_format(&uuid, formatted);
    REQUIRE(uuid_parse(str_from(formatted), &back));
    REQUIRE(uuid_equal(&uuid, &back));
}

static void check_place(struct str text)
{
    struct log_place place;
    if (!log_place_parse(text, 1024, &place))
        return;
    char formatted[32];
    int length = snprintf(formatted, sizeof(formatted), "%d:%lld", place.partition,
                          (long long)place.position);
    REQUIRE(str_equal((struct str){formatted, (size_t)length}, text));
}

static void check_utf8(struct str text)
{
    size_t at = 0;
    uint32_t code_point;
    while (at < text.length) {
        size_t length = utf8_decode(text, at, &code_point);
        if (length == 0)
            break;
        REQUIRE(length <= 4 && at + length <= text.length);
        at += length;
    }
    REQUIRE(!utf8_is_printable(text) || at == text.length);
}

static void check_json_scan(struct str text)
{
    bool shallow = json_depth_ok(text, 3);
    REQUIRE(!shallow || json_depth_ok(text, 4));
    struct json_members members = json_members_of(text);
    struct str value;
    const char *before = text.bytes;
    while (json_members_next(&members, &value)) {
        REQUIRE(value.bytes >= before && value.length > 0);
        before = value.bytes + value.length;
        REQUIRE(before <= text.bytes + text.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = input_of(bytes, size);
    check_time(text);
    check_uuid(text);
    check_place(text);
    check_utf8(text);
    check_json_scan(text);
    return 0;
}
