-- The event log: the truth of cartledger. Read beside docs/guarantees.md.
-- Run by the owner role. The service role `cartledger_command` may read the log, append to it and advance its
-- counters; nobody, the owner included, may change or remove an event.

-- +migrate Up

-- Which log this is, and into how many partitions it is split. One row, written by initialise_event_log().
CREATE TABLE event_log (
    only_row        boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    partition_count smallint    NOT NULL CHECK (partition_count BETWEEN 1 AND 1024),
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- The last position of each partition. The row lock is what makes positions gapless and commit-ordered.
-- Its rows are updated by every batch: a low fillfactor keeps the new versions on the page (HOT).
CREATE TABLE event_partitions (
    partition     smallint PRIMARY KEY CHECK (partition >= 0),
    last_position bigint   NOT NULL DEFAULT 0 CHECK (last_position >= 0)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- `json`, not `jsonb`: the bytes that were decided are the bytes that Kafka and an auditor see.
CREATE TABLE events (
    partition      smallint    NOT NULL,
    position       bigint      NOT NULL CHECK (position > 0),
    cart_id        uuid        NOT NULL,
    version        integer     NOT NULL CHECK (version > 0),
    event_id       uuid        NOT NULL,
    type           text        NOT NULL CHECK (type <> ''),
    schema_version smallint    NOT NULL CHECK (schema_version > 0),
    occurred_at    timestamptz NOT NULL,
    data           json        NOT NULL,
    metadata       json        NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (partition, position),
    CONSTRAINT events_cart_version_key UNIQUE (partition, cart_id, version)
);
CREATE INDEX events_occurred_at_idx ON events USING brin (occurred_at) WITH (pages_per_range = 32);

-- +migrate StatementBegin
CREATE FUNCTION refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +migrate StatementEnd

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_event_change();
CREATE TRIGGER event_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_event_change();

-- Called once after the first migration, with the number of partitions to have for ever. Called again with the
-- same number it does nothing; with another number it refuses.
-- +migrate StatementBegin
CREATE FUNCTION initialise_event_log(wanted smallint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    existing smallint;
BEGIN
    LOCK TABLE event_log IN EXCLUSIVE MODE;
    SELECT partition_count INTO existing FROM event_log;
    IF existing IS NULL THEN
        INSERT INTO event_log (partition_count) VALUES (wanted);
        INSERT INTO event_partitions (partition) SELECT generate_series(0, wanted - 1);
    ELSIF existing <> wanted THEN
        RAISE EXCEPTION 'this log has % partitions, not %: the number is fixed for ever', existing, wanted;
    END IF;
END
$$;
-- +migrate StatementEnd
REVOKE ALL ON FUNCTION initialise_event_log(smallint) FROM PUBLIC;

-- The number of the newest migration that this schema has had; the services compare it with the one they know.
CREATE TABLE schema_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  integer NOT NULL
);
INSERT INTO schema_version (version) VALUES (1);

GRANT SELECT ON event_log, schema_version TO cartledger_command;
GRANT SELECT, UPDATE (last_position) ON event_partitions TO cartledger_command;
GRANT SELECT, INSERT ON events TO cartledger_command;

-- +migrate Down
DROP TABLE schema_version, events, event_partitions, event_log;
DROP FUNCTION initialise_event_log(smallint);
DROP FUNCTION refuse_event_change();
