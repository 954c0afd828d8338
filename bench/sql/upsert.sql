\set id random(1, 10000)
INSERT INTO carts VALUES (:id, 1, ('{"status":"open","items":"' || repeat('y', 500) || '"}')::json) ON CONFLICT (id) DO UPDATE SET version = carts.version + 1, body = EXCLUDED.body;
