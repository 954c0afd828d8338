#include "uuid.h"

#include "clock.h"
#include "number.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

static bool hyphen_after(size_t byte)
{
    return byte == 3 || byte == 5 || byte == 7 || byte == 9;
}

bool uuid_parse(struct str text, struct uuid *ret_uuid)
{
    if (text.length != UUID_TEXT_LENGTH)
        return false;
    struct uuid uuid;
    size_t at = 0;
    for (size_t byte = 0; byte < sizeof(uuid.bytes); byte++) {
        int high = hex_digit(text.bytes[at]);
        int low = hex_digit(text.bytes[at + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid.bytes[byte] = (uint8_t)(high << 4 | low);
        at += 2;
        if (hyphen_after(byte) && text.bytes[at++] != '-')
            return false;
    }
    *ret_uuid = uuid;
    return true;
}

void uuid_format(const struct uuid *uuid, char ret_text[UUID_TEXT_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret_text;
    for (size_t byte = 0; byte < sizeof(uuid->bytes); byte++) {
        *at++ = digits[uuid->bytes[byte] >> 4];
        *at++ = digits[uuid->bytes[byte] & 0x0f];
        if (hyphen_after(byte))
            *at++ = '-';
    }
    *at = '\0';
}

static void set_version(struct uuid *uuid, unsigned version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0fu) | version << 4);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3fu) | 0x80u); /* variant 10 */
}

struct uuid uuid_v7(int64_t time_us, const uint8_t random[8])
{
    assert(time_us >= 0);
    uint64_t ms = (uint64_t)time_us / MICROSECONDS_PER_MILLISECOND;
    uint64_t us = (uint64_t)time_us % MICROSECONDS_PER_MILLISECOND;
    uint64_t fraction = us * 4096 / MICROSECONDS_PER_MILLISECOND; /* 12 bits of a millisecond */
    struct uuid uuid;
    for (size_t i = 0; i < 6; i++)
        uuid.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid.bytes[6] = (uint8_t)(fraction >> 8);
    uuid.bytes[7] = (uint8_t)fraction;
    memcpy(uuid.bytes + 8, random, 8);
    set_version(&uuid, 7);
    return uuid;
}

struct uuid uuid_v8(const uint8_t digest[16])
{
    struct uuid uuid;
    memcpy(uuid.bytes, digest, sizeof(uuid.bytes));
    set_version(&uuid, 8);
    return uuid;
}

/* Random bytes are fetched for many ids at once. Up to 256 come in one piece (getrandom(2)). */
static _Thread_local struct {
    uint8_t bytes[256];
    size_t left;
} pool;

static void forget_pool(void)
{
    pool.left = 0;
}

/* A forked child would hand out its parent's bytes a second time. */
static void register_fork_handler(void)
{
    int failed = pthread_atfork(NULL, NULL, forget_pool);
    assert(failed == 0);
    (void)failed;
}

static void random_take(uint8_t ret_random[8])
{
    if (pool.left == 0) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, register_fork_handler);
        ssize_t got;
        do
            got = getrandom(pool.bytes, sizeof(pool.bytes), 0);
        while (got < 0); /* EINTR; nothing else can happen to a valid call */
        assert(got == (ssize_t)sizeof(pool.bytes));
        pool.left = sizeof(pool.bytes);
    }
    pool.left -= 8;
    memcpy(ret_random, pool.bytes + pool.left, 8);
}

struct uuid uuid_v7_now(void)
{
    uint8_t random[8];
    random_take(random);
    return uuid_v7(clock_wall_us(), random);
}

uint64_t uuid_hash(const struct uuid *uuid, uint64_t seed)
{
    uint64_t halves[2];
    memcpy(halves, uuid->bytes, sizeof(halves));
    uint64_t hash = seed;
    for (size_t i = 0; i < ARRAY_SIZE(halves); i++) {
        hash = (hash ^ halves[i]) * 0xd6e8feb86659fd93U;
        hash ^= hash >> 32;
    }
    return hash * 0x9e3779b97f4a7c15U >> 32;
}

uint64_t uuid_hash_seed(void)
{
    struct uuid random = uuid_v7_now();
    uint64_t seed;
    memcpy(&seed, random.bytes + sizeof(seed), sizeof(seed));
    return seed;
}
