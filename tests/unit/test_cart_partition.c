#include "cart_partition.h"

#include <criterion/criterion.h>

/* Kafka, UtilsTest.testMurmur2, as signed numbers there. */
Test(cart_partition, given_kafkas_own_vectors_then_murmur2_agrees)
{
    static const struct {
        const char *text;
        int32_t hash;
    } vectors[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        cr_assert_eq(murmur2(str_from(vectors[i].text)), (uint32_t)vectors[i].hash, "%s",
                     vectors[i].text);
}

/* Java's bytes are signed; the Java client masks them. From an independent computation. */
Test(cart_partition, given_bytes_above_127_then_they_count_as_unsigned)
{
    cr_assert_eq(murmur2(STR_LITERAL("\xff\xfe\xfd")), 0x3b85fe24);
    cr_assert_eq(murmur2(STR_LITERAL("\xff\xfe\xfd\xfc\xfb")), 0x1f3ca77f);
    cr_assert_eq(murmur2(STR_LITERAL("kafka")), 0xd067cf64);
}

Test(cart_partition, given_a_cart_then_its_partition_is_that_of_its_lower_case_text)
{
    struct uuid id;
    cr_assert(uuid_parse(STR_LITERAL("0198F3A2-7C4D-7E00-8123-456789ABCDEF"), &id));
    uint32_t hash = murmur2(STR_LITERAL("0198f3a2-7c4d-7e00-8123-456789abcdef"));
    for (int count = 1; count <= PARTITION_COUNT_MAX; count++)
        cr_assert_eq(cart_partition(&id, count), (int16_t)((hash & 0x7fffffff) % (uint32_t)count));
}

Test(cart_partition, given_many_carts_then_every_partition_gets_its_share)
{
    int counts[6] = {0};
    for (int i = 0; i < 6000; i++) {
        struct uuid id = uuid_v7_now();
        counts[cart_partition(&id, 6)]++;
    }
    for (size_t i = 0; i < 6; i++)
        cr_assert(counts[i] > 800 && counts[i] < 1200, "partition %zu has %d", i, counts[i]);
}
