/* Input: a cursor. Any input accepted as a cursor of a list, of a history or of the log is written
 * back as the same text: each place has only one. */
#include "fuzz.h"
#include "history_cursor.h"
#include "list_cursor.h"
#include "log_query.h"

static void check_history(struct str text)
{
    static const struct uuid cart_id = {{0x01, 0x98, 0, 0, 0, 0, 0x70, 0, 0x80}};
    char again[HISTORY_CURSOR_LENGTH + 1];
    int32_t version;
    if (!history_cursor_parse(text, &cart_id, &version))
        return;
    REQUIRE(version >= 1);
    history_cursor_format(&cart_id, version, again);
    REQUIRE(str_equal_literal(text, again));
}

static void check_list(struct str text)
{
    static const struct view_list list = {.limit = 1};
    char again[LIST_CURSOR_LENGTH + 1];
    struct view_place place;
    if (!list_cursor_parse(text, &list, &place))
        return;
    list_cursor_format(&list, &place, again);
    REQUIRE(str_equal_literal(text, again));
}

static void check_log(struct str text)
{
    static const struct log_filter filter = {
        .last_partition = 5, .from_us = INT64_MIN, .before_us = INT64_MAX};
    char again[LOG_CURSOR_LENGTH + 1];
    struct scan_place place;
    if (!log_cursor_read(text, &filter, &place))
        return;
    REQUIRE(place.partition >= 0 && place.position >= 0 && place.stride == 0);
    log_cursor_write(&filter, &place, again);
    REQUIRE(str_equal_literal(text, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = input_of(bytes, size);
    check_history(text);
    check_list(text);
    check_log(text);
    return 0;
}
