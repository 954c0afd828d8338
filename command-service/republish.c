#include "republish.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
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
    char *colon;
    char *end;
    errno = 0;
    long partition = strtol(argument, &colon, 10);
    if (colon == argument || *colon != ':')
        return false;
    long long from = strtoll(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || errno != 0 || partition < 0 ||
        partition >= partition_count || from < 1)
        return false;
    *ret_range = (struct republish_range){.partition = (int)partition, .from_position = from};
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
