/*
 * log_place.h - a place in the log as operators write it: PARTITION:POSITION.
 */
#pragma once

#include "macros.h"
#include "str.h"

#include <stdint.h>

struct log_place {
    int16_t partition;
    int64_t position; /* 1 or more */
};

/* Two plain numbers (number.h). False when `text` is anything else, or names a partition that a log
 * of `partition_count` does not have. */
MUST_CHECK bool log_place_parse(struct str text, int64_t partition_count,
                                struct log_place *ret_place);
