#include "request_metadata.h"

#include "json_out.h"
#include "utf8.h"

/* Where the fields of 00-<32 hex>-<16 hex>-<2 hex> begin. */
enum { TRACE_ID_AT = 3, PARENT_ID_AT = 36, FLAGS_AT = 53, TRACEPARENT_LENGTH = 55 };

static bool is_hex(struct str text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char c = text.bytes[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(struct str text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (text.bytes[i] != '0')
            return false;
    return true;
}

bool traceparent_is_valid(struct str header)
{
    if (header.length != TRACEPARENT_LENGTH)
        return false;
    const char *c = header.bytes;
    if (c[TRACE_ID_AT - 1] != '-' || c[PARENT_ID_AT - 1] != '-' || c[FLAGS_AT - 1] != '-')
        return false;
    bool is_version_ff = c[0] == 'f' && c[1] == 'f';
    return !is_version_ff && is_hex(header, 0, TRACE_ID_AT - 1) &&
           is_hex(header, TRACE_ID_AT, PARENT_ID_AT - 1) &&
           is_hex(header, PARENT_ID_AT, FLAGS_AT - 1) &&
           is_hex(header, FLAGS_AT, TRACEPARENT_LENGTH) &&
           !is_zero(header, TRACE_ID_AT, PARENT_ID_AT - 1) &&
           !is_zero(header, PARENT_ID_AT, FLAGS_AT - 1);
}

bool correlation_id_is_valid(struct str header)
{
    return header.length > 0 && header.length <= CORRELATION_ID_BYTES_MAX &&
           utf8_is_printable(header);
}

void request_metadata_write(struct str correlation_id, struct str traceparent,
                            const struct command_key *key, struct text *text)
{
    struct json_out out = json_out_to(text);
    json_out_object(&out);
    if (!str_is_none(correlation_id)) {
        json_out_key(&out, "correlationId");
        json_out_string(&out, correlation_id);
    }
    if (traceparent_is_valid(traceparent)) {
        json_out_key(&out, "traceparent");
        json_out_string(&out, traceparent);
    }
    if (!str_is_none(key->key)) {
        json_out_key(&out, "commandKey");
        json_out_object(&out);
        json_out_key(&out, "key");
        json_out_string(&out, key->key);
        json_out_key(&out, "requestHash");
        json_out_string(&out, str_from(key->request_hash));
        json_out_end_object(&out);
    }
    json_out_end_object(&out);
}
