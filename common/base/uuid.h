/*
 * uuid.h - UUIDs (RFC 9562).
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

enum { UUID_TEXT_LENGTH = 36 };

struct uuid {
    uint8_t bytes[16];
};

/* Takes the 36-character form of any version, in either case. */
MUST_CHECK bool uuid_parse(struct str text, struct uuid *ret_uuid);

/* Writes 36 lower-case characters and a NUL. */
void uuid_format(const struct uuid *uuid, char ret_text[UUID_TEXT_LENGTH + 1]);

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* For hash tables. Ids come from outside: if the seed is secret, nobody can choose ids that
 * collide. */
uint64_t uuid_hash(const struct uuid *uuid, uint64_t seed);
uint64_t uuid_hash_seed(void);

/* A version 7 UUID of that wall-clock time (microseconds since 1970; RFC 9562, 5.7, with method 3
 * for the sub-millisecond part) and these random bytes. Pure. */
struct uuid uuid_v7(int64_t time_us, const uint8_t random[8]);

/* The same with the clock and the kernel's randomness. */
struct uuid uuid_v7_now(void);

/* A version 8 UUID from a SHA-256 or other digest's first 16 bytes: the same input, the same id.
 * Pure. */
struct uuid uuid_v8(const uint8_t digest[16]);
