#include "http_cors.h"

#include <stdlib.h>

/* In addition to the headers that the Fetch standard always allows. */
#define REQUEST_HEADERS                                                                            \
    "Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Correlation-Id, "           \
    "traceparent"
#define EXPOSED_HEADERS                                                                            \
    "Allow, ETag, Location, Preference-Applied, Retry-After, X-Correlation-Id, X-Request-Id"

/* How long a browser may remember the answer to a preflight. */
#define MAX_AGE_S "600"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static const char *scheme_default_port(struct str scheme)
{
    if (str_equal_literal(scheme, "https"))
        return "443";
    return str_equal_literal(scheme, "http") ? "80" : "";
}

/* A browser leaves the scheme's own port out. */
static const char *port_complaint(struct str scheme, const char *port)
{
    enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };
    size_t digits = strspn(port, DIGITS);
    if (port[digits] != '\0')
        return "has an origin with something behind the host and port; not even a / may be there";
    if (digits == 0 || digits > PORT_DIGITS_MAX || port[0] == '0' ||
        strtol(port, NULL, 10) > PORT_MAX)
        return "has an origin whose port is not a number from 1 to 65535";
    if (strcmp(port, scheme_default_port(scheme)) == 0)
        return "has an origin with its scheme's own port, which browsers leave out";
    return NULL;
}

/* scheme "://" host [":" port], as the Fetch standard writes it: lower case, no path. */
static const char *origin_complaint(const char *origin)
{
    if (strcmp(origin, "*") == 0 || strcmp(origin, "null") == 0)
        return "would let every page in; name the origins";
    const char *separator = strstr(origin, "://");
    struct str scheme = {origin, separator == NULL ? 0 : (size_t)(separator - origin)};
    if (scheme.length == 0 || strspn(origin, LOWER DIGITS "+-.") != scheme.length)
        return "has an origin that is not like https://shop.example or http://localhost:3000";
    const char *host = separator + strlen("://");
    size_t length = strspn(host, LOWER DIGITS "-._");
    if (*host == '[') {
        length = strspn(host + 1, DIGITS "abcdef:.") + 2;
        if (length < 4 || strnlen(host, length) < length || host[length - 1] != ']')
            return "has an origin with a malformed IPv6 address";
    }
    if (length == 0)
        return "has an origin without a host, or with one that is not in lower case";
    if (host[length] == ':')
        return port_complaint(scheme, host + length + 1);
    return host[length] == '\0'
               ? NULL
               : "has an origin with something behind the host and port; not even a / may be there";
}

/* Cuts `cors->text` into its origins. */
static const char *split(struct http_cors *cors)
{
    const char *complaint = NULL;
    char *next = cors->text;
    while (complaint == NULL && next != NULL) {
        char *origin = next + strspn(next, " ");
        next = strchr(origin, ',');
        if (next != NULL)
            *next++ = '\0';
        size_t length = strlen(origin);
        while (length > 0 && origin[length - 1] == ' ')
            origin[--length] = '\0';
        if (cors->count == HTTP_CORS_ORIGINS_MAX)
            return "names more than 64 origins";
        complaint = origin_complaint(origin);
        cors->origins[cors->count++] = origin;
    }
    return complaint;
}

/* NULL, with all origins in `*ret_cors`; or what is wrong. */
static const char *read_setting(const char *setting, struct http_cors *ret_cors)
{
    *ret_cors = (struct http_cors){0};
    if (setting == NULL || *setting == '\0')
        return NULL;
    ret_cors->text = strdup(setting);
    return ret_cors->text == NULL ? "cannot be read: no memory" : split(ret_cors);
}

enum status http_cors_check(const char *setting, struct error *error)
{
    struct http_cors cors;
    const char *complaint = read_setting(setting, &cors);
    http_cors_done(&cors);
    return complaint == NULL ? STATUS_OK : error_set(error, STATUS_INVALID, "%s", complaint);
}

enum status http_cors_init(const char *setting, struct http_cors *ret_cors, struct error *error)
{
    struct http_cors cors;
    const char *complaint = read_setting(setting, &cors);
    if (complaint == NULL) {
        *ret_cors = cors;
        return STATUS_OK;
    }
    http_cors_done(&cors);
    return error_set(error, STATUS_INVALID, "the list of CORS origins %s", complaint);
}

void http_cors_done(struct http_cors *cors)
{
    free(cors->text);
    *cors = (struct http_cors){0};
}

const char *http_cors_find(const struct http_cors *cors, struct str origin)
{
    for (size_t i = 0; i < cors->count; i++)
        if (str_equal_literal(origin, cors->origins[i]))
            return cors->origins[i];
    return NULL;
}

size_t http_cors_headers(const struct http_cors *cors, const struct http_cors_answer *answer,
                         struct http_cors_header ret_headers[static HTTP_CORS_HEADERS_MAX])
{
    size_t count = 0;
    if (cors->count == 0)
        return 0;
    /* Also when the answer names no origin: a cache must not give that answer to other origins. */
    ret_headers[count++] = (struct http_cors_header){"Vary", "Origin"};
    if (answer->origin == NULL)
        return count;
    ret_headers[count++] = (struct http_cors_header){"Access-Control-Allow-Origin", answer->origin};
    if (!answer->is_preflight) {
        ret_headers[count++] =
            (struct http_cors_header){"Access-Control-Expose-Headers", EXPOSED_HEADERS};
        return count;
    }
    if (answer->methods != NULL)
        ret_headers[count++] =
            (struct http_cors_header){"Access-Control-Allow-Methods", answer->methods};
    ret_headers[count++] =
        (struct http_cors_header){"Access-Control-Allow-Headers", REQUEST_HEADERS};
    ret_headers[count++] = (struct http_cors_header){"Access-Control-Max-Age", MAX_AGE_S};
    return count;
}
