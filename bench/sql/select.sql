\set id random(1, 10000)
SELECT body FROM carts WHERE id = :id;
