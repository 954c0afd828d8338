/* Input: the field. Each version that can match stands in it between quotes, and a field of just
 * these versions reads the same. */
#include "fuzz.h"
#include "if_match.h"

/* For as many versions as there may be, and no more: the sanitizer sees the next one. */
static int32_t *room_for(struct str field)
{
    int32_t *room = malloc(if_match_tags_max(field) * sizeof(*room));
    REQUIRE(room != NULL);
    return room;
}

static void read_again(const struct cart_condition *condition, struct str field)
{
    static const char none[] = "W/\"none\"";
    size_t size = sizeof(none) + field.length + 1; /* of each tag no more than the field has */
    char *written = malloc(size);
    REQUIRE(written != NULL);
    size_t length = (size_t)snprintf(written, size, "%s", none);
    for (size_t i = 0; i < condition->version_count; i++) {
        char tag[32];
        int tag_length = snprintf(tag, sizeof(tag), "\"%d\"", (int)condition->versions[i]);
        REQUIRE(condition->versions[i] >= 1);
        REQUIRE(memmem(field.bytes, field.length, tag, (size_t)tag_length) != NULL);
        length += (size_t)snprintf(written + length, size - length, ",%s", tag);
        REQUIRE(length < size);
    }
    struct cart_condition again;
    int32_t *room = room_for((struct str){written, length});
    REQUIRE(if_match_parse((struct str){written, length}, room, &again));
    REQUIRE(again.version_count == condition->version_count);
    REQUIRE(memcmp(again.versions, condition->versions,
                   again.version_count * sizeof(again.versions[0])) == 0);
    free(room);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str field = input_of(bytes, size);
    struct cart_condition condition;
    int32_t *room = room_for(field);
    if (if_match_parse(field, room, &condition)) {
        REQUIRE(condition.given);
        REQUIRE(!condition.any || condition.version_count == 0);
        read_again(&condition, field);
    }
    free(room);
    return 0;
}
