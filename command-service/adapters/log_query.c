#include "log_query.h"

#include "cart_partition.h"
#include "event_row.h"
#include "json_out.h"

#include <inttypes.h>
#include <stdio.h>

#define COMMON_FILTER                                                                              \
    " AND ($5::text IS NULL OR type = $5)"                                                         \
    " AND occurred_at >= coalesce($6, '-infinity') AND occurred_at < coalesce($7, 'infinity')"
#define DATA_SIZE POSTGRES_SIZE("data")
/* The first $8 rows by the condition and the order, up to the row that reaches LOG_CHUNK_BYTES. */
#define CHUNK(rest)                                                                                \
    "SELECT " EVENT_COLUMNS ", bytes FROM ("                                                       \
    "SELECT *, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS bytes FROM ("                          \
    "SELECT " EVENT_COLUMNS ", " DATA_SIZE " AS size FROM events WHERE " rest                      \
    " LIMIT $8) AS rows) AS sized WHERE bytes - size < 1048576"
_Static_assert(LOG_CHUNK_BYTES == 1048576, "as CHUNK says");

static const Oid SCAN_TYPES[] = {PG_INT2, PG_INT8,        PG_INT2,        PG_UUID,
                                 PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_INT4};

/* One statement for all parameters must leave the planner no choice: one partition at a time, and
 * no condition beside the primary key's. Otherwise it sorts the whole log for each page. */
static const struct postgres_statement SCAN = {
    .name = "log_scan",
    .sql = CHUNK("partition = $1 AND position > $2 ORDER BY position"),
    .parameter_count = ARRAY_SIZE(SCAN_TYPES),
    .parameter_types = SCAN_TYPES,
};

/* A cart's events are found by (partition, cart_id, version). Versions and positions have the same
 * order. */
static const struct postgres_statement SCAN_CART = {
    .name = "log_scan_cart",
    .sql =
        CHUNK("partition = $1 AND position > $2 AND partition <= $3 AND cart_id = $4" COMMON_FILTER
              " ORDER BY version"),
    .parameter_count = ARRAY_SIZE(SCAN_TYPES),
    .parameter_types = SCAN_TYPES,
};

/*
 * Between two times, one partition at a time. Positions follow the clock only roughly (several
 * instances, each with its own), so the events of a time are close together but not contiguous.
 * Nearby events are read along the primary key. When a window ends, the block ranges (BRIN) find
 * the next such event, window by window. No statement reads more than one window of positions.
 */
enum {
    READ_WINDOW = 4096, /* positions */
    FIRST_STRIDE = 16384,
    LAST_STRIDE = 262144,
};

static const Oid WINDOW_TYPES[] = {PG_INT2, PG_INT8,        PG_INT8,        PG_UUID,
                                   PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_INT4};

static const struct postgres_statement SCAN_WINDOW = {
    .name = "log_scan_window",
    .sql = CHUNK(
        "partition = $1 AND position > $2 AND position <= $3 AND $4::uuid IS NULL" COMMON_FILTER
        " ORDER BY position"),
    .parameter_count = ARRAY_SIZE(WINDOW_TYPES),
    .parameter_types = WINDOW_TYPES,
};

/* `+ 0` and `$8 > 0` keep the planner from walking along the primary key until something
 * matches. */
static const struct postgres_statement LOOK_AHEAD = {
    .name = "log_look_ahead",
    .sql = "SELECT (SELECT min(position + 0) FROM events"
           " WHERE partition + 0 = $1 AND position > $2 AND position <= $3"
           " AND $4::uuid IS NULL AND $8 > 0" COMMON_FILTER "),"
           " last_position FROM event_partitions WHERE partition = $1",
    .parameter_count = ARRAY_SIZE(WINDOW_TYPES),
    .parameter_types = WINDOW_TYPES,
};

/* The same for a type at any time. No index knows types, so a stride is read as a whole. */
static const struct postgres_statement LOOK_FOR_TYPE = {
    .name = "log_look_for_type",
    .sql = "SELECT (SELECT min(position + 0) FROM events"
           " WHERE partition = $1 AND position > $2 AND position <= $3 AND type = $5),"
           " last_position FROM event_partitions WHERE partition = $1",
    .parameter_count = ARRAY_SIZE(WINDOW_TYPES),
    .parameter_types = WINDOW_TYPES,
};

static const struct postgres_statement PARTITIONS = {
    .name = "log_partitions",
    .sql = "SELECT log_id, partition, last_position FROM event_log, event_partitions ORDER BY "
           "partition",
};

static bool is_between_times(const struct log_filter *filter)
{
    return filter->from_us != INT64_MIN || filter->before_us != INT64_MAX;
}

/* Whether events that do not match may stand between those that do. */
static bool is_search(const struct log_filter *filter)
{
    return !filter->has_cart && (is_between_times(filter) || !str_is_none(filter->type));
}

/* In a cursor's partition: what is near was read in vain, so that the next page begins by looking
 * ahead. Without it a page that has no time for both would lead to itself. */
enum { LOOKS_AHEAD = 0x8000 };
_Static_assert((int)PARTITION_COUNT_MAX <= (int)LOOKS_AHEAD, "a bit that no partition has");

static uint32_t fingerprint(const struct log_filter *filter)
{
    char cart[UUID_TEXT_LENGTH + 1] = "";
    if (filter->has_cart)
        uuid_format(&filter->cart_id, cart);
    char text[256];
    int length = snprintf(text, sizeof(text), "%d %d %s " STR_FORMAT " %" PRId64 " %" PRId64,
                          filter->first_partition, filter->last_partition, cart,
                          STR_ARGS(filter->type), filter->from_us, filter->before_us);
    return murmur2((struct str){text, (size_t)length});
}

void log_cursor_write(const struct log_filter *filter, const struct scan_place *place,
                      char ret_cursor[LOG_CURSOR_LENGTH + 1])
{
    snprintf(ret_cursor, LOG_CURSOR_LENGTH + 1, "%04x%016" PRIx64 "%08" PRIx32,
             (unsigned)place->partition | (place->stride > 0 ? LOOKS_AHEAD : 0),
             (uint64_t)place->position, fingerprint(filter));
}

static bool read_hex(const char *digits, size_t count, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = digits[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret_value = value;
    return true;
}

bool log_cursor_read(struct str cursor, const struct log_filter *filter,
                     struct scan_place *ret_place)
{
    uint64_t partition;
    uint64_t position;
    uint64_t print;
    if (cursor.length != LOG_CURSOR_LENGTH || !read_hex(cursor.bytes, 4, &partition) ||
        !read_hex(cursor.bytes + 4, 16, &position) || !read_hex(cursor.bytes + 20, 8, &print))
        return false;
    bool looks_ahead = (partition & LOOKS_AHEAD) != 0;
    if (position > INT64_MAX || print != fingerprint(filter) || (looks_ahead && !is_search(filter)))
        return false;
    *ret_place = (struct scan_place){
        .partition = (int16_t)(partition & ~(uint64_t)LOOKS_AHEAD),
        .position = (int64_t)position,
        .stride = looks_ahead ? FIRST_STRIDE : 0,
    };
    return true;
}

enum { PARAMETER_COUNT = 8, PARAMETER_BYTES = 32 };

/* Binary parameters in a fixed place each. */
struct parameters {
    char bytes[PARAMETER_COUNT][PARAMETER_BYTES];
    const char *values[PARAMETER_COUNT];
    int lengths[PARAMETER_COUNT];
    int formats[PARAMETER_COUNT];
};

static void put_int(struct parameters *parameters, int index, int64_t value, int size)
{
    for (int i = 0; i < size; i++)
        parameters->bytes[index][i] = (char)((uint64_t)value >> (8 * (size - 1 - i)));
    parameters->values[index] = parameters->bytes[index];
    parameters->lengths[index] = size;
}

/* As text: PostgreSQL's binary timestamps count from another day. */
static void put_time(struct parameters *parameters, int index, int64_t time_us)
{
    time_format(time_us, parameters->bytes[index]);
    parameters->values[index] = parameters->bytes[index];
    parameters->formats[index] = 0;
}

static void fill(struct parameters *parameters, const struct log_filter *filter,
                 const struct scan_place *place, int rows)
{
    *parameters = (struct parameters){0};
    for (int i = 0; i < PARAMETER_COUNT; i++)
        parameters->formats[i] = 1;
    put_int(parameters, 0, place->partition, 2);
    put_int(parameters, 1, place->position, 8);
    put_int(parameters, 2, filter->last_partition, 2);
    if (filter->has_cart) {
        parameters->values[3] = (const char *)filter->cart_id.bytes;
        parameters->lengths[3] = sizeof(filter->cart_id.bytes);
    }
    parameters->values[4] = filter->type.bytes;
    parameters->lengths[4] = (int)filter->type.length;
    if (filter->from_us != INT64_MIN)
        put_time(parameters, 5, filter->from_us);
    if (filter->before_us != INT64_MAX)
        put_time(parameters, 6, filter->before_us);
    put_int(parameters, 7, rows, 4);
}

/* Reading changes nothing, so an uncertain read is simply unavailable. */
static enum status reading_failed(enum status status, struct error *error)
{
    if (status != STATUS_UNCERTAIN)
        return status;
    if (error != NULL)
        error->status = STATUS_UNAVAILABLE;
    return STATUS_UNAVAILABLE;
}

/* $3 is the window's end; in the other statements it is the last partition. */
static void put_window(struct parameters *parameters, const struct scan_place *place, int64_t width)
{
    int64_t end;
    if (__builtin_add_overflow(place->position, width, &end))
        end = INT64_MAX;
    put_int(parameters, 2, end, 8);
}

/* Moves *place to just before the next event that matches, or by at least a window. A partition is
 * complete up to its last position, so no event can appear behind us. */
static enum status look_ahead(struct postgres *postgres, const struct log_filter *filter,
                              int64_t deadline_us, struct scan_place *place, bool *ret_more,
                              struct error *error)
{
    struct parameters parameters;
    fill(&parameters, filter, place, 1);
    put_window(&parameters, place, place->stride);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = postgres_execute(
        postgres, is_between_times(filter) ? &LOOK_AHEAD : &LOOK_FOR_TYPE,
        &(struct postgres_parameters){parameters.values, parameters.lengths, parameters.formats},
        deadline_us, &result, error);
    if (status != STATUS_OK)
        return reading_failed(status, error);
    *ret_more = true;
    int64_t last = PQntuples(result) == 1 ? pg_get_int8(result, 0, 1) : 0;
    if (PQntuples(result) == 1 && !PQgetisnull(result, 0, 0)) {
        *place = (struct scan_place){place->partition, pg_get_int8(result, 0, 0) - 1, 0};
    } else if (place->position < last - place->stride) {
        place->position += place->stride;
        if (is_between_times(filter) && place->stride < LAST_STRIDE)
            place->stride *= 2;
    } else if (place->partition < filter->last_partition) {
        *place = (struct scan_place){(int16_t)(place->partition + 1), 0, 0};
    } else {
        *ret_more = false;
    }
    return STATUS_OK;
}

static const struct postgres_statement *scan_statement(const struct log_filter *filter)
{
    if (filter->has_cart)
        return &SCAN_CART;
    return is_search(filter) ? &SCAN_WINDOW : &SCAN;
}

enum status log_query_chunk(struct postgres *postgres, const struct log_filter *filter, int rows,
                            int64_t deadline_us, struct scan_place *place, log_visitor *visit,
                            void *context, bool *ret_more, struct error *error)
{
    if (place->stride > 0)
        return look_ahead(postgres, filter, deadline_us, place, ret_more, error);
    if (rows > LOG_CHUNK_ROWS)
        rows = LOG_CHUNK_ROWS;
    struct parameters parameters;
    fill(&parameters, filter, place, rows);
    if (is_search(filter))
        put_window(&parameters, place, READ_WINDOW);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = postgres_execute(
        postgres, scan_statement(filter),
        &(struct postgres_parameters){parameters.values, parameters.lengths, parameters.formats},
        deadline_us, &result, error);
    if (status != STATUS_OK)
        return reading_failed(status, error);

    int found = PQntuples(result);
    for (int row = 0; row < found; row++) {
        struct recorded_event event = event_of_row(result, row);
        *place = (struct scan_place){event.partition, event.position, 0};
        visit(&event, context);
    }
    *ret_more = true;
    if (found == rows ||
        (found > 0 && pg_get_int8(result, found - 1, BYTES_COLUMN) >= LOG_CHUNK_BYTES))
        return STATUS_OK;
    if (is_search(filter))
        place->stride = FIRST_STRIDE;
    else if (!filter->has_cart && place->partition < filter->last_partition)
        *place = (struct scan_place){(int16_t)(place->partition + 1), 0, 0};
    else
        *ret_more = false;
    return STATUS_OK;
}

enum status log_query_partitions(struct postgres *postgres, int64_t deadline_us,
                                 int partition_count,
                                 int64_t (*published_position)(void *context, int partition),
                                 void *context, struct text *text, struct error *error)
{
    /* Read first, so that no position is shown as published that is not in the log yet. */
    int64_t published[PARTITION_COUNT_MAX] = {0};
    for (int partition = 0; partition < partition_count; partition++)
        published[partition] = published_position(context, partition);
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status =
        postgres_execute(postgres, &PARTITIONS, &(struct postgres_parameters){NULL, NULL, NULL},
                         deadline_us, &result, error);
    if (status != STATUS_OK)
        return reading_failed(status, error);
    if (PQntuples(result) == 0)
        return error_set(error, STATUS_INTERNAL, "the log is not initialised");

    struct json_out out = json_out_to(text);
    struct uuid log_id = pg_get_uuid(result, 0, 0);
    json_out_object(&out);
    json_out_key(&out, "logId");
    json_out_uuid(&out, &log_id);
    json_out_key(&out, "partitions");
    json_out_array(&out);
    for (int row = 0; row < PQntuples(result); row++) {
        int partition = pg_get_int2(result, row, 1);
        json_out_object(&out);
        json_out_key(&out, "partition");
        json_out_int(&out, partition);
        json_out_key(&out, "lastPosition");
        json_out_int(&out, pg_get_int8(result, row, 2));
        json_out_key(&out, "publishedPosition");
        json_out_int(&out, published[partition]);
        json_out_end_object(&out);
    }
    json_out_end_array(&out);
    json_out_end_object(&out);
    return STATUS_OK;
}
