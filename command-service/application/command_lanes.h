/*
 * command_lanes.h - several lanes side by side: the lane with index i owns the partitions p with p
 * % count == i. One lane is enough as long as one processor core is.
 */
#pragma once

#include "command_lane.h"

enum { COMMAND_LANES_MAX = 64 };

struct command_lanes;

/* `options` of each lane; their `index` is set here. NULL: memory is out. */
MUST_CHECK struct command_lanes *command_lanes_new(const struct command_lane_options *options,
                                                   size_t count);
/* All lanes or none. */
MUST_CHECK enum status command_lanes_start(struct command_lanes *lanes, struct error *error);
/* As command_lane_submit(), to the lane of request->partition. */
MUST_CHECK bool command_lanes_submit(struct command_lanes *lanes, struct command_request *request);
/* Of the lane that has gone longest without a turn; see command_lane.h. */
int64_t command_lanes_turned_at_us(const struct command_lanes *lanes);
/* As command_lane_stop(); all lanes drain at the same time. */
void command_lanes_stop(struct command_lanes *lanes, int64_t deadline_us);
void command_lanes_free(struct command_lanes *lanes);
