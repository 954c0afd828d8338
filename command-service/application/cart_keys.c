#include "cart_keys.h"

#include "cart_partition.h"
#include "command_request.h"

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64,
    HEAD = sizeof(int32_t) + 1,
    FEW = 64, /* so many are looked through one by one, without an index */
};
_Static_assert(COMMAND_KEY_BYTES_MAX <= UINT8_MAX, "a length is one byte");

static struct str key_at(const struct cart_keys *keys, size_t at)
{
    return (struct str){(const char *)keys->bytes + at + HEAD, keys->bytes[at + HEAD - 1]};
}

static size_t next_of(const struct cart_keys *keys, size_t at)
{
    return at + HEAD + keys->bytes[at + HEAD - 1];
}

static int32_t version_at(const struct cart_keys *keys, size_t at)
{
    int32_t version;
    memcpy(&version, keys->bytes + at, sizeof(version));
    return version;
}

/* Where the index says that the key is, or where there is room to say so. */
static uint32_t *slot_of(const struct cart_keys *keys, struct str key)
{
    uint32_t slot = murmur2(key) & (keys->slot_count - 1);
    while (keys->slots[slot] != 0 && !str_equal(key_at(keys, keys->slots[slot] - 1), key))
        slot = (slot + 1) & (keys->slot_count - 1);
    return &keys->slots[slot];
}

static void index_key(struct cart_keys *keys, size_t at)
{
    uint32_t *slot = slot_of(keys, key_at(keys, at));
    if (*slot == 0)
        *slot = (uint32_t)at + 1;
}

static bool grow_index(struct cart_keys *keys)
{
    uint32_t slot_count = keys->slot_count == 0 ? 4 * FEW : 2 * keys->slot_count;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(keys->slots);
    keys->slots = slots;
    keys->slot_count = slot_count;
    for (size_t at = 0; at < keys->length; at = next_of(keys, at))
        index_key(keys, at);
    return true;
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
    if (capacity >= UINT32_MAX)
        return false;
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
    keys->count++;
    if (keys->count > FEW && keys->count > keys->slot_count / 2)
        return grow_index(keys);
    if (keys->slot_count > 0)
        index_key(keys, keys->last);
    return true;
}

int32_t cart_keys_find(const struct cart_keys *keys, struct str key)
{
    if (str_is_none(key))
        return 0;
    if (keys->slot_count > 0) {
        uint32_t found = *slot_of(keys, key);
        return found == 0 ? 0 : version_at(keys, found - 1);
    }
    for (size_t at = 0; at < keys->length; at = next_of(keys, at))
        if (str_equal(key_at(keys, at), key))
            return version_at(keys, at);
    return 0;
}

size_t cart_keys_memory(const struct cart_keys *keys)
{
    return keys->capacity + keys->slot_count * sizeof(*keys->slots);
}

void cart_keys_done(struct cart_keys *keys)
{
    free(keys->bytes);
    free(keys->slots);
    *keys = (struct cart_keys){0};
}
