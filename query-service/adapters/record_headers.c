#include "record_headers.h"

#include "json_out.h"
#include "number.h"
#include "utf8.h"

#include <jansson.h>
#include <stdlib.h>

/* Decoded hex, kept until record_headers_done(). */
struct decoded {
    struct decoded *next;
    char bytes[];
};

struct source {
    json_t *json;
    struct decoded *decoded;
};

static void write_text(struct json_out *out, struct str value)
{
    static const char digits[] = "0123456789abcdef";
    if (str_is_none(value) || utf8_is_printable(value)) {
        json_out_string(out, value);
        return;
    }
    json_out_object(out);
    json_out_key(out, "hex");
    text_append_char(out->text, '"');
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.bytes[i];
        text_append_char(out->text, digits[byte >> 4]);
        text_append_char(out->text, digits[byte & 15]);
    }
    text_append_char(out->text, '"');
    out->needs_comma = true;
    json_out_end_object(out);
}

void record_headers_write(const struct cloud_header *headers, size_t count, struct text *text)
{
    struct json_out out = json_out_to(text);
    json_out_array(&out);
    for (size_t i = 0; i < count; i++) {
        json_out_array(&out);
        write_text(&out, str_from(headers[i].name));
        write_text(&out, headers[i].value);
        json_out_end_array(&out);
    }
    json_out_end_array(&out);
}

static bool decode_hex(struct source *source, struct str hex, struct str *ret_value)
{
    struct decoded *decoded = malloc(sizeof(*decoded) + hex.length / 2 + 1);
    if (decoded == NULL || hex.length % 2 != 0) {
        free(decoded);
        return false;
    }
    decoded->next = source->decoded;
    source->decoded = decoded;
    for (size_t i = 0; i < hex.length; i += 2) {
        int high = hex_digit(hex.bytes[i]);
        int low = hex_digit(hex.bytes[i + 1]);
        if (high < 0 || low < 0)
            return false;
        decoded->bytes[i / 2] = (char)(high * 16 + low);
    }
    *ret_value = (struct str){decoded->bytes, hex.length / 2};
    return true;
}

static struct str text_of(const json_t *json)
{
    return json_is_string(json) ? (struct str){json_string_value(json), json_string_length(json)}
                                : STR_NONE;
}

static bool read_value(struct source *source, const json_t *json, struct str *ret_value)
{
    *ret_value = text_of(json);
    if (json_is_string(json) || json_is_null(json))
        return true;
    struct str hex = text_of(json_object_get(json, "hex"));
    return !str_is_none(hex) && decode_hex(source, hex, ret_value);
}

enum status record_headers_read(struct str json, struct record_headers *ret_headers,
                                struct error *error)
{
    struct source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    struct record_headers headers = {.source = source};
    source->json = json_loadb(json.bytes, json.length, 0, NULL);
    size_t index;
    json_t *pair;
    json_array_foreach(source->json, index, pair)
    {
        struct cloud_header header = {.name = json_string_value(json_array_get(pair, 0))};
        if (headers.count < RECORD_HEADERS_MAX && header.name != NULL &&
            read_value(source, json_array_get(pair, 1), &header.value))
            headers.headers[headers.count++] = header;
    }
    if (!json_is_array(source->json)) {
        record_headers_done(&headers);
        return error_set(error, STATUS_INVALID, "headers that are no JSON array");
    }
    *ret_headers = headers;
    return STATUS_OK;
}

void record_headers_done(struct record_headers *headers)
{
    struct source *source = headers->source;
    if (source == NULL)
        return;
    for (struct decoded *decoded = source->decoded, *next; decoded != NULL; decoded = next) {
        next = decoded->next;
        free(decoded);
    }
    json_decref(source->json);
    free(source);
    headers->source = NULL;
}
