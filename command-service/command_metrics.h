/*
 * command_metrics.h - what the command service counts, as /metrics shows it.
 */
#pragma once

#include "command_lane.h"
#include "expiry_sweep.h"
#include "log_reader.h"
#include "metrics.h"
#include "relay.h"

struct command_metrics;
struct lane_series; /* of one lane */

/* *New*; everything is registered here. NULL: memory is out. */
MUST_CHECK struct command_metrics *command_metrics_new(struct metrics *metrics, int lanes,
                                                       int partitions);
void command_metrics_free(struct command_metrics *metrics);

/* Borrowed. */
const struct lane_series *command_metrics_of_lane(const struct command_metrics *metrics, int lane);
/* What command_lane_observer.observe is told. */
void command_metrics_observe(const struct lane_series *lane, enum lane_metric metric, double value);

/* Copies what the relay, the sweep and the log's readers count. Called now and then, by one
 * thread. */
void command_metrics_update(struct command_metrics *metrics, const struct relay *relay,
                            const struct expiry_sweep *sweep, struct log_reader *log_reader);
