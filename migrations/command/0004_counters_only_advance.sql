-- A partition's counter never goes back, whoever asks: positions once given would be given again. After the row, because
-- a trigger before it would fetch and lock each row once more. No program needs this: the schema version stays.

-- +migrate Up
CREATE TRIGGER event_partitions_only_advance AFTER UPDATE ON event_partitions
    FOR EACH ROW WHEN (NEW.partition <> OLD.partition OR NEW.last_position < OLD.last_position)
    EXECUTE FUNCTION refuse_event_change();

-- +migrate Down
DROP TRIGGER event_partitions_only_advance ON event_partitions;
