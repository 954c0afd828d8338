/*
 * cart_memory.h - the memory behind a cart's texts and arrays, and what counts as its size; for the
 * domain's own files only.
 */
#pragma once

#include "str.h"

#include <stdint.h>
#include <stdlib.h>

/* What a block takes beside its bytes, roughly: the allocator rounds sizes up. */
enum { ALLOCATION_OVERHEAD = 16 };

static inline size_t cart_block_bytes(size_t payload)
{
    return payload == 0 ? 0 : payload + ALLOCATION_OVERHEAD;
}

static inline void cart_text_free(const char *text)
{
    free((void *)(uintptr_t)text);
}
