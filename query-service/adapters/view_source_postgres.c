#include "view_source_postgres.h"

#include "cart_view.h"
#include "postgres.h"
#include "postgres_array.h"
#include "view_request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STATEMENT_TIMEOUT_MS = 900, /* the server gives up before we do */
    SLOTS = 512,                /* a power of two, above VIEW_GROUP_MAX */
    NO_LOOKUP = -1,
    DECIMAL_MAX = 24,
    ARRAY_BYTES_MAX = 20 + VIEW_GROUP_MAX * 20,
};

struct view_source_postgres {
    struct view_source port;
    struct postgres *postgres;
    struct text ids;
    struct text versions;
    struct text statuses;
    uint64_t seed;
    int16_t first[SLOTS];         /* the lookups by hash of their id: the first one, */
    int16_t next[VIEW_GROUP_MAX]; /* and the one after each */
};

/* Plans are made once, perhaps while the table is empty, so they must not depend on its size. */
static const struct postgres_statement READ_SCHEMA = {
    .name = "read_schema",
    .sql = "SELECT version, set_config('plan_cache_mode', 'force_generic_plan', false),"
           " set_config('enable_seqscan', 'off', false) FROM schema_version",
};

static const struct postgres_statement FIND_VIEWS = {
    .name = "find_views",
    .sql = "SELECT cart_id, version, body FROM cart_views WHERE cart_id = ANY ($1)",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_UUID_ARRAY},
};

/* A row for each lookup whose view is new enough. This is slower, but fetches no outdated body. */
static const struct postgres_statement FIND_NEW_VIEWS = {
    .name = "find_new_views",
    .sql = "SELECT w.place, v.version, v.body"
           " FROM unnest($1, $2) WITH ORDINALITY AS w (cart_id, least_version, place)"
           " JOIN cart_views v ON v.cart_id = w.cart_id AND v.version >= w.least_version",
    .parameter_count = 2,
    .parameter_types = (const Oid[]){PG_UUID_ARRAY, PG_INT4_ARRAY},
};

static enum status check_schema(struct view_source_postgres *source, int64_t deadline_us,
                                struct error *error)
{
    AUTO(postgres_result_clear) PGresult *result = NULL;
    struct error problem;
    enum status status =
        postgres_execute(source->postgres, &READ_SCHEMA, &(struct postgres_parameters){0},
                         deadline_us, &result, &problem);
    const char *sqlstate = postgres_sqlstate(source->postgres);
    if (status == STATUS_INTERNAL && strcmp(sqlstate, "42P01") == 0) /* undefined_table */
        return error_set(error, STATUS_INVALID,
                         "the database has no schema: apply migrations/query first");
    if (status == STATUS_INTERNAL) /* no right to read it, or not our database */
        return error_set(error, STATUS_INVALID, "%s", problem.message);
    if (status != STATUS_OK)
        return error_set(error, status, "%s", problem.message);
    if (PQntuples(result) != 1)
        return error_set(error, STATUS_INVALID, "the database does not say which schema it has");
    int32_t version = pg_get_int4(result, 0, 0);
    if (version != QUERY_SCHEMA_VERSION)
        return error_set(
            error, STATUS_INVALID, "the database has schema %" PRId32 ", this program knows %d: %s",
            version, QUERY_SCHEMA_VERSION,
            version < QUERY_SCHEMA_VERSION ? "apply migrations/query" : "the program is too old");
    return STATUS_OK;
}

static enum status connect_source(void *self, int64_t deadline_us, struct error *error)
{
    struct view_source_postgres *source = self;
    if (postgres_is_connected(source->postgres))
        return STATUS_OK;
    enum status status = postgres_connect(source->postgres, deadline_us, error);
    if (status != STATUS_OK)
        return status;
    status = check_schema(source, deadline_us, error);
    if (status != STATUS_OK)
        postgres_disconnect(source->postgres);
    return status;
}

/* --- carts by id --------------------------------------------------------------------------- */

static size_t slot_of(const struct view_source_postgres *source, const struct uuid *cart_id)
{
    return uuid_hash(cart_id, source->seed) & (SLOTS - 1);
}

static void index_lookups(struct view_source_postgres *source, const struct view_lookup *lookups,
                          size_t count)
{
    for (size_t i = 0; i < SLOTS; i++)
        source->first[i] = NO_LOOKUP;
    for (size_t i = 0; i < count; i++) {
        size_t slot = slot_of(source, &lookups[i].cart_id);
        source->next[i] = source->first[slot];
        source->first[slot] = (int16_t)i;
    }
}

/* Several requests may ask for one cart; the statement returns it once. */
static void visit_by_id(const struct view_source_postgres *source,
                        const struct view_lookup *lookups, const PGresult *result,
                        view_found_fn *found, void *context)
{
    for (int row = 0; row < PQntuples(result); row++) {
        struct uuid cart_id = pg_get_uuid(result, row, 0);
        int32_t version = pg_get_int4(result, row, 1);
        struct str body = pg_get_str(result, row, 2);
        for (int16_t i = source->first[slot_of(source, &cart_id)]; i != NO_LOOKUP;
             i = source->next[i])
            if (uuid_equal(&lookups[i].cart_id, &cart_id))
                found(context, (size_t)i, version, body);
    }
}

static void visit_by_place(const PGresult *result, view_found_fn *found, void *context)
{
    for (int row = 0; row < PQntuples(result); row++)
        found(context, (size_t)pg_get_int8(result, row, 0) - 1, pg_get_int4(result, row, 1),
              pg_get_str(result, row, 2));
}

static enum status find_views(void *self, const struct view_lookup *lookups, size_t count,
                              int64_t deadline_us, view_found_fn *found, void *context,
                              struct error *error)
{
    struct view_source_postgres *source = self;
    assert(count <= VIEW_GROUP_MAX);
    bool any_version = true;
    text_clear(&source->ids);
    text_clear(&source->versions);
    pg_array_begin(&source->ids, PG_UUID, count);
    pg_array_begin(&source->versions, PG_INT4, count);
    for (size_t i = 0; i < count; i++) {
        pg_array_uuid(&source->ids, &lookups[i].cart_id);
        pg_array_int4(&source->versions, lookups[i].least_version);
        any_version = any_version && lookups[i].least_version <= 1;
    }
    if (!text_ok(&source->ids) || !text_ok(&source->versions))
        return error_set(error, STATUS_INTERNAL, "no memory for a question");

    const char *values[] = {source->ids.bytes, source->versions.bytes};
    const int lengths[] = {(int)source->ids.length, (int)source->versions.length};
    static const int formats[] = {1, 1};
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = postgres_execute(
        source->postgres, any_version ? &FIND_VIEWS : &FIND_NEW_VIEWS,
        &(struct postgres_parameters){values, lengths, formats}, deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (any_version) {
        index_lookups(source, lookups, count);
        visit_by_id(source, lookups, result, found, context);
    } else {
        visit_by_place(result, found, context);
    }
    return STATUS_OK;
}

/* --- pages of carts ------------------------------------------------------------------------ */

/* Looks at one row more than the page has, to know whether there is a next page. Bodies are
 * returned while their total stays below the limit of bytes; the first one always is. */
#define NEWEST_FIRST " ORDER BY updated_at DESC, cart_id DESC "
/* An index has the views of each status, or of each customer and status, newest first: a page of
 * several statuses is put together from a page of each. */
#define LIST_VIEWS(name_, filter, parameter_count_)                                                \
    {                                                                                              \
        .name = (name_),                                                                           \
        .sql = "SELECT updated_at, cart_id, body, found FROM ("                                    \
               "SELECT *, count(*) OVER () AS found, sum(bytes) OVER newest - bytes AS before"     \
               " FROM (SELECT v.* FROM unnest($5) AS wanted (status) CROSS JOIN LATERAL"           \
               " (SELECT updated_at, cart_id, body, octet_length(body) AS bytes FROM cart_views"   \
               " WHERE status = wanted.status AND (updated_at, cart_id) < ($1, $2)" filter         \
                   NEWEST_FIRST "LIMIT $3 + 1) AS v" NEWEST_FIRST "LIMIT $3 + 1) AS page"          \
               " WINDOW newest AS (" NEWEST_FIRST ")) AS counted"                                  \
               " WHERE before < $4" NEWEST_FIRST "LIMIT $3",                                       \
        .parameter_count = (parameter_count_),                                                     \
        .parameter_types =                                                                         \
            (const Oid[]){PG_TIMESTAMPTZ, PG_UUID, PG_INT8, PG_INT8, PG_TEXT_ARRAY, PG_TEXT},      \
    }

static const struct postgres_statement LIST = LIST_VIEWS("list_views", "", 5);
static const struct postgres_statement LIST_CUSTOMER =
    LIST_VIEWS("list_customer_views", " AND customer_id = $6", 6);

static void visit_rows(const PGresult *result, view_row_fn *row_fn, void *context, bool *ret_more)
{
    int count = PQntuples(result);
    for (int row = 0; row < count; row++) {
        struct view_place place = {pg_get_time(result, row, 0), pg_get_uuid(result, row, 1)};
        row_fn(context, &place, pg_get_str(result, row, 2));
    }
    *ret_more = count > 0 && pg_get_int8(result, 0, 3) > count;
}

/* The status that is wanted, or each that a stored view can have. */
static bool put_statuses(struct view_source_postgres *source, struct str wanted)
{
    const size_t first = CART_VIEW_OPEN;
    bool is_any = str_is_none(wanted);
    text_clear(&source->statuses);
    pg_array_begin(&source->statuses, PG_TEXT, is_any ? CART_VIEW_STATUS_COUNT - first : 1);
    for (size_t i = first; is_any && i < CART_VIEW_STATUS_COUNT; i++)
        pg_array_str(&source->statuses, str_from(cart_view_status_name((enum cart_view_status)i)));
    if (!is_any)
        pg_array_str(&source->statuses, wanted);
    return text_ok(&source->statuses);
}

static enum status list_views(void *self, const struct view_list *list, int64_t deadline_us,
                              view_row_fn *row, void *context, bool *ret_more, struct error *error)
{
    struct view_source_postgres *source = self;
    assert(list->limit >= 1 && list->limit <= VIEW_LIST_LIMIT_MAX);
    char time[TIME_TEXT_LENGTH + 1] = "infinity";
    char cart_id[UUID_TEXT_LENGTH + 1] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    if (list->is_continued) {
        time_format(list->after.updated_at_us, time);
        uuid_format(&list->after.cart_id, cart_id);
    }
    char limit[DECIMAL_MAX];
    char bytes[DECIMAL_MAX];
    snprintf(limit, sizeof(limit), "%d", list->limit);
    snprintf(bytes, sizeof(bytes), "%d", VIEW_LIST_BYTES_MAX);
    if (!put_statuses(source, list->status))
        return error_set(error, STATUS_INTERNAL, "no memory for a question");
    bool is_of_customer = !str_is_none(list->customer_id);
    /* LIST takes the first five. Text where no length is needed: libpq uses lengths of binary
     * values only. */
    const char *values[] = {
        time, cart_id, limit, bytes, source->statuses.bytes, list->customer_id.bytes};
    const int lengths[] = {0, 0, 0, 0, (int)source->statuses.length, (int)list->customer_id.length};
    static const int formats[] = {0, 0, 0, 0, 1, 1};
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = postgres_execute(source->postgres, is_of_customer ? &LIST_CUSTOMER : &LIST,
                                          &(struct postgres_parameters){values, lengths, formats},
                                          deadline_us, &result, error);
    if (status == STATUS_OK)
        visit_rows(result, row, context, ret_more);
    return status;
}

/* --- the past of a cart -------------------------------------------------------------------- */

/* Along the primary key. A text's length is known without reading it. */
static const struct postgres_statement READ_EVENTS = {
    .name = "read_events",
    .sql = "SELECT version, partition, position, event_id, type, schema_version, occurred_at, data,"
           " CASE WHEN version > $4 THEN metadata END, found FROM ("
           "SELECT *, count(*) OVER () AS found,"
           " sum(octet_length(data) + octet_length(metadata)) OVER (ORDER BY version"
           " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
           " FROM (SELECT * FROM cart_timeline WHERE cart_id = $1 AND version > $2"
           " AND version <= $3 ORDER BY version LIMIT $5 + 1) AS piece) AS counted"
           " WHERE before IS NULL OR before < $6 ORDER BY version LIMIT $5",
    .parameter_count = 6,
    .parameter_types = (const Oid[]){PG_UUID, PG_INT4, PG_INT4, PG_INT4, PG_INT8, PG_INT8},
};

/* From the newest version backwards, so that a recent time is found at once. */
static const struct postgres_statement VERSION_AT = {
    .name = "version_at",
    .sql = "SELECT coalesce((SELECT version FROM cart_timeline WHERE cart_id = $1"
           " AND occurred_at <= $2 ORDER BY version DESC LIMIT 1), 0)"
           " FROM cart_views WHERE cart_id = $1",
    .parameter_count = 2,
    .parameter_types = (const Oid[]){PG_UUID, PG_TIMESTAMPTZ},
};

static void visit_events(const PGresult *result, const struct uuid *cart_id, view_event_fn *event,
                         void *context, bool *ret_more)
{
    int count = PQntuples(result);
    int row = 0;
    for (bool goes_on = true; goes_on && row < count; row++)
        goes_on = event(context, &(struct recorded_event){
                                     .cart_id = *cart_id,
                                     .version = pg_get_int4(result, row, 0),
                                     .partition = pg_get_int2(result, row, 1),
                                     .position = pg_get_int8(result, row, 2),
                                     .event_id = pg_get_uuid(result, row, 3),
                                     .type = pg_get_str(result, row, 4),
                                     .schema_version = pg_get_int2(result, row, 5),
                                     .occurred_at_us = pg_get_time(result, row, 6),
                                     .data = pg_get_str(result, row, 7),
                                     .metadata = pg_get_str(result, row, 8),
                                 });
    *ret_more = count > 0 && pg_get_int8(result, 0, 9) > row;
}

static enum status read_events(void *self, const struct view_events *events, int64_t deadline_us,
                               view_event_fn *event, void *context, bool *ret_more,
                               struct error *error)
{
    struct view_source_postgres *source = self;
    char cart_id[UUID_TEXT_LENGTH + 1];
    uuid_format(&events->cart_id, cart_id);
    const int numbers[] = {events->after, events->until, events->metadata_after, VIEW_EVENTS_MAX,
                           VIEW_EVENTS_BYTES_MAX};
    char decimals[ARRAY_SIZE(numbers)][DECIMAL_MAX];
    const char *values[1 + ARRAY_SIZE(numbers)] = {cart_id};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        snprintf(decimals[i], sizeof(decimals[i]), "%d", numbers[i]);
        values[i + 1] = decimals[i];
    }
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = postgres_execute(source->postgres, &READ_EVENTS,
                                          &(struct postgres_parameters){.values = values},
                                          deadline_us, &result, error);
    if (status == STATUS_OK)
        visit_events(result, &events->cart_id, event, context, ret_more);
    return status;
}

static enum status version_at(void *self, const struct uuid *cart_id, int64_t time_us,
                              int64_t deadline_us, int32_t *ret_version, struct error *error)
{
    struct view_source_postgres *source = self;
    char id[UUID_TEXT_LENGTH + 1];
    char time[TIME_TEXT_LENGTH + 1];
    uuid_format(cart_id, id);
    time_format(time_us, time);
    const char *values[] = {id, time};
    AUTO(postgres_result_clear) PGresult *result = NULL;
    enum status status = postgres_execute(source->postgres, &VERSION_AT,
                                          &(struct postgres_parameters){.values = values},
                                          deadline_us, &result, error);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) == 0)
        return error_set(error, STATUS_NOT_FOUND, "no such cart");
    *ret_version = pg_get_int4(result, 0, 0);
    return STATUS_OK;
}

struct view_source_postgres *view_source_postgres_new(const char *url)
{
    struct view_source_postgres *source = calloc(1, sizeof(*source));
    struct postgres *postgres = postgres_new(&(struct postgres_options){
        .url = url,
        .application_name = "cartledger-reader",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .lock_timeout_ms = STATEMENT_TIMEOUT_MS,
        .must_write = true, /* what the projector has written must be there: no view goes back */
    });
    if (source == NULL || postgres == NULL) {
        free(source);
        postgres_free(postgres);
        return NULL;
    }
    source->postgres = postgres;
    source->seed = uuid_hash_seed();
    source->ids = TEXT_INIT(ARRAY_BYTES_MAX);
    source->versions = TEXT_INIT(ARRAY_BYTES_MAX);
    source->statuses = TEXT_INIT(ARRAY_BYTES_MAX);
    source->port = (struct view_source){source,     connect_source, find_views,
                                        list_views, read_events,    version_at};
    return source;
}

void view_source_postgres_free(struct view_source_postgres *source)
{
    if (source == NULL)
        return;
    postgres_free(source->postgres);
    text_done(&source->ids);
    text_done(&source->versions);
    text_done(&source->statuses);
    free(source);
}

const struct view_source *view_source_postgres_port(struct view_source_postgres *source)
{
    return &source->port;
}
