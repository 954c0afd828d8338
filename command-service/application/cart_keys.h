/*
 * cart_keys.h - the Idempotency-Keys of the commands that made a cart what it is.
 *
 * Known for as long as the cart is. Like the cart, they are folded from all of its events, so a key
 * that is not here is not in the log either. A key costs its bytes and five more; where there are
 * many, 8 to 16 for an index.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

/* A zeroed struct is without keys. */
struct cart_keys {
    uint8_t *bytes; /* owned: one after another, each as version, key length and key */
    size_t length;
    size_t capacity;
    size_t last; /* where the newest one is */
    size_t count;
    uint32_t *slots;     /* owned, of many keys: a hash table of where each is, plus one; 0: none */
    uint32_t slot_count; /* a power of two, or 0 */
};

/* The cart's event of that version came from a command with `key` (1 to COMMAND_KEY_BYTES_MAX
 * bytes). Keys of any other length cannot be asked for and are left out. Of several events of one
 * command, the first is remembered. False when memory is out. */
MUST_CHECK bool cart_keys_add(struct cart_keys *keys, struct str key, int32_t version);

/* The version of the first event of the command with that key; 0: there was none. */
int32_t cart_keys_find(const struct cart_keys *keys, struct str key);

/* Heap memory held, for the cache's bound. */
size_t cart_keys_memory(const struct cart_keys *keys);

/* Releases the contents and leaves none. */
void cart_keys_done(struct cart_keys *keys);
