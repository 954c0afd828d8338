-- A page of the log ends with a few free bytes, and once VACUUM has noted them, a small event of today may fill those of a
-- page of last year. A block range known by its least and greatest time and position then says "last year until now", and
-- every question for a time in between reads it. So a range is known by up to four intervals of each: docs/adr/0022.
-- No program needs this to be right, only to be fast: the schema version stays.
-- Appends go on while an index is made CONCURRENTLY, which takes no transaction: each statement may be run again.

-- +migrate Up notransaction
DROP INDEX CONCURRENTLY IF EXISTS events_time_position_multi_idx;
CREATE INDEX CONCURRENTLY events_time_position_multi_idx ON events USING brin (
    occurred_at timestamptz_minmax_multi_ops (values_per_range = 8),
    position int8_minmax_multi_ops (values_per_range = 8)) WITH (pages_per_range = 32);
DROP INDEX CONCURRENTLY IF EXISTS events_time_position_idx;

-- +migrate Down notransaction
DROP INDEX CONCURRENTLY IF EXISTS events_time_position_idx;
CREATE INDEX CONCURRENTLY events_time_position_idx ON events USING brin (occurred_at, position)
    WITH (pages_per_range = 32);
DROP INDEX CONCURRENTLY IF EXISTS events_time_position_multi_idx;
