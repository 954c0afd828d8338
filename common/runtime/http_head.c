#include "http_head.h"

#include <stdio.h>
#include <strings.h>

struct scan {
    struct http_head head;
    bool check_layout;  /* see begin_layout() */
    uintptr_t expected; /* where the next line must start in libmicrohttpd's buffer */
    size_t bytes;       /* of all fields, with what keeping them costs */
    unsigned hosts;
    unsigned lengths;
    unsigned codings;
};

static void complain(struct scan *scan, int status, const char *complaint)
{
    if (scan->head.refused_status != 0)
        return;
    scan->head.refused_status = status;
    scan->head.complaint = complaint;
}

/* RFC 9110, 5.6.2 */
static bool is_token(struct str text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  (c != '\0' && strchr(others, c) != NULL);
        if (!ok)
            return false;
    }
    return text.length > 0;
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* The characters of RFC 9112, 3.2; trailing blanks are not part of it. It may be empty. */
static bool is_host(struct str text)
{
    text = str_trim(text);
    for (size_t i = 0; i < text.length; i++)
        if (!is_token((struct str){&text.bytes[i], 1}) && strchr("(),:;=[]", text.bytes[i]) == NULL)
            return false;
    return true;
}

static bool is_named(struct str name, const char *other)
{
    return name.length == strlen(other) && strncasecmp(name.bytes, other, name.length) == 0;
}

static void take_length(struct scan *scan, struct str value)
{
    scan->lengths++;
    uint64_t length = 0;
    bool valid = value.length > 0 && value.length <= 18;
    for (size_t i = 0; valid && i < value.length; i++) {
        valid = value.bytes[i] >= '0' && value.bytes[i] <= '9';
        length = length * 10 + (uint64_t)(value.bytes[i] - '0');
    }
    if (!valid)
        complain(scan, 400, "Content-Length is not a number");
    scan->head.has_length = true;
    scan->head.length = length;
}

static size_t cookie_bytes(struct str value)
{
    size_t bytes = value.length + HTTP_FIELD_OVERHEAD;
    for (size_t i = 0; i < value.length; i++)
        if (value.bytes[i] == ';' || value.bytes[i] == ',')
            bytes += HTTP_FIELD_OVERHEAD;
    return bytes;
}

static enum MHD_Result look_at_field(void *context, enum MHD_ValueKind kind, const char *key,
                                     size_t key_size, const char *bytes, size_t size)
{
    (void)kind;
    struct scan *scan = context;
    struct str name = {key, key_size};
    struct str value = {bytes == NULL ? "" : bytes, bytes == NULL ? 0 : size};
    scan->bytes += name.length + value.length + HTTP_FIELD_OVERHEAD;

    if (scan->check_layout && ((uintptr_t)name.bytes != scan->expected ||
                               (uintptr_t)value.bytes < (uintptr_t)name.bytes + name.length + 1))
        complain(scan, 400, "the header is folded or has a line that does not end in CR LF");
    scan->expected = (uintptr_t)value.bytes + value.length + strlen("\r\n");

    if (!is_token(name))
        complain(scan, 400, "a header field's name is not a token");
    if (has_control(value))
        complain(scan, 400, "a header field's value has a control character");
    if (is_named(name, "Host")) {
        scan->hosts++;
        if (!is_host(value))
            complain(scan, 400, "Host is not the name of a host");
    }
    if (is_named(name, "Cookie"))
        scan->bytes += cookie_bytes(value);
    if (is_named(name, "Content-Length"))
        take_length(scan, value);
    if (is_named(name, "X-Correlation-Id"))
        scan->head.correlation_id = value;
    if (is_named(name, "Transfer-Encoding")) {
        scan->codings++;
        scan->head.chunked = is_named(value, "chunked");
        if (!scan->head.chunked)
            complain(scan, 400, "the only transfer coding understood here is chunked");
    }
    return MHD_YES;
}

static void judge(struct scan *scan, bool is_http_1_0)
{
    if (scan->lengths > 1)
        complain(scan, 400, "more than one Content-Length");
    if (scan->codings > 1)
        complain(scan, 400, "more than one Transfer-Encoding");
    if (scan->lengths > 0 && scan->codings > 0)
        complain(scan, 400, "both Content-Length and Transfer-Encoding");
    if (is_http_1_0 && scan->codings > 0)
        complain(scan, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (scan->hosts > 1 || (scan->hosts == 0 && !is_http_1_0))
        complain(scan, 400, "there must be exactly one Host");
    if (scan->bytes > HTTP_HEADERS_MAX)
        complain(scan, 431, "too many or too large header fields");
}

bool http_head_needs_layout_check(void)
{
    unsigned major = 0;
    unsigned minor = 0;
    return sscanf(MHD_get_version(), "%u.%u", &major, &minor) != 2 || major == 0;
}

/*
 * A lenient libmicrohttpd parses the head in place: it overwrites the blanks, colons and line ends
 * with NULs and hands out pointers into that one buffer. So when every line is exactly as long as
 * its parts say, each text starts where the one before ends, plus the separator. Only a folded
 * line, a lone LF or a NUL inside breaks that. Only addresses are compared.
 */
static void begin_layout(struct scan *scan, const struct http_head_source *source)
{
    scan->check_layout = source->check_layout;
    if (!scan->check_layout)
        return;
    uintptr_t target = (uintptr_t)source->target;
    uintptr_t version = (uintptr_t)source->version;
    if (target != (uintptr_t)source->method + strlen(source->method) + 1 ||
        version != target + source->target_length + 1)
        complain(scan, 400, "the request line is malformed");
    scan->expected = version + strlen(source->version) + strlen("\r\n");
}

static void end_layout(struct scan *scan, const struct http_head_source *source)
{
    if (!scan->check_layout)
        return;
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(source->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (size == NULL ||
        scan->expected + strlen("\r\n") != (uintptr_t)source->method + size->header_size)
        complain(scan, 400, "the header is folded or has a line that does not end in CR LF");
}

struct http_head http_head_check(const struct http_head_source *source)
{
    struct scan scan = {0};
    begin_layout(&scan, source);
    MHD_get_connection_values_n(source->mhd, MHD_HEADER_KIND, look_at_field, &scan);
    end_layout(&scan, source);
    judge(&scan, strcmp(source->version, "HTTP/1.0") == 0);
    return scan.head;
}
