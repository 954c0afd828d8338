#include "if_match.h"

#include "number.h"

static void skip_spaces(struct str *rest)
{
    while (rest->length > 0 && (rest->bytes[0] == ' ' || rest->bytes[0] == '\t'))
        *rest = (struct str){rest->bytes + 1, rest->length - 1};
}

static bool take(struct str *rest, const char *literal)
{
    size_t length = strlen(literal);
    if (rest->length < length || memcmp(rest->bytes, literal, length) != 0)
        return false;
    *rest = (struct str){rest->bytes + length, rest->length - length};
    return true;
}

/* etagc of RFC 9110, 8.8.3: no quote, no control, no space. */
static bool is_tag_character(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

static bool take_tag(struct str *rest, bool *ret_weak, struct str *ret_opaque)
{
    *ret_weak = take(rest, "W/");
    if (!take(rest, "\""))
        return false;
    struct str opaque = {rest->bytes, 0};
    while (opaque.length < rest->length && is_tag_character(rest->bytes[opaque.length]))
        opaque.length++;
    *rest = (struct str){rest->bytes + opaque.length, rest->length - opaque.length};
    *ret_opaque = opaque;
    return take(rest, "\"");
}

/* Our tags are versions. */
static bool add_tag(struct cart_condition *condition, bool weak, struct str opaque)
{
    int64_t version;
    if (weak || !number_parse(opaque, 1, INT32_MAX, &version))
        return true;
    if (condition->version_count == CART_CONDITION_VERSIONS_MAX)
        return false;
    condition->versions[condition->version_count++] = (int32_t)version;
    return true;
}

bool if_match_parse(struct str field, struct cart_condition *ret_condition)
{
    struct cart_condition condition = {.given = !str_is_none(field)};
    struct str rest = field;
    skip_spaces(&rest);
    if (take(&rest, "*")) {
        condition.any = true;
        skip_spaces(&rest);
    } else if (condition.given) {
        /* RFC 9110, 5.6.1: empty elements of a list are to be ignored, but one element there must
         * be. */
        bool has_tag = false;
        do {
            skip_spaces(&rest);
            if (rest.length == 0 || rest.bytes[0] == ',')
                continue;
            bool weak;
            struct str opaque;
            if (!take_tag(&rest, &weak, &opaque) || !add_tag(&condition, weak, opaque))
                return false;
            has_tag = true;
            skip_spaces(&rest);
        } while (take(&rest, ","));
        if (!has_tag)
            return false;
    }
    if (rest.length > 0)
        return false;
    *ret_condition = condition;
    return true;
}
