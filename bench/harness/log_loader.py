"""Many events into the log at once, as a restored backup or a long history would have left them there."""

import io
import uuid

from .rig import PARTITIONS

CHUNK_CARTS = 50_000

# Carts with one CartCreated and then ItemAdded of different articles, cart by cart, positions without gaps.
LOAD = """
WITH numbered AS (
    SELECT l.partition, l.cart_id, v.version,
           row_number() OVER (PARTITION BY l.partition ORDER BY l.number, v.version) AS ordinal
    FROM loading AS l CROSS JOIN generate_series(1, %(events)s) AS v (version)),
inserted AS (
    INSERT INTO events
    SELECT n.partition, p.last_position + n.ordinal, n.cart_id, n.version, gen_random_uuid(),
           CASE n.version WHEN 1 THEN 'CartCreated' ELSE 'ItemAdded' END, 1, now(),
           CASE n.version WHEN 1 THEN '{"currency":"EUR","customerId":null}'
           ELSE '{"sku":"sku-' || n.version || '","name":"Article number ' || n.version || '","quantity":1,'
                '"unitPrice":{"amountMinor":359,"currency":"EUR"},"lineQuantity":1}' END::json, '{}'
    FROM numbered AS n JOIN event_partitions AS p USING (partition))
UPDATE event_partitions AS p SET last_position = p.last_position + c.count
FROM (SELECT partition, count(*) AS count FROM numbered GROUP BY partition) AS c WHERE c.partition = p.partition
"""


def murmur2(data):
    """Kafka's partitioning hash of some bytes."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    for at in range(0, len(data) // 4 * 4, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if len(data) % 4:
        h = (h ^ int.from_bytes(data[len(data) // 4 * 4:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def load(rig, events, events_per_cart=10):
    """Appends at least `events` events; no command service may run."""
    connection = rig.postgres.connect("cartledger_command")
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE loading (number integer, cart_id uuid, partition smallint)")
            left = -(-events // events_per_cart)
            while left > 0:
                carts = [str(uuid.uuid4()) for _ in range(min(left, CHUNK_CARTS))]
                rows = io.StringIO("".join(
                    f"{number}\t{cart}\t{(murmur2(cart.encode()) & 0x7FFFFFFF) % PARTITIONS}\n"
                    for number, cart in enumerate(carts)))
                cursor.execute("TRUNCATE loading")
                cursor.copy_from(rows, "loading")
                cursor.execute(LOAD, {"events": events_per_cart})
                left -= len(carts)
    finally:
        connection.close()
