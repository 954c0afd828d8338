/*
 * event_row.h - an event as a row of `events`, with the running total of data bytes up to it.
 */
#pragma once

#include "postgres_array.h"
#include "recorded_event.h"

#define EVENT_COLUMNS                                                                              \
    "partition, position, cart_id, version, event_id, type, schema_version, occurred_at, data, "   \
    "metadata"
enum { BYTES_COLUMN = 10 }; /* behind EVENT_COLUMNS */

/* Texts are borrowed from the result. */
static inline struct recorded_event event_of_row(const PGresult *result, int row)
{
    return (struct recorded_event){
        .partition = pg_get_int2(result, row, 0),
        .position = pg_get_int8(result, row, 1),
        .cart_id = pg_get_uuid(result, row, 2),
        .version = pg_get_int4(result, row, 3),
        .event_id = pg_get_uuid(result, row, 4),
        .type = pg_get_str(result, row, 5),
        .schema_version = pg_get_int2(result, row, 6),
        .occurred_at_us = pg_get_time(result, row, 7),
        .data = pg_get_str(result, row, 8),
        .metadata = pg_get_str(result, row, 9),
    };
}
