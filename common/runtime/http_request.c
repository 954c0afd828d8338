#include "http_request.h"

#include "http_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

enum { BODY_FIRST_BYTES = 1024, TIME_PARAMETER_MAX = 64 };

struct http_joined_header {
    struct http_joined_header *next;
    char bytes[];
};

struct http_request *http_request_new(const char *target, size_t length)
{
    bool too_long = length > HTTP_URI_MAX;
    size_t kept = too_long ? 0 : length;
    struct http_request *request = malloc(sizeof(*request) + kept + 1);
    if (request == NULL)
        return NULL;
    *request = (struct http_request){.target_length = length};
    memcpy(request->target, target, kept);
    request->target[kept] = '\0';
    if (!too_long)
        request->uri_result = http_uri_parse(request->target, kept, &request->uri);
    return request;
}

void http_request_free(struct http_request *request)
{
    if (request == NULL)
        return;
    while (request->joined != NULL) {
        struct http_joined_header *joined = request->joined;
        request->joined = joined->next;
        free(joined);
    }
    if (request->stream != NULL)
        http_stream_discard(request->stream);
    free(request->body);
    free(request->header_block);
    if (request->answer.free_body)
        free((void *)(uintptr_t)request->answer.body.bytes);
    if (request->sent != NULL)
        request->sent(request->sent_context);
    free(request);
}

bool http_request_append_body(struct http_request *request, const char *bytes, size_t length)
{
    size_t needed = request->body_length + length;
    if (needed > request->body_capacity) {
        size_t capacity = request->body_capacity * 2;
        if (capacity < BODY_FIRST_BYTES)
            capacity = BODY_FIRST_BYTES;
        if (capacity < needed)
            capacity = needed;
        char *body = realloc(request->body, capacity);
        if (body == NULL)
            return false;
        request->body = body;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_length, bytes, length);
    request->body_length = needed;
    return true;
}

enum http_method http_request_method(const struct http_request *request)
{
    return request->method;
}

size_t http_request_segment_count(const struct http_request *request)
{
    return request->uri.segment_count;
}

struct str http_request_segment(const struct http_request *request, size_t index)
{
    assert(index < request->uri.segment_count);
    return request->uri.segments[index];
}

size_t http_request_parameter_count(const struct http_request *request)
{
    return request->uri.parameter_count;
}

struct http_parameter http_request_parameter(const struct http_request *request, size_t index)
{
    assert(index < request->uri.parameter_count);
    return request->uri.parameters[index];
}

bool http_time_parse(struct str value, int64_t *ret_time_us)
{
    enum { OFFSET_LENGTH = 6 }; /* +hh:mm */
    char text[TIME_PARAMETER_MAX];
    if (str_is_none(value) || value.length > sizeof(text) || value.length < OFFSET_LENGTH)
        return false;
    memcpy(text, value.bytes, value.length);
    char *sign = text + value.length - OFFSET_LENGTH;
    if (*sign == ' ')
        *sign = '+';
    return time_parse((struct str){text, value.length}, ret_time_us);
}

struct str http_request_body(const struct http_request *request)
{
    return (struct str){request->body_length == 0 ? "" : request->body, request->body_length};
}

struct str http_request_id(const struct http_request *request)
{
    return (struct str){request->id, UUID_TEXT_LENGTH};
}

struct str http_request_correlation_id(const struct http_request *request)
{
    return request->correlation_id;
}

void http_request_on_sent(struct http_request *request, void (*sent)(void *context), void *context)
{
    request->sent = sent;
    request->sent_context = context;
}

void http_request_set_route(struct http_request *request, const char *route)
{
    request->route = route;
}

struct lookup {
    const char *name;
    size_t count;
    size_t joined_length;
    struct str value;
    char *out; /* second pass: where the next value goes */
};

static enum MHD_Result look_up(void *context, enum MHD_ValueKind kind, const char *key,
                               size_t key_size, const char *bytes, size_t size)
{
    (void)kind;
    struct lookup *lookup = context;
    if (key_size != strlen(lookup->name) || strncasecmp(key, lookup->name, key_size) != 0)
        return MHD_YES;
    struct str value = bytes == NULL ? STR_LITERAL("") : str_trim((struct str){bytes, size});
    struct str separator = lookup->count > 0 ? STR_LITERAL(", ") : STR_LITERAL("");
    if (lookup->out != NULL) {
        lookup->out = mempcpy(lookup->out, separator.bytes, separator.length);
        lookup->out = mempcpy(lookup->out, value.bytes, value.length);
    }
    lookup->joined_length += separator.length + value.length;
    lookup->count++;
    lookup->value = value;
    return MHD_YES;
}

static struct str join(struct http_request *request, const char *name, size_t length)
{
    struct http_joined_header *joined = malloc(sizeof(*joined) + length);
    if (joined == NULL) {
        request->answer_lost = true;
        return STR_LITERAL("\x7f");
    }
    joined->next = request->joined;
    request->joined = joined;
    struct lookup lookup = {.name = name, .out = joined->bytes};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, look_up, &lookup);
    assert(lookup.out == joined->bytes + length);
    return (struct str){joined->bytes, length};
}

struct str http_request_header(struct http_request *request, const char *name)
{
    assert(!request->deferred);
    struct lookup lookup = {.name = name};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, look_up, &lookup);
    if (lookup.count <= 1)
        return lookup.value;
    return join(request, name, lookup.joined_length);
}

static bool is_media_type(struct str value, const char *type)
{
    size_t length = strlen(type);
    if (value.length < length || strncasecmp(value.bytes, type, length) != 0)
        return false;
    return value.length == length || value.bytes[length] == ';' || value.bytes[length] == ' ' ||
           value.bytes[length] == '\t';
}

bool http_request_body_is_json(struct http_request *request)
{
    struct str coding = http_request_header(request, "Content-Encoding");
    if (!str_is_none(coding) && !is_media_type(coding, "identity"))
        return false;
    struct str type = http_request_header(request, "Content-Type");
    return !str_is_none(type) && is_media_type(type, "application/json");
}
