#include "json_scan.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* From an opening quote to just after the closing one, or to the end. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\' && ++at == end)
            break;
    }
    return end;
}

bool json_depth_ok(struct str json, int most)
{
    if (str_is_none(json))
        return true;
    const char *at = json.bytes;
    const char *end = json.bytes + json.length;
    int depth = 0;
    while (at < end) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '{':
        case '[':
            if (++depth > most)
                return false;
            break;
        case '}':
        case ']':
            depth--;
            break;
        default:
            break;
        }
        at++;
    }
    return true;
}

/* From the first character of a value to the comma or bracket that follows it. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    while (at < end) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return at;
            depth--;
            break;
        case ',':
            if (depth == 0)
                return at;
            break;
        default:
            break;
        }
        at++;
    }
    return end;
}

struct json_members json_members_of(struct str json)
{
    if (str_is_none(json))
        return (struct json_members){NULL, NULL};
    const char *end = json.bytes + json.length;
    const char *at = skip_space(json.bytes, end);
    if (at < end && *at == '{')
        return (struct json_members){at + 1, end};
    return (struct json_members){end, end};
}

bool json_members_next(struct json_members *members, struct str *ret_value)
{
    const char *end = members->end;
    const char *at = skip_space(members->at, end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    if (at == end || *at != '"')
        return false;
    at = skip_space(skip_string(at, end), end);
    if (at == end || *at != ':')
        return false;
    const char *value = skip_space(at + 1, end);
    const char *after = skip_value(value, end);
    members->at = after;
    while (after > value && is_space(after[-1]))
        after--;
    if (after == value)
        return false;
    *ret_value = (struct str){value, (size_t)(after - value)};
    return true;
}
