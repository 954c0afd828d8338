#include "if_none_match.h"

#include <inttypes.h>
#include <stdio.h>

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

static bool take_tag(struct str *rest)
{
    (void)take(rest, "W/");
    if (!take(rest, "\""))
        return false;
    size_t length = 0;
    while (length < rest->length && is_tag_character(rest->bytes[length]))
        length++;
    *rest = (struct str){rest->bytes + length, rest->length - length};
    return take(rest, "\"");
}

bool if_none_match_parse(struct str field, struct if_none_match *ret_condition)
{
    struct str rest = field;
    skip_spaces(&rest);
    bool is_list = !take(&rest, "*");
    skip_spaces(&rest);
    bool has_element = !is_list;
    while (is_list && rest.length > 0) {
        /* Empty elements of a list are allowed (RFC 9110, 5.6.1.2). */
        if (rest.bytes[0] != ',') {
            if (!take_tag(&rest))
                return false;
            has_element = true;
            skip_spaces(&rest);
        }
        if (rest.length > 0 && !take(&rest, ","))
            return false;
        skip_spaces(&rest);
    }
    if (rest.length > 0 || (!has_element && !str_is_none(field)))
        return false;
    *ret_condition = (struct if_none_match){.any = !is_list, .tags = is_list ? field : STR_NONE};
    return true;
}

/* A quote only begins and ends a tag, and between two tags are no digits: so wherever the quoted
 * version stands in the list, it is a tag. */
bool if_none_match_has(const struct if_none_match *condition, int32_t version)
{
    struct str tags = condition->tags;
    if (condition->any || str_is_none(tags))
        return condition->any;
    char tag[sizeof("\"-2147483648\"")];
    size_t length = (size_t)snprintf(tag, sizeof(tag), "\"%" PRId32 "\"", version);
    return memmem(tags.bytes, tags.length, tag, length) != NULL;
}
