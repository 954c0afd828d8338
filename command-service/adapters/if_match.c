#include "if_match.h"

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
            if (!take_tag(&rest))
                return false;
            has_tag = true;
            skip_spaces(&rest);
        } while (take(&rest, ","));
        if (!has_tag)
            return false;
        condition.tags = field;
    }
    if (rest.length > 0)
        return false;
    *ret_condition = condition;
    return true;
}
