#include "if_none_match.h"

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

/* etagc of RFC 9110, 8.8.3. */
static bool is_tag_character(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

static bool take_tag(struct str *rest, struct str *ret_opaque)
{
    (void)take(rest, "W/");
    if (!take(rest, "\""))
        return false;
    size_t length = 0;
    while (length < rest->length && is_tag_character(rest->bytes[length]))
        length++;
    *ret_opaque = (struct str){rest->bytes, length};
    *rest = (struct str){rest->bytes + length, rest->length - length};
    return take(rest, "\"");
}

static void add_tag(struct if_none_match *condition, struct str opaque)
{
    int64_t version;
    if (condition->version_count < IF_NONE_MATCH_VERSIONS_MAX &&
        number_parse(opaque, 1, INT32_MAX, &version))
        condition->versions[condition->version_count++] = (int32_t)version;
}

bool if_none_match_parse(struct str field, struct if_none_match *ret_condition)
{
    struct if_none_match condition = {0};
    struct str rest = field;
    skip_spaces(&rest);
    bool is_list = !take(&rest, "*");
    condition.any = !is_list;
    skip_spaces(&rest);
    bool has_element = !is_list;
    while (is_list && rest.length > 0) {
        /* Empty elements of a list are allowed (RFC 9110, 5.6.1.2). */
        struct str opaque;
        if (rest.bytes[0] != ',') {
            if (!take_tag(&rest, &opaque))
                return false;
            add_tag(&condition, opaque);
            has_element = true;
            skip_spaces(&rest);
        }
        if (rest.length > 0 && !take(&rest, ","))
            return false;
        skip_spaces(&rest);
    }
    if (rest.length > 0 || (!has_element && !str_is_none(field)))
        return false;
    *ret_condition = condition;
    return true;
}

bool if_none_match_has(const struct if_none_match *condition, int32_t version)
{
    bool found = condition->any;
    for (size_t i = 0; i < condition->version_count && !found; i++)
        found = condition->versions[i] == version;
    return found;
}
