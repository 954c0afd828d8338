/*
 * upcaster.h - brings the JSON of an old event up to the newest schema version of its type
 * (docs/adr/0009).
 *
 * Pure functions from JSON to JSON, one per step. They are applied whenever the data is read
 * (event_data_read()), but not to what the feed and the topic pass on.
 */
#pragma once

#include "event_types.h"
#include "status.h"

#include <jansson.h>

/* Changes *data from `schema_version` to the newest one. *data is a reference that the caller owns
 * before and after; it may be a new one. STATUS_INVALID: not a version that we know. */
MUST_CHECK enum status event_upcast(enum event_type type, int schema_version, json_t **data,
                                    struct error *error);
