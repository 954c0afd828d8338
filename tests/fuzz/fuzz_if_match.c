/* Input: the field. Each version that can match stands in it between quotes, and a field of just
 * these versions reads the same. */
#include "fuzz.h"
#include "if_match.h"

enum { FIELD_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cart_condition condition;
    struct cart_condition again;
    struct str field = input_of(bytes, size);
    char written[FIELD_MAX] = "W/\"none\"";
    size_t length = strlen(written);

    if (!if_match_parse(field, &condition))
        return 0;
    REQUIRE(condition.given);
    REQUIRE(condition.version_count <= CART_CONDITION_VERSIONS_MAX);
    REQUIRE(!condition.any || condition.version_count == 0);
    for (size_t i = 0; i < condition.version_count; i++) {
        char tag[32];
        int tag_length = snprintf(tag, sizeof(tag), "\"%d\"", (int)condition.versions[i]);
        REQUIRE(condition.versions[i] >= 1);
        REQUIRE(memmem(field.bytes, field.length, tag, (size_t)tag_length) != NULL);
        length += (size_t)snprintf(written + length, sizeof(written) - length, ",%s", tag);
        REQUIRE(length < sizeof(written));
    }
    REQUIRE(if_match_parse((struct str){written, length}, &again));
    REQUIRE(again.version_count == condition.version_count);
    REQUIRE(memcmp(again.versions, condition.versions,
                   again.version_count * sizeof(again.versions[0])) == 0);
    return 0;
}
