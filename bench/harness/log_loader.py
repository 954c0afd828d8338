"""Many events into the log at once, as a restored backup or a long history would have left them there."""

import concurrent.futures
import io
import time

from .loads import cart_id
from .rig import PARTITIONS

SESSIONS = 2  # at once, each with partitions of its own
CHUNK_EVENTS = 500_000

# Carts with one CartCreated and then ItemAdded of `lines` articles in turn, cart by cart, positions without gaps. The
# ids come by COPY, the events are made of them by the server.
LOAD = """
WITH inserted AS (
    INSERT INTO events
    SELECT l.partition, p.last_position + l.number * %(events)s + v.version, l.cart_id, v.version, gen_random_uuid(),
           CASE v.version WHEN 1 THEN 'CartCreated' ELSE 'ItemAdded' END, 1,
           now() - make_interval(secs => (%(events)s - v.version) * 0.001),
           CASE v.version WHEN 1 THEN '{"currency":"EUR","customerId":null}'
           ELSE '{"sku":"sku-' || (v.version - 2) %% %(lines)s + 1 || '","name":"Article number '
                || (v.version - 2) %% %(lines)s + 1
                || '","quantity":1,"unitPrice":{"amountMinor":359,"currency":"EUR"},"lineQuantity":'
                || (v.version - 2) / %(lines)s + 1 || '}' END::json, '{}'
    FROM (SELECT * FROM loading ORDER BY partition, number) AS l JOIN event_partitions AS p USING (partition)
    CROSS JOIN LATERAL generate_series(1, %(events)s) AS v (version))
UPDATE event_partitions AS p SET last_position = p.last_position + c.count
FROM (SELECT partition, count(*) * %(events)s AS count FROM loading GROUP BY partition) AS c
WHERE c.partition = p.partition
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


def load(rig, events, events_per_cart=10, lines=500, chunk_events=CHUNK_EVENTS):
    """Appends at least `events` events, `chunk_events` or so in a transaction; no command service may run.

    Each cart has `events_per_cart` of them, on up to `lines` articles. Answers the carts' ids.
    """
    shares = [[] for _ in range(SESSIONS)]
    count, now_ms = -(-events // events_per_cart), time.time() * 1000
    for number in range(count):
        cart = cart_id(now_ms - count + number)
        partition = (murmur2(cart.encode()) & 0x7FFFFFFF) % PARTITIONS
        shares[partition % SESSIONS].append((cart, partition))
    parameters = {"events": events_per_cart, "lines": lines}
    chunk = max(chunk_events // events_per_cart, 1)
    with concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(lambda share: _load_share(rig, share, chunk, parameters), shares))
    return [cart for share in shares for cart, _ in share]


def _load_share(rig, share, chunk, parameters):
    connection = rig.postgres.connect("cartledger_command")
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE loading (number integer, cart_id uuid, partition smallint)")
            for at in range(0, len(share), chunk):
                numbers, rows = [0] * PARTITIONS, []
                for cart, partition in share[at:at + chunk]:
                    rows.append(f"{numbers[partition]}\t{cart}\t{partition}\n")
                    numbers[partition] += 1
                cursor.execute("TRUNCATE loading")
                cursor.copy_from(io.StringIO("".join(rows)), "loading")
                cursor.execute(LOAD, parameters)
    finally:
        connection.close()
