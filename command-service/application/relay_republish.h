/*
 * relay_republish.h - publishes once more what the topic already has.
 */
#pragma once

#include "relay.h"

/*
 * An operator's command: publishes the events of `partition` (-1: of all) once more, from position
 * `from` up to the last one that the topic has. Duplicates are harmless to consumers, so a leader
 * may be at work meanwhile. Ends when everything is delivered, or at the deadline. STATUS_CONFLICT:
 * the log took another course.
 */
MUST_CHECK enum status relay_republish(const struct relay_options *options, int partition,
                                       int64_t from, int64_t deadline_us, int64_t *ret_count,
                                       struct error *error);
