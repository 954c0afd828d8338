-- Events between two times (GET /v1/events?from=&to=): block ranges by time and by position, so that a scan skips what
-- is not of that time, window by window. Replaces the index by time alone.
-- autosummarize keeps its newest ranges from being read as a whole for long. No program needs this to be right, only to
-- be fast: the schema version stays.
-- Appends go on while an index is made CONCURRENTLY, which takes no transaction: each statement may be run again.

-- +migrate Up notransaction
DROP INDEX CONCURRENTLY IF EXISTS events_time_position_idx;
CREATE INDEX CONCURRENTLY events_time_position_idx ON events USING brin (occurred_at, position)
    WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX CONCURRENTLY IF EXISTS events_occurred_at_idx;

-- +migrate Down notransaction
DROP INDEX CONCURRENTLY IF EXISTS events_occurred_at_idx;
CREATE INDEX CONCURRENTLY events_occurred_at_idx ON events USING brin (occurred_at) WITH (pages_per_range = 32);
DROP INDEX CONCURRENTLY IF EXISTS events_time_position_idx;
