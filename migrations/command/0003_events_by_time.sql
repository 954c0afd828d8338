-- Events between two times (GET /v1/events?from=&to=): block ranges by time and by position, so that a scan skips what
-- is not of that time, window by window. Replaces the index by time alone.
-- autosummarize keeps its newest ranges from being read as a whole for long. No program needs this to be right, only to
-- be fast: the schema version stays.

-- +migrate Up
CREATE INDEX events_time_position_idx ON events USING brin (occurred_at, position)
    WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX events_occurred_at_idx;

-- +migrate Down
CREATE INDEX events_occurred_at_idx ON events USING brin (occurred_at) WITH (pages_per_range = 32);
DROP INDEX events_time_position_idx;
