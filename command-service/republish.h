/*
 * republish.h - `--republish all|PARTITION:POSITION`: what is to be published again.
 */
#pragma once

#include "relay.h"

struct republish_range {
    int partition;         /* -1: all of them */
    int64_t from_position; /* 1 or more */
};

/* False when `argument` is neither form, or names a partition that does not exist. */
MUST_CHECK bool republish_range_parse(const char *argument, int64_t partition_count,
                                      struct republish_range *ret_range);

/* Publishes it and prints how many events that was. Returns the exit code; a failure has been
 * logged. May run beside services: consumers skip what they already have. */
int republish(const struct republish_range *range, const struct relay_options *relay);
