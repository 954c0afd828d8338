package main

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"
)

// One hash per cart: version, status, currency, and for each line `q:SKU` (how many) and `l:SKU` (the rest). A command
// is one script, so that nothing comes in between, and go-redis sends its digest only. The server must have
// `appendonly yes` and `appendfsync always`: then it answers after the sync.
var (
	createScript = redis.NewScript(`
		if redis.call('HSETNX', KEYS[1], 'version', 1) == 0 then return 0 end
		redis.call('HSET', KEYS[1], 'status', 'open', 'currency', ARGV[1])
		return 1`)
	addScript = redis.NewScript(`
		local cart = redis.call('HMGET', KEYS[1], 'status', 'currency')
		if cart[1] ~= 'open' or cart[2] ~= ARGV[4] then return 0 end
		redis.call('HINCRBY', KEYS[1], 'q:' .. ARGV[1], ARGV[2])
		redis.call('HSET', KEYS[1], 'l:' .. ARGV[1], ARGV[3])
		return redis.call('HINCRBY', KEYS[1], 'version', 1)`)
	setScript = redis.NewScript(`
		if redis.call('HGET', KEYS[1], 'status') ~= 'open' or redis.call('HEXISTS', KEYS[1], 'q:' .. ARGV[1]) == 0 then
			return 0
		end
		redis.call('HSET', KEYS[1], 'q:' .. ARGV[1], ARGV[2])
		return redis.call('HINCRBY', KEYS[1], 'version', 1)`)
	removeScript = redis.NewScript(`
		if redis.call('HGET', KEYS[1], 'status') ~= 'open' or
			redis.call('HDEL', KEYS[1], 'q:' .. ARGV[1], 'l:' .. ARGV[1]) == 0 then
			return 0
		end
		return redis.call('HINCRBY', KEYS[1], 'version', 1)`)
	checkOutScript = redis.NewScript(`
		if redis.call('HGET', KEYS[1], 'status') ~= 'open' or redis.call('HLEN', KEYS[1]) < 4 then return 0 end
		redis.call('HSET', KEYS[1], 'status', 'checked_out')
		return redis.call('HINCRBY', KEYS[1], 'version', 1)`)
)

type redisStore struct{ client *redis.Client }

func openRedis(ctx context.Context, url string) (store, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	options.PoolSize, options.MinIdleConns = connections, connections
	client := redis.NewClient(options)
	return redisStore{client}, client.Ping(ctx).Err()
}

func (s redisStore) run(ctx context.Context, script *redis.Script, cart string, arguments ...any) (int, error) {
	version, err := script.Run(ctx, s.client, []string{"cart:" + cart}, arguments...).Int()
	if err == nil && version == 0 {
		err = errRefused
	}
	return version, err
}

func (s redisStore) create(ctx context.Context, cart, currency string) (int, error) {
	return s.run(ctx, createScript, cart, currency)
}

func (s redisStore) add(ctx context.Context, cart string, added line) (int, error) {
	rest, err := json.Marshal(map[string]any{"name": added.Name, "amountMinor": added.UnitPrice.AmountMinor})
	if err != nil {
		return 0, err
	}
	return s.run(ctx, addScript, cart, added.SKU, added.Quantity, rest, added.UnitPrice.Currency)
}

func (s redisStore) setQuantity(ctx context.Context, cart, sku string, quantity int) (int, error) {
	return s.run(ctx, setScript, cart, sku, quantity)
}

func (s redisStore) remove(ctx context.Context, cart, sku string) (int, error) {
	return s.run(ctx, removeScript, cart, sku)
}

func (s redisStore) checkOut(ctx context.Context, cart string) (int, error) {
	return s.run(ctx, checkOutScript, cart)
}
