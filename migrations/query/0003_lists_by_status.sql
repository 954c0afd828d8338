-- A page of carts is put together from a page of each status. So no index of all views by time is needed, which each change
-- of a view had to pay for; and a customer's carts of one status are found without reading the others. The schema version
-- stays: the programs before find the same, but read all views for a list without a filter.

-- +migrate Up notransaction
DROP INDEX CONCURRENTLY IF EXISTS cart_views_customer_status_idx;
CREATE INDEX CONCURRENTLY cart_views_customer_status_idx ON cart_views (customer_id, status, updated_at DESC, cart_id DESC)
    WHERE customer_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS cart_views_customer_idx;
DROP INDEX CONCURRENTLY IF EXISTS cart_views_updated_idx;

-- +migrate Down notransaction
DROP INDEX CONCURRENTLY IF EXISTS cart_views_updated_idx;
CREATE INDEX CONCURRENTLY cart_views_updated_idx ON cart_views (updated_at DESC, cart_id DESC);
DROP INDEX CONCURRENTLY IF EXISTS cart_views_customer_idx;
CREATE INDEX CONCURRENTLY cart_views_customer_idx ON cart_views (customer_id, updated_at DESC, cart_id DESC)
    WHERE customer_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS cart_views_customer_status_idx;
