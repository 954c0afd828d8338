#include "log_place.h"

#include "number.h"

bool log_place_parse(struct str text, int64_t partition_count, struct log_place *ret_place)
{
    const char *colon = text.length > 0 ? memchr(text.bytes, ':', text.length) : NULL;
    if (colon == NULL)
        return false;
    size_t length = (size_t)(colon - text.bytes);
    int64_t partition;
    int64_t position;
    if (!number_parse((struct str){text.bytes, length}, 0, partition_count - 1, &partition) ||
        !number_parse((struct str){colon + 1, text.length - length - 1}, 1, INT64_MAX, &position))
        return false;
    *ret_place = (struct log_place){(int16_t)partition, position};
    return true;
}
