/*
 * postgres_array.h - one-dimensional arrays in PostgreSQL's binary format, for unnest($1::uuid[],
 * …), and readers for binary result columns.
 */
#pragma once

#include "str.h"
#include "text.h"
#include "uuid.h"

#include <libpq-fe.h>
#include <stdint.h>

/* OIDs of pg_type.dat that we use. */
enum {
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_INT8 = 20,
    PG_TEXT = 25,
    PG_JSON = 114,
    PG_UUID = 2950,
    PG_TIMESTAMPTZ = 1184,
    PG_BYTEA = 17,
    PG_INT2_ARRAY = 1005,
    PG_INT4_ARRAY = 1007,
    PG_INT8_ARRAY = 1016,
    PG_TEXT_ARRAY = 1009,
    PG_JSON_ARRAY = 199,
    PG_UUID_ARRAY = 2951,
    PG_TIMESTAMPTZ_ARRAY = 1185,
    PG_BYTEA_ARRAY = 1001,
};

/* Appends the array header to an empty text. Then call one of these per element, `count` in all. */
void pg_array_begin(struct text *array, Oid element_type, size_t count);
void pg_array_int2(struct text *array, int16_t value);
void pg_array_int4(struct text *array, int32_t value);
void pg_array_int8(struct text *array, int64_t value);
void pg_array_uuid(struct text *array, const struct uuid *value);
void pg_array_time(struct text *array, int64_t time_us); /* microseconds since 1970 */
void pg_array_str(struct text *array, struct str value); /* text, json, bytea; none is null */

/* Columns of a binary result. The caller knows that they are not null, unless null is read as
 * none. */
int16_t pg_get_int2(const PGresult *result, int row, int column);
int32_t pg_get_int4(const PGresult *result, int row, int column);
int64_t pg_get_int8(const PGresult *result, int row, int column);
struct uuid pg_get_uuid(const PGresult *result, int row, int column);
int64_t pg_get_time(const PGresult *result, int row, int column);
struct str pg_get_str(const PGresult *result, int row,
                      int column); /* null is none; borrowed from the result */
