#include "idempotency_key.h"

#include <nettle/sha2.h>
#include <stdio.h>

_Static_assert(REQUEST_HASH_LENGTH == 2 * SHA256_DIGEST_SIZE, "two digits a byte");

static bool is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

bool idempotency_key_parse(struct str field, char buffer[COMMAND_KEY_BYTES_MAX],
                           struct str *ret_key)
{
    *ret_key = STR_NONE;
    if (str_is_none(field))
        return true;
    struct str rest = str_trim(field);
    bool is_quoted = rest.length > 0 && rest.bytes[0] == '"';
    size_t end = is_quoted ? rest.length - 1 : rest.length; /* where the closing quote must be */
    size_t length = 0;
    for (size_t i = is_quoted; i < end; i++) {
        char c = rest.bytes[i];
        if (is_quoted && c == '"')
            return false;
        if (is_quoted && c == '\\') {
            if (++i == end)
                return false;
            c = rest.bytes[i];
            if (c != '"' && c != '\\')
                return false;
        }
        if (!is_printable(c) || length == COMMAND_KEY_BYTES_MAX)
            return false;
        buffer[length++] = c;
    }
    if (length == 0 || (is_quoted && rest.bytes[end] != '"'))
        return false;
    *ret_key = (struct str){buffer, length};
    return true;
}

static void add(struct sha256_ctx *hash, const void *bytes, size_t length)
{
    sha256_update(hash, length, bytes);
}

/* Writes the length first, so that no two lists of texts give the same bytes. None differs from
 * empty. */
static void add_text(struct sha256_ctx *hash, struct str text)
{
    char length[24];
    int digits = snprintf(length, sizeof(length),
                          "%zd:", str_is_none(text) ? (ssize_t)-1 : (ssize_t)text.length);
    add(hash, length, (size_t)digits);
    if (text.length > 0)
        add(hash, text.bytes, text.length);
}

static int add_json(const char *bytes, size_t length, void *context)
{
    add(context, bytes, length);
    return 0;
}

struct uuid idempotency_key_cart(struct str key)
{
    struct sha256_ctx hash;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&hash);
    add_text(&hash, STR_LITERAL("cartledger cart"));
    add_text(&hash, key);
    sha256_digest(&hash, sizeof(digest), digest);
    return uuid_v8(digest);
}

bool request_identity_hash(const struct request_identity *identity,
                           char ret_hash[REQUEST_HASH_LENGTH + 1])
{
    struct sha256_ctx hash;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&hash);
    add_text(&hash, str_from(identity->route));
    add(&hash, identity->cart_id.bytes, sizeof(identity->cart_id.bytes));
    add_text(&hash, identity->path_key);
    add_text(&hash, identity->quantity);
    if (identity->body != NULL &&
        json_dump_callback(identity->body, add_json, &hash, JSON_COMPACT | JSON_SORT_KEYS) != 0)
        return false;
    sha256_digest(&hash, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(ret_hash + 2 * i, 3, "%02x", digest[i]);
    return true;
}
