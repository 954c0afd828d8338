\set id random(1, 10000)
INSERT INTO views VALUES (:id, 0, 1, 'open', NULL, now(), '{"status":"open","items":"' || repeat('y', 500) || '"}') ON CONFLICT (id) DO UPDATE SET version = views.version + 1, status = EXCLUDED.status, customer_id = EXCLUDED.customer_id, updated_at = EXCLUDED.updated_at, body = EXCLUDED.body;
