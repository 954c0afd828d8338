#include "republish.h"

#include "clock.h"
#include "log.h"
#include "log_place.h"
#include "relay_republish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPUBLISH_S = 3600 };

bool republish_range_parse(const char *argument, int64_t partition_count,
                           struct republish_range *ret_range)
{
    if (strcmp(argument, "all") == 0) {
        *ret_range = (struct republish_range){.partition = -1, .from_position = 1};
        return true;
    }
    struct log_place place;
    if (!log_place_parse(str_from(argument), partition_count, &place))
        return false;
    *ret_range = (struct republish_range){place.partition, place.position};
    return true;
}

int republish(const struct republish_range *range, const struct relay_options *relay)
{
    struct error error;
    int64_t count;
    int64_t deadline_us = clock_monotonic_us() + (int64_t)REPUBLISH_S * MICROSECONDS_PER_SECOND;
    if (relay_republish(relay, range->partition, range->from_position, deadline_us, &count,
                        &error) != STATUS_OK) {
        log_error("command-service", "cannot republish", LOG_STR("error", error.message));
        return EXIT_FAILURE;
    }
    printf("%" PRId64 " events published again\n", count);
    return EXIT_SUCCESS;
}
