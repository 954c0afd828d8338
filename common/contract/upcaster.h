/*
 * upcaster.h - brings the JSON of an old event up to the newest schema version of its type
 * (docs/adr/0009).
 *
 * Pure functions from JSON to JSON, one per step, applied whenever the data is looked into
 * (event_data_read()): not to what the feed and the topic hand on.
 */
#pragma once

#include "event_types.h"
#include "status.h"

#include <jansson.h>

/* Changes *data (a new reference that the caller owns before and after) from `schema_version` to
 * the newest one. STATUS_INVALID when the version is not one we know. */
MUST_CHECK enum status event_upcast(enum event_type type, int schema_version, json_t **data,
                                    struct error *error);
