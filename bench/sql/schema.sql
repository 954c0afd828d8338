-- What pgbench works on: the same columns and keys as ours, nothing else. Run in a database of its own.

-- As migrations/command: the same columns, types, checks and indexes; the trigger only speaks on UPDATE and DELETE.
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
    PRIMARY KEY (partition, position),
    UNIQUE (partition, cart_id, version)
);
CREATE INDEX ON events USING brin (
    occurred_at timestamptz_minmax_multi_ops (values_per_range = 8),
    position int8_minmax_multi_ops (values_per_range = 8)) WITH (pages_per_range = 32);
-- The cheapest position there is, since nobody waits for it. (It also promises nothing: see ADR 1.)
CREATE SEQUENCE positions CACHE 100;

-- Read by its key, and nothing else.
CREATE TABLE carts (id integer PRIMARY KEY, version integer NOT NULL, body json NOT NULL) WITH (fillfactor = 70);
INSERT INTO carts
SELECT id, 1, json_build_object('cartId', gen_random_uuid(), 'status', 'open', 'items', repeat('x', 500))
FROM generate_series(1, 10000) AS id;
VACUUM ANALYZE carts;

-- As migrations/query: the same columns, checks and indexes, but that an id is a small number, so that pgbench can name one.
CREATE TABLE views (
    id          integer     PRIMARY KEY,
    partition   smallint    NOT NULL,
    version     integer     NOT NULL CHECK (version > 0),
    status      text        NOT NULL,
    customer_id text,
    updated_at  timestamptz NOT NULL,
    body        text        COMPRESSION lz4 NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX ON views (customer_id, status, updated_at DESC, id DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX ON views (status, updated_at DESC, id DESC);
INSERT INTO views SELECT id, 0, version, 'open', NULL, now(), body FROM carts;
VACUUM ANALYZE views;
