#include "entity_tags.h"

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

/* etagc of RFC 9110, 8.8.3: no quote, no control, no space. */
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

bool entity_tags_parse(struct str field, bool *ret_any)
{
    struct str rest = field;
    skip_spaces(&rest);
    bool is_any = take(&rest, "*");
    bool has_element = is_any;
    skip_spaces(&rest);
    while (!is_any && rest.length > 0) {
        /* Empty list elements are ignored, but at least one element must not be empty (5.6.1). */
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
    if (rest.length > 0 || !has_element)
        return false;
    *ret_any = is_any;
    return true;
}

/* A quote only begins and ends a tag, and there are no digits between two tags. So wherever the
 * quoted version stands in the list, it is a tag. */
bool entity_tags_have(struct str list, int32_t version, enum entity_tag_comparison comparison)
{
    char tag[sizeof("\"-2147483648\"")];
    size_t length = (size_t)snprintf(tag, sizeof(tag), "\"%" PRId32 "\"", version);
    struct str rest = list;
    const char *found;
    while (rest.length > 0 && (found = memmem(rest.bytes, rest.length, tag, length)) != NULL) {
        bool is_weak = found > list.bytes && found[-1] == '/';
        if (!is_weak || comparison == ENTITY_TAGS_WEAKLY)
            return true;
        rest.length -= (size_t)(found + length - rest.bytes);
        rest.bytes = found + length;
    }
    return false;
}
