/* Input: the field. A version that matches stands in it between quotes. */
#include "fuzz.h"
#include "if_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int32_t versions[] = {1, 2, 6, 7, 22, 333, INT32_MAX};
    struct cart_condition condition;
    struct str field = input_of(bytes, size);

    if (!if_match_parse(field, &condition))
        return 0;
    REQUIRE(condition.given);
    REQUIRE(!condition.any || condition.tags.length == 0);
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        char tag[32];
        int length = snprintf(tag, sizeof(tag), "\"%d\"", (int)versions[i]);
        const struct cart cart = {.status = CART_OPEN, .version = versions[i]};
        bool holds = cart_condition_holds(&condition, &cart) == CART_ACCEPTED;
        bool is_there = memmem(field.bytes, field.length, tag, (size_t)length) != NULL;
        REQUIRE(holds == condition.any || (holds && is_there));
    }
    return 0;
}
