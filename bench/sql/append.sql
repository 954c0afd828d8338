\set partition random(0, 5)
INSERT INTO events VALUES (:partition, nextval('positions'), ('0198a3c1-0000-7000-8000-' || lpad(to_hex(currval('positions')), 12, '0'))::uuid, 1, gen_random_uuid(), 'ItemAdded', 1, now(), '{"sku":"sku-7","name":"Article number 7","quantity":1,"unitPrice":{"amountMinor":359,"currency":"EUR"},"lineQuantity":1}', '{}');
