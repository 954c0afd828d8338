#include "postgres_array.h"

#include <assert.h>
#include <endian.h>

/* PostgreSQL counts time from 2000-01-01. */
static const int64_t POSTGRES_EPOCH_US = INT64_C(946684800000000);

static void append_be16(struct text *array, uint16_t value)
{
    uint16_t wire = htobe16(value);
    text_append(array, (const char *)&wire, sizeof(wire));
}

static void append_be32(struct text *array, uint32_t value)
{
    uint32_t wire = htobe32(value);
    text_append(array, (const char *)&wire, sizeof(wire));
}

static void append_be64(struct text *array, uint64_t value)
{
    uint64_t wire = htobe64(value);
    text_append(array, (const char *)&wire, sizeof(wire));
}

void pg_array_begin(struct text *array, Oid element_type, size_t count)
{
    assert(array->length == 0 && count <= INT32_MAX);
    append_be32(array, count == 0 ? 0 : 1); /* dimensions */
    append_be32(array, 0);                  /* flags: the server looks for nulls itself */
    append_be32(array, element_type);
    if (count == 0)
        return;
    append_be32(array, (uint32_t)count);
    append_be32(array, 1); /* lower bound */
}

void pg_array_int2(struct text *array, int16_t value)
{
    append_be32(array, sizeof(value));
    append_be16(array, (uint16_t)value);
}

void pg_array_int4(struct text *array, int32_t value)
{
    append_be32(array, sizeof(value));
    append_be32(array, (uint32_t)value);
}

void pg_array_int8(struct text *array, int64_t value)
{
    append_be32(array, sizeof(value));
    append_be64(array, (uint64_t)value);
}

void pg_array_uuid(struct text *array, const struct uuid *value)
{
    append_be32(array, sizeof(value->bytes));
    text_append(array, (const char *)value->bytes, sizeof(value->bytes));
}

void pg_array_time(struct text *array, int64_t time_us)
{
    pg_array_int8(array, time_us - POSTGRES_EPOCH_US);
}

void pg_array_str(struct text *array, struct str value)
{
    if (str_is_none(value)) {
        append_be32(array, UINT32_MAX); /* -1: null */
        return;
    }
    assert(value.length <= INT32_MAX);
    append_be32(array, (uint32_t)value.length);
    text_append_str(array, value);
}

/* A column of another type than the caller expects is a bug in the caller's SQL. */
static void copy_column(const PGresult *result, int row, int column, void *bytes, size_t size)
{
    assert(PQfformat(result, column) == 1);
    assert((size_t)PQgetlength(result, row, column) == size);
    memcpy(bytes, PQgetvalue(result, row, column), size);
}

int16_t pg_get_int2(const PGresult *result, int row, int column)
{
    uint16_t wire;
    copy_column(result, row, column, &wire, sizeof(wire));
    return (int16_t)be16toh(wire);
}

int32_t pg_get_int4(const PGresult *result, int row, int column)
{
    uint32_t wire;
    copy_column(result, row, column, &wire, sizeof(wire));
    return (int32_t)be32toh(wire);
}

int64_t pg_get_int8(const PGresult *result, int row, int column)
{
    uint64_t wire;
    copy_column(result, row, column, &wire, sizeof(wire));
    return (int64_t)be64toh(wire);
}

struct uuid pg_get_uuid(const PGresult *result, int row, int column)
{
    struct uuid uuid;
    copy_column(result, row, column, uuid.bytes, sizeof(uuid.bytes));
    return uuid;
}

int64_t pg_get_time(const PGresult *result, int row, int column)
{
    return pg_get_int8(result, row, column) + POSTGRES_EPOCH_US;
}

struct str pg_get_str(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return STR_NONE;
    return (struct str){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}
