#include "cart_keys.h"

#include "command_request.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64, HEAD = sizeof(int32_t) + 1 };
_Static_assert(COMMAND_KEY_BYTES_MAX <= UINT8_MAX, "a length is one byte");

static struct str key_at(const struct cart_keys *keys, size_t at)
{
    return (struct str){(const char *)keys->bytes + at + HEAD, keys->bytes[at + HEAD - 1]};
}

static bool reserve(struct cart_keys *keys, size_t more)
{
    if (keys->length + more <= keys->capacity)
        return true;
    size_t capacity = keys->capacity + keys->capacity / 2;
    if (capacity < keys->length + more)
        capacity = keys->length + more;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    uint8_t *bytes = realloc(keys->bytes, capacity);
    if (bytes == NULL)
        return false;
    keys->bytes = bytes;
    keys->capacity = capacity;
    return true;
}

bool cart_keys_add(struct cart_keys *keys, struct str key, int32_t version)
{
    if (key.length == 0 || key.length > COMMAND_KEY_BYTES_MAX)
        return true;
    if (keys->length > 0 && str_equal(key_at(keys, keys->last), key))
        return true;
    if (!reserve(keys, HEAD + key.length))
        return false;
    uint8_t *at = keys->bytes + keys->length;
    memcpy(at, &version, sizeof(version));
    at[HEAD - 1] = (uint8_t)key.length;
    memcpy(at + HEAD, key.bytes, key.length);
    keys->last = keys->length;
    keys->length += HEAD + key.length;
    return true;
}

int32_t cart_keys_find(const struct cart_keys *keys, struct str key)
{
    if (str_is_none(key))
        return 0;
    for (size_t at = 0; at < keys->length; at += HEAD + keys->bytes[at + HEAD - 1]) {
        if (!str_equal(key_at(keys, at), key))
            continue;
        int32_t version;
        memcpy(&version, keys->bytes + at, sizeof(version));
        return version;
    }
    return 0;
}

void cart_keys_done(struct cart_keys *keys)
{
    free(keys->bytes);
    *keys = (struct cart_keys){0};
}
