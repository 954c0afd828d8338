-- For databases that got 0001 when these columns were `json`. Both tables are written anew, and nobody reads them meanwhile.
-- The schema version stays: the programs before do not mind.

-- +migrate Up
-- +migrate StatementBegin
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'cart_views'::regclass AND attname = 'body' AND atttypid = 'json'::regtype) THEN
        ALTER TABLE cart_views ALTER body TYPE text, ALTER body SET COMPRESSION lz4;
        ALTER TABLE cart_timeline ALTER data TYPE text, ALTER data SET COMPRESSION lz4, ALTER metadata TYPE text;
    END IF;
END $$;
-- +migrate StatementEnd

-- +migrate Down
