#include "json_body.h"

#include "json_scan.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* NUL in a text is valid JSON. The code that uses the text decides what may be in it. */
enum { LOAD_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char *skip_digits(char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* The end of the number (RFC 8259, 6) at `at`, or NULL when there is none. */
static char *number_end(char *at, bool *ret_is_real)
{
    *ret_is_real = false;
    if (*at == '-')
        at++;
    if (!is_digit(*at))
        return NULL;
    at = *at == '0' ? at + 1 : skip_digits(at);
    if (at[0] == '.' && is_digit(at[1])) {
        *ret_is_real = true;
        at = skip_digits(at + 1);
    }
    if (*at == 'e' || *at == 'E') {
        char *exponent = at + 1;
        if (*exponent == '+' || *exponent == '-')
            exponent++;
        if (is_digit(*exponent)) {
            *ret_is_real = true;
            at = skip_digits(exponent);
        }
    }
    return at;
}

/* If the number from `begin` to `end` overflows, replaces it by `replacement` and spaces. Every
 * such number is longer than its replacement. */
static void tame_number(char *begin, char *end, bool is_real)
{
    char after = *end;
    bool is_negative = *begin == '-';
    const char *replacement = "0.5";

    *end = '\0';
    errno = 0;
    if (is_real)
        (void)strtod(begin, NULL);
    else
        (void)strtoll(begin, NULL, 10);
    bool overflows = errno == ERANGE;
    *end = after;
    if (!overflows)
        return;
    if (!is_real)
        replacement = is_negative ? "-9223372036854775808" : "9223372036854775807";
    memset(begin, ' ', (size_t)(end - begin));
    memcpy(begin, replacement, strlen(replacement));
}

/* `json` is terminated. It ends there, or at the first NUL, which is not JSON outside of texts. */
static void tame_numbers(char *json)
{
    bool in_string = false;

    while (*json != '\0') {
        bool is_real = false;
        char *end = NULL;
        if (in_string && json[0] == '\\' && json[1] != '\0')
            json++;
        else if (*json == '"')
            in_string = !in_string;
        else if (!in_string)
            end = number_end(json, &is_real);
        if (end != NULL)
            tame_number(json, end, is_real);
        json = end != NULL ? end : json + 1;
    }
}

static json_t *load_tamed(struct str body, json_error_t *ret_error)
{
    char *copy = malloc(body.length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, body.bytes, body.length);
    copy[body.length] = '\0';
    tame_numbers(copy);
    json_t *document = json_loadb(copy, body.length, LOAD_FLAGS, ret_error);
    free(copy);
    return document;
}

enum status json_body_parse(struct str body, json_t **ret_document, struct error *error)
{
    json_error_t json_error = {.line = 0};

    if (body.length == 0)
        return error_set(error, STATUS_INVALID, "the body is empty");
    if (!json_depth_ok(body, JSON_DEPTH_MAX))
        return error_set(error, STATUS_INVALID, "the body is nested deeper than %d",
                         JSON_DEPTH_MAX);
    errno = 0;
    json_t *document = json_loadb(body.bytes, body.length, LOAD_FLAGS, &json_error);
    if (document == NULL && json_error_code(&json_error) == json_error_numeric_overflow)
        document = load_tamed(body, &json_error);
    if (document != NULL) {
        *ret_document = document;
        return STATUS_OK;
    }
    if (errno == ENOMEM) /* Jansson reports a syntax error for a text that it has no memory for */
        return error_set(error, STATUS_NO_MEMORY, "the body: out of memory");
    switch (json_error_code(&json_error)) {
    case json_error_duplicate_key:
        return error_set(error, STATUS_INVALID, "a member is there twice (line %d, column %d)",
                         json_error.line, json_error.column);
    default:
        return error_set(error, STATUS_INVALID, "the body is not JSON (line %d, column %d)",
                         json_error.line, json_error.column);
    }
}
