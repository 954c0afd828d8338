#include "command_lanes.h"

#include <assert.h>
#include <stdlib.h>

struct command_lanes {
    size_t count;
    struct command_lane *lanes[COMMAND_LANES_MAX];
};

struct command_lanes *command_lanes_new(const struct command_lane_options *options, size_t count)
{
    assert(count >= 1 && count <= COMMAND_LANES_MAX);
    struct command_lanes *lanes = calloc(1, sizeof(*lanes));
    if (lanes == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct command_lane_options own = options[i];
        own.index = (int)i;
        lanes->lanes[i] = command_lane_new(&own);
        if (lanes->lanes[i] == NULL) {
            command_lanes_free(lanes);
            return NULL;
        }
        lanes->count++;
    }
    return lanes;
}

enum status command_lanes_start(struct command_lanes *lanes, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < lanes->count && status == STATUS_OK; i++)
        status = command_lane_start(lanes->lanes[i], error);
    if (status != STATUS_OK)
        command_lanes_stop(lanes, 0);
    return status;
}

bool command_lanes_submit(struct command_lanes *lanes, struct command_request *request)
{
    assert(request->partition >= 0);
    return command_lane_submit(lanes->lanes[(size_t)request->partition % lanes->count], request);
}

int64_t command_lanes_turned_at_us(const struct command_lanes *lanes)
{
    int64_t oldest_us = INT64_MAX;
    for (size_t i = 0; i < lanes->count; i++) {
        int64_t turned_at_us = command_lane_turned_at_us(lanes->lanes[i]);
        if (turned_at_us < oldest_us)
            oldest_us = turned_at_us;
    }
    return oldest_us;
}

void command_lanes_stop(struct command_lanes *lanes, int64_t deadline_us)
{
    for (size_t i = 0; i < lanes->count; i++)
        command_lane_close(lanes->lanes[i], deadline_us);
    for (size_t i = 0; i < lanes->count; i++)
        command_lane_stop(lanes->lanes[i], deadline_us);
}

void command_lanes_free(struct command_lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (size_t i = 0; i < lanes->count; i++)
        command_lane_free(lanes->lanes[i]);
    free(lanes);
}
