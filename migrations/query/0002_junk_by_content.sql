-- A record without a place is known by its offset, which another record has in a topic that was made anew: what it holds
-- tells them apart. The schema version stays: the programs before do not mind.

-- +migrate Up
CREATE UNIQUE INDEX parked_records_junk_idx ON parked_records
    (partition, kafka_offset, md5(coalesce(key, '')), md5(coalesce(value, '')), md5(headers::text)) WHERE position IS NULL;
DROP INDEX parked_records_offset_idx;

-- +migrate Down
CREATE UNIQUE INDEX parked_records_offset_idx ON parked_records (partition, kafka_offset) WHERE position IS NULL;
DROP INDEX parked_records_junk_idx;
