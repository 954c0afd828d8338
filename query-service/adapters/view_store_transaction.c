#include "view_store_postgres_internal.h"

static const struct postgres_statement BEGIN = {.name = "begin", .sql = "BEGIN"};
static const struct postgres_statement COMMIT = {.name = "commit", .sql = "COMMIT"};
static const struct postgres_statement ROLLBACK = {.name = "rollback", .sql = "ROLLBACK"};

/* Locks the tables before the row, as WRITE and a rebuild do. Otherwise two sessions could wait for
 * each other for ever. */
static const struct postgres_statement LOCK_TABLES = {
    .name = "lock_tables",
    .sql = "LOCK TABLE cart_views, cart_timeline, parked_carts, parked_records"
           " IN ROW EXCLUSIVE MODE",
};
/* A statement of its own, so that the next one's snapshot is taken after the lock. It then includes
 * what a projector wrote while we waited. */
static const struct postgres_statement LOCK_PARTITION = {
    .name = "lock_partition",
    .sql = "SELECT partition FROM projection_positions WHERE partition = $1 FOR UPDATE",
    .parameter_count = 1,
    .parameter_types = (const Oid[]){PG_INT2},
};

enum status store_begin(struct view_store_postgres *store, struct error *error)
{
    enum status status = store_do(store, &BEGIN, VIEW_STORE_CALL_MS, error);
    store->is_in_transaction = status == STATUS_OK;
    return status;
}

enum status store_begin_on(struct view_store_postgres *store, int16_t partition,
                           struct error *error)
{
    enum status status = store_begin(store, error);
    if (status == STATUS_OK)
        status = store_do(store, &LOCK_TABLES, VIEW_STORE_CALL_MS, error);
    if (status == STATUS_OK) {
        store_put_int2(store, 0, partition);
        status = store_do(store, &LOCK_PARTITION, VIEW_STORE_CALL_MS, error);
    }
    return status;
}

enum status view_store_commit(void *self, struct error *error)
{
    struct view_store_postgres *store = self;
    enum status status = store_do(store, &COMMIT, VIEW_STORE_CALL_MS, error);
    if (status == STATUS_OK)
        store->is_in_transaction = false;
    return status;
}

void view_store_abandon(void *self)
{
    struct view_store_postgres *store = self;
    struct error error;
    if (!store->is_in_transaction)
        return;
    if (store_do(store, &ROLLBACK, VIEW_STORE_CALL_MS, &error) != STATUS_OK)
        postgres_disconnect(store->postgres);
    store->is_in_transaction = false;
}
