#include "http_uri.h"

#include "number.h"
#include "utf8.h"

#include <strings.h>

struct span {
    char *bytes;
    size_t length;
};

/* The part up to `separator` or the end; *rest is what follows the separator. */
static struct span take_until(struct span *rest, char separator, bool *ret_found)
{
    char *end = rest->length == 0 ? NULL : memchr(rest->bytes, separator, rest->length);
    *ret_found = end != NULL;
    struct span part = {rest->bytes, end == NULL ? rest->length : (size_t)(end - rest->bytes)};
    size_t used = part.length + (end != NULL);
    rest->bytes += used;
    rest->length -= used;
    return part;
}

static bool decode(struct span part, char plus, struct str *ret_text)
{
    size_t length = 0;
    for (size_t i = 0; i < part.length; i++) {
        char c = part.bytes[i];
        if (c == '+') {
            c = plus;
        } else if (c == '%') {
            if (part.length - i < 3)
                return false;
            int high = hex_digit(part.bytes[i + 1]);
            int low = hex_digit(part.bytes[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        part.bytes[length++] = c;
    }
    struct str text = {part.bytes, length};
    if (!utf8_is_printable(text))
        return false;
    *ret_text = text;
    return true;
}

static bool parse_path(struct span path, struct http_uri *uri, bool *ret_unknown)
{
    bool unknown = false;
    path.bytes++; /* the first slash */
    path.length--;
    bool more = path.length > 0;
    while (more) {
        struct str segment;
        if (!decode(take_until(&path, '/', &more), '+', &segment))
            return false;
        if (segment.length == 0 || uri->segment_count == HTTP_PATH_SEGMENTS_MAX)
            unknown = true;
        else
            uri->segments[uri->segment_count++] = segment;
    }
    *ret_unknown = unknown;
    return true;
}

static bool parse_query(struct span query, struct http_uri *uri)
{
    bool more = query.length > 0;
    while (more) {
        struct span value = take_until(&query, '&', &more);
        if (value.length == 0)
            continue;
        bool has_value;
        struct span name = take_until(&value, '=', &has_value);
        if (name.length == 0 || uri->parameter_count == HTTP_QUERY_PARAMETERS_MAX)
            return false;
        struct http_parameter *parameter = &uri->parameters[uri->parameter_count++];
        if (!decode(name, ' ', &parameter->name) || !decode(value, ' ', &parameter->value))
            return false;
    }
    return true;
}

/* http://host:port/path: the part before the path is ignored (RFC 9112, 3.2.2). */
static bool skip_authority(struct span *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (target->length <= length || strncasecmp(target->bytes, schemes[i], length) != 0)
            continue;
        size_t end = length;
        while (end < target->length && target->bytes[end] != '/' && target->bytes[end] != '?')
            end++;
        if (end == length)
            return false;
        target->bytes += end;
        target->length -= end;
        return true;
    }
    return false;
}

enum http_uri_result http_uri_parse(char *target, size_t length, struct http_uri *ret_uri)
{
    struct span rest = {target, length};
    for (size_t i = 0; i < length; i++)
        if (target[i] == '#' || target[i] == ' ')
            return HTTP_URI_MALFORMED;
    if (length == 1 && target[0] == '*')
        return HTTP_URI_SERVER;
    if ((length == 0 || target[0] != '/') && !skip_authority(&rest))
        return HTTP_URI_MALFORMED;

    struct http_uri uri = {0};
    bool has_query;
    bool unknown = false;
    struct span path = take_until(&rest, '?', &has_query);
    if (path.length > 0 && !parse_path(path, &uri, &unknown))
        return HTTP_URI_MALFORMED;
    if (!parse_query(rest, &uri))
        return HTTP_URI_MALFORMED;
    if (unknown)
        return HTTP_URI_UNKNOWN;
    *ret_uri = uri;
    return HTTP_URI_OK;
}
