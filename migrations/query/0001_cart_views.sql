-- The cart views: derived from the log, disposable. Drop them all and the query service makes them again.

-- +migrate Up

-- What has been applied of each log partition. `event_id` is the id of the event at `position`: the same position
-- with another id means that the log took another course (a restored backup), which must stop the projection.
-- `kafka_offset` is only a hint where to start reading; the position is the truth. `epoch` counts what changed the
-- partition's views other than by following the log (rebuild, replay), so that whoever holds carts in memory notices.
CREATE TABLE projection_positions (
    partition    smallint PRIMARY KEY CHECK (partition >= 0),
    position     bigint   NOT NULL DEFAULT 0 CHECK (position >= 0),
    event_id     uuid,
    occurred_at  timestamptz,
    kafka_offset bigint,
    epoch        bigint   NOT NULL DEFAULT 0,
    CHECK ((position = 0) = (event_id IS NULL))
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Which log these views were made from. One row, written when the projection first meets the log.
CREATE TABLE projection_log (
    only_row        boolean  PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id          uuid,
    partition_count smallint NOT NULL CHECK (partition_count BETWEEN 1 AND 1024)
);

-- `body` is the JSON that a GET answers, ready to send. It is text because `json` is parsed with each write, and lz4
-- because the default compression of long values takes more time than all the rest of the write.
CREATE TABLE cart_views (
    cart_id     uuid        PRIMARY KEY,
    partition   smallint    NOT NULL,
    version     integer     NOT NULL CHECK (version > 0),
    status      text        NOT NULL,
    customer_id text,
    updated_at  timestamptz NOT NULL,
    body        text        COMPRESSION lz4 NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX cart_views_updated_idx ON cart_views (updated_at DESC, cart_id DESC);
CREATE INDEX cart_views_customer_idx ON cart_views (customer_id, updated_at DESC, cart_id DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX cart_views_status_idx ON cart_views (status, updated_at DESC, cart_id DESC);

-- Each cart's events as they were applied: its history. `data` and `metadata` are JSON.
CREATE TABLE cart_timeline (
    cart_id        uuid        NOT NULL,
    version        integer     NOT NULL CHECK (version > 0),
    partition      smallint    NOT NULL,
    position       bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    type           text        NOT NULL,
    schema_version smallint    NOT NULL,
    occurred_at    timestamptz NOT NULL,
    data           text        COMPRESSION lz4 NOT NULL,
    metadata       text        NOT NULL,
    PRIMARY KEY (cart_id, version)
);

-- Carts whose events could not be applied. Their later events wait in parked_records; the other carts go on.
CREATE TABLE parked_carts (
    cart_id   uuid        PRIMARY KEY,
    partition smallint    NOT NULL,
    version   integer     NOT NULL,
    reason    text        NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now()
);

-- The dead-letter table: each record that could not be applied, raw. `position` and `cart_id` are null for a record
-- that does not even say what it is. `dead_lettered_at` is set when the dead-letter topic has it too.
CREATE TABLE parked_records (
    record_id        bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    partition        smallint    NOT NULL,
    position         bigint,
    kafka_offset     bigint,
    cart_id          uuid,
    key              bytea,
    value            bytea,
    headers          json        NOT NULL,
    reason           text        NOT NULL,
    parked_at        timestamptz NOT NULL DEFAULT now(),
    dead_lettered_at timestamptz
);
CREATE UNIQUE INDEX parked_records_position_idx ON parked_records (partition, position) WHERE position IS NOT NULL;
CREATE UNIQUE INDEX parked_records_offset_idx ON parked_records (partition, kafka_offset) WHERE position IS NULL;
CREATE INDEX parked_records_cart_idx ON parked_records (cart_id, position) WHERE cart_id IS NOT NULL;
CREATE INDEX parked_records_pending_idx ON parked_records (record_id) WHERE dead_lettered_at IS NULL;

CREATE TABLE schema_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  integer NOT NULL
);
INSERT INTO schema_version (version) VALUES (1);

GRANT SELECT ON schema_version TO cartledger_query;
GRANT SELECT, INSERT, UPDATE ON projection_positions TO cartledger_query;
GRANT SELECT, INSERT, UPDATE, TRUNCATE ON projection_log TO cartledger_query;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON cart_views, cart_timeline, parked_carts, parked_records TO cartledger_query;

-- +migrate Down
DROP TABLE schema_version, parked_records, parked_carts, cart_timeline, cart_views, projection_log, projection_positions;
