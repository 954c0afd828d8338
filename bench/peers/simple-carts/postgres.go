package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// One row per cart, its lines as jsonb; each command is one statement, prepared by pgx, and so one transaction. No index
// but the key, and room on each page, so that an update stays on its page (HOT).
const schema = `
CREATE TABLE IF NOT EXISTS simple_carts (
    id       uuid    PRIMARY KEY,
    version  integer NOT NULL,
    status   text    NOT NULL,
    currency text    NOT NULL,
    lines    jsonb   NOT NULL
) WITH (fillfactor = 50)`

const (
	create = `INSERT INTO simple_carts VALUES ($1, 1, 'open', $2, '{}')
	          ON CONFLICT (id) DO NOTHING RETURNING version`
	add = `UPDATE simple_carts SET version = version + 1, lines = lines || jsonb_build_object($2::text,
	           jsonb_build_object('name', $3::text, 'amountMinor', $4::bigint,
	                              'quantity', coalesce((lines -> $2 ->> 'quantity')::int, 0) + $5::int))
	       WHERE id = $1 AND status = 'open' AND currency = $6 RETURNING version`
	setQuantity = `UPDATE simple_carts SET version = version + 1,
	                   lines = jsonb_set(lines, ARRAY[$2::text, 'quantity'], to_jsonb($3::int))
	               WHERE id = $1 AND status = 'open' AND lines ? $2 RETURNING version`
	remove = `UPDATE simple_carts SET version = version + 1, lines = lines - $2::text
	          WHERE id = $1 AND status = 'open' AND lines ? $2 RETURNING version`
	checkOut = `UPDATE simple_carts SET version = version + 1, status = 'checked_out'
	            WHERE id = $1 AND status = 'open' AND lines <> '{}' RETURNING version`
)

type postgresStore struct{ pool *pgxpool.Pool }

func openPostgres(ctx context.Context, url string) (store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = connections, connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err == nil {
		_, err = pool.Exec(ctx, schema)
	}
	return postgresStore{pool}, err
}

func (s postgresStore) run(ctx context.Context, statement string, arguments ...any) (version int, err error) {
	err = s.pool.QueryRow(ctx, statement, arguments...).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errRefused
	}
	return version, err
}

func (s postgresStore) create(ctx context.Context, cart, currency string) (int, error) {
	return s.run(ctx, create, cart, currency)
}

func (s postgresStore) add(ctx context.Context, cart string, added line) (int, error) {
	return s.run(ctx, add, cart, added.SKU, added.Name, added.UnitPrice.AmountMinor, added.Quantity,
		added.UnitPrice.Currency)
}

func (s postgresStore) setQuantity(ctx context.Context, cart, sku string, quantity int) (int, error) {
	return s.run(ctx, setQuantity, cart, sku, quantity)
}

func (s postgresStore) remove(ctx context.Context, cart, sku string) (int, error) {
	return s.run(ctx, remove, cart, sku)
}

func (s postgresStore) checkOut(ctx context.Context, cart string) (int, error) {
	return s.run(ctx, checkOut, cart)
}
