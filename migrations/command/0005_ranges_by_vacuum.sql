-- The newest block ranges by time are summarized by autovacuum, minute by minute, and not range by range: PostgreSQL keeps
-- 256 requests of autosummarize, drops the others with a line in its log (at some 4,000 events a second and more), and
-- those that it serves cancel the autovacuum of the table. Until a range is summarized, a question for a time reads it.
-- No program needs this to be right, only to be fast: the schema version stays.

-- +migrate Up
ALTER INDEX events_time_position_idx SET (autosummarize = off);
ALTER TABLE events SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000);

-- +migrate Down
ALTER TABLE events RESET (autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold);
ALTER INDEX events_time_position_idx SET (autosummarize = on);
