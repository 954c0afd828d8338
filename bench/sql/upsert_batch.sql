\set first random(0, 9999)
INSERT INTO carts SELECT (:first + number * 7919) % 10000 + 1 AS id, 1, ('{"status":"open","items":"' || repeat('y', 500) || '"}')::json FROM generate_series(1, 256) AS number ORDER BY id ON CONFLICT (id) DO UPDATE SET version = carts.version + 1, body = EXCLUDED.body;
