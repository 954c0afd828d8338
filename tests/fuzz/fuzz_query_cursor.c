/* Input: a cursor. Whatever is taken for one of a list or of a history is written back as the same
 * text: there is only one for each place. */
#include "fuzz.h"
#include "history_cursor.h"
#include "list_cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct uuid cart_id = {{0x01, 0x98, 0, 0, 0, 0, 0x70, 0, 0x80}};
    static const struct view_list list = {.limit = 1};
    struct str text = input_of(bytes, size);
    struct view_place place;
    int32_t version;

    if (history_cursor_parse(text, &cart_id, &version)) {
        char again[HISTORY_CURSOR_LENGTH + 1];
        REQUIRE(version >= 1);
        history_cursor_format(&cart_id, version, again);
        REQUIRE(str_equal_literal(text, again));
    }
    if (list_cursor_parse(text, &list, &place)) {
        char again[LIST_CURSOR_LENGTH + 1];
        list_cursor_format(&list, &place, again);
        REQUIRE(str_equal_literal(text, again));
    }
    return 0;
}
