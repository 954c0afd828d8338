#include "json_out.h"

#include "clock.h"

static void put_comma(struct json_out *out)
{
    if (out->needs_comma)
        text_append_char(out->text, ',');
}

static void begin(struct json_out *out, char bracket)
{
    put_comma(out);
    text_append_char(out->text, bracket);
    out->needs_comma = false;
}

static void end(struct json_out *out, char bracket)
{
    text_append_char(out->text, bracket);
    out->needs_comma = true;
}

void json_out_object(struct json_out *out)
{
    begin(out, '{');
}

void json_out_end_object(struct json_out *out)
{
    end(out, '}');
}

void json_out_array(struct json_out *out)
{
    begin(out, '[');
}

void json_out_end_array(struct json_out *out)
{
    end(out, ']');
}

void json_out_key(struct json_out *out, const char *key)
{
    put_comma(out);
    text_append_char(out->text, '"');
    text_append_terminated(out->text, key);
    text_append(out->text, "\":", 2);
    out->needs_comma = false;
}

/* The character after the backslash; 'u' for \u00XX; 0: not escaped. */
static const char escapes[256] = {
    ['\0'] = 'u', [1] = 'u',    [2] = 'u',    [3] = 'u',     [4] = 'u',    [5] = 'u',
    [6] = 'u',    [7] = 'u',    ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n', [11] = 'u',
    ['\f'] = 'f', ['\r'] = 'r', [14] = 'u',   [15] = 'u',    [16] = 'u',   [17] = 'u',
    [18] = 'u',   [19] = 'u',   [20] = 'u',   [21] = 'u',    [22] = 'u',   [23] = 'u',
    [24] = 'u',   [25] = 'u',   [26] = 'u',   [27] = 'u',    [28] = 'u',   [29] = 'u',
    [30] = 'u',   [31] = 'u',   ['"'] = '"',  ['\\'] = '\\',
};

static void put_escape(struct text *text, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', escapes[c], '0', '0', digits[c >> 4], digits[c & 0x0f]};
    text_append(text, escape, escapes[c] == 'u' ? 6 : 2);
}

void json_out_string(struct json_out *out, struct str value)
{
    if (str_is_none(value)) {
        json_out_null(out);
        return;
    }
    put_comma(out);
    text_append_char(out->text, '"');
    size_t start = 0; /* of the run that needs no escaping */
    for (size_t at = 0; at < value.length; at++) {
        unsigned char c = (unsigned char)value.bytes[at];
        if (escapes[c] == 0)
            continue;
        text_append(out->text, value.bytes + start, at - start);
        put_escape(out->text, c);
        start = at + 1;
    }
    text_append(out->text, value.bytes + start, value.length - start);
    text_append_char(out->text, '"');
    out->needs_comma = true;
}

void json_out_int(struct json_out *out, int64_t value)
{
    put_comma(out);
    text_append_int(out->text, value);
    out->needs_comma = true;
}

void json_out_raw(struct json_out *out, struct str json)
{
    put_comma(out);
    text_append_str(out->text, json);
    out->needs_comma = true;
}

void json_out_bool(struct json_out *out, bool value)
{
    json_out_raw(out, value ? STR_LITERAL("true") : STR_LITERAL("false"));
}

void json_out_null(struct json_out *out)
{
    json_out_raw(out, STR_LITERAL("null"));
}

void json_out_uuid(struct json_out *out, const struct uuid *value)
{
    char quoted[UUID_TEXT_LENGTH + 2];
    quoted[0] = '"';
    uuid_format(value, quoted + 1);
    quoted[UUID_TEXT_LENGTH + 1] = '"'; /* where the NUL was */
    json_out_raw(out, (struct str){quoted, sizeof(quoted)});
}

void json_out_time(struct json_out *out, int64_t time_us)
{
    char quoted[TIME_TEXT_LENGTH + 2];
    quoted[0] = '"';
    time_format(time_us, quoted + 1);
    quoted[TIME_TEXT_LENGTH + 1] = '"';
    json_out_raw(out, (struct str){quoted, sizeof(quoted)});
}

void json_out_money(struct json_out *out, struct money value)
{
    json_out_object(out);
    json_out_key(out, "amountMinor");
    json_out_int(out, value.amount_minor);
    json_out_key(out, "currency");
    json_out_string(out, (struct str){value.currency, CURRENCY_LENGTH});
    json_out_end_object(out);
}
