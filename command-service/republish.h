/*
 * republish.h - `--republish all|PARTITION:POSITION`: what is to be published again.
 */
#pragma once

#include "relay.h"

struct republish_range {
    int partition;         /* -1: all of them */
    int64_t from_position; /* 1 or more */
};

/* False when `argument` is not that, or names a partition that is not there. */
MUST_CHECK bool republish_range_parse(const char *argument, int64_t partition_count,
                                      struct republish_range *ret_range);

/* Publishes it and says how much it was; answers the exit code, having logged why it failed. Beside
 * running services; what consumers have already they skip. */
int republish(const struct republish_range *range, const struct relay_options *relay);
