#include "cart_partition.h"

#include <assert.h>

/* Austin Appleby's MurmurHash2, 32 bits, with the seed that Kafka gave it. */
uint32_t murmur2(struct str bytes)
{
    const uint32_t seed = 0x9747b28c;
    const uint32_t multiplier = 0x5bd1e995;
    const unsigned char *at = (const unsigned char *)bytes.bytes;
    size_t left = bytes.length;
    uint32_t hash = seed ^ (uint32_t)left;
    for (; left >= 4; at += 4, left -= 4) {
        uint32_t word =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        word *= multiplier;
        word ^= word >> 24;
        word *= multiplier;
        hash *= multiplier;
        hash ^= word;
    }
    if (left > 0) {
        for (size_t i = 0; i < left; i++)
            hash ^= (uint32_t)at[i] << (8 * i);
        hash *= multiplier;
    }
    hash ^= hash >> 13;
    hash *= multiplier;
    hash ^= hash >> 15;
    return hash;
}

int16_t cart_partition(const struct uuid *cart_id, int partition_count)
{
    assert(partition_count > 0 && partition_count <= PARTITION_COUNT_MAX);
    char key[UUID_TEXT_LENGTH + 1];
    uuid_format(cart_id, key);
    uint32_t hash = murmur2((struct str){key, UUID_TEXT_LENGTH}) & 0x7fffffffu;
    return (int16_t)(hash % (uint32_t)partition_count);
}
