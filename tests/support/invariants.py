"""What must hold of the log, the topic and the views at any quiet moment, read straight from PostgreSQL and Kafka."""

import json
import time
from collections import defaultdict

import confluent_kafka
import psycopg2

import contract
from cart_model import fold
from shop import eventually

LOG_COLUMNS = ("partition, position, cart_id::text, version, event_id::text, type, schema_version, "
               "to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), data::text, metadata::text")


def murmur2(data: bytes) -> int:
    """Kafka's partitioning hash, written from its description: 32-bit, seed 0x9747b28c, m 0x5bd1e995, r 24."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(cart_id: str, count: int) -> int:
    return (murmur2(cart_id.encode()) & 0x7FFFFFFF) % count


def read_log(database_url):
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {LOG_COLUMNS} FROM events ORDER BY partition, position")
        names = ("partition", "position", "cartId", "version", "eventId", "type", "schemaVersion", "occurredAt",
                 "data", "metadata")
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def check_merges(log):
    """Each merge is on both carts, right behind the version that it names, with the lines that the model gives."""
    merged = [event for event in log if event["type"] == "CartMerged"]
    parts = {event["cartId"] for event in merged} | {json.loads(event["data"])["sourceCartId"] for event in merged}
    carts = defaultdict(list)
    for event in log:
        if event["cartId"] in parts:
            carts[event["cartId"]].append({**event, "data": json.loads(event["data"])})
    for target, version in [(event["cartId"], event["version"]) for event in merged]:
        event = carts[target][version - 1]
        source = carts[event["data"]["sourceCartId"]]
        away = source[event["data"]["sourceVersion"]]
        assert away["type"] == "CartMergedAway" and away["data"] == {"targetCartId": target}, (event, away)
        assert away is source[-1] and away["occurredAt"] == event["occurredAt"], (event, away)
        before, other = fold(carts[target][:version - 1]), fold(source[:-1])
        other.cart_id = away["cartId"]
        assert before.merge(other, event["data"]["strategy"]).events == [("CartMerged", event["data"])], event
    assert len(merged) == sum(event["type"] == "CartMergedAway" for event in log)


def check_log(database_url):
    """Positions and versions without gaps, every cart in its partition, counters that agree, merges whole; returns
    the events."""
    log = read_log(database_url)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT partition_count FROM event_log")
        count = cursor.fetchone()[0]
        cursor.execute("SELECT partition, last_position FROM event_partitions")
        counters = dict(cursor.fetchall())
    positions, versions = defaultdict(list), defaultdict(list)
    for event in log:
        positions[event["partition"]].append(event["position"])
        versions[event["cartId"]].append(event["version"])
        assert event["partition"] == partition_of(event["cartId"], count), event
        contract.check_event(event["type"], event["schemaVersion"], event["data"], event["metadata"])
    for partition in range(count):
        assert positions[partition] == list(range(1, counters[partition] + 1)), f"partition {partition}"
    for cart, seen in versions.items():
        assert seen == list(range(1, len(seen) + 1)), f"cart {cart}: versions {seen}"
    assert len({event["eventId"] for event in log}) == len(log)
    check_merges(log)
    return log


def read_topic(servers, topic, partition_count):
    """Every record of the topic, partition by partition, in offset order."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": f"check-{time.time_ns()}",
                                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    records = defaultdict(list)
    try:
        ends = {}
        for partition in range(partition_count):
            low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=15)
            if high > low:
                ends[partition] = high
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0) for partition in ends])
        deadline = time.monotonic() + 60
        while ends and time.monotonic() < deadline:
            for message in consumer.consume(1000, timeout=0.05):  # waited out when fewer are left
                assert message.error() is None, message.error()
                records[message.partition()].append(message)
                if message.offset() + 1 >= ends.get(message.partition(), 0):
                    ends.pop(message.partition(), None)
        assert not ends, f"partitions {list(ends)} could not be read to their end"
    finally:
        consumer.close()
    return records


def check_record(message, event, made_up=False):
    """One record against the event of the log that it must carry, and against contracts/."""
    headers = {name: value.decode() for name, value in message.headers()}
    if not made_up:
        contract.check_record(message.key().decode(), message.value().decode(), headers)
    metadata = json.loads(event["metadata"])
    expected = {
        "content-type": "application/json", "ce_specversion": "1.0", "ce_id": event["eventId"],
        "ce_source": "/cartledger/carts", "ce_type": f"cartledger.cart.{event['type']}.v{event['schemaVersion']}",
        "ce_time": event["occurredAt"], "ce_subject": event["cartId"], "ce_partitionkey": event["cartId"],
        "ce_sequence": f"{event['position']:020d}", "ce_cartversion": str(event["version"]),
        "ce_position": str(event["position"]),
    }
    for member, names in (("correlationId", ["ce_correlationid"]), ("causationId", ["ce_causationid"]),
                          ("traceparent", ["ce_traceparent", "traceparent"])):
        if member in metadata:
            expected.update({name: metadata[member] for name in names})
    assert headers == expected, (headers, expected)
    assert message.key().decode() == event["cartId"] and message.value().decode() == event["data"]


def check_topic(servers, topic, log, partition_count, duplicates_allowed=True, made_up=False):
    """The topic carries the log: every event, in order after dropping duplicates, byte for byte.

    With made_up the events are no real ones: contracts/ does not know them.
    """
    by_place = {(event["partition"], event["position"]): event for event in log}
    ends = defaultdict(int)
    for event in log:
        ends[event["partition"]] = max(ends[event["partition"]], event["position"])
    records = read_topic(servers, topic, partition_count)
    for partition in range(partition_count):
        last = 0
        for message in records[partition]:
            headers = dict(message.headers())
            position = int(headers["ce_position"])
            check_record(message, by_place[partition, position], made_up)
            if position <= last:
                assert duplicates_allowed, f"partition {partition}: {position} again after {last}"
                continue
            assert position == last + 1, f"partition {partition}: {position} after {last}"
            last = position
        assert last == ends[partition], f"partition {partition} ends at {last}, the log at {ends[partition]}"


def check_views(database_url, log, seconds=60, every=0.05):
    """Every cart's view, read straight from the read database, equals the fold of its events."""
    carts = defaultdict(list)
    for event in log:
        carts[event["cartId"]].append({**event, "data": json.loads(event["data"])})

    def caught_up():
        with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT cart_id::text, version, body::text FROM cart_views")
            views = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
        behind = [cart for cart, events in carts.items() if cart not in views or views[cart][0] < len(events)]
        assert not behind, f"{len(behind)} of {len(carts)} views are behind"
        return views

    views = eventually(caught_up, seconds, every)
    assert views.keys() == carts.keys()
    for cart, events in carts.items():
        version, body = views[cart]
        view = json.loads(body)
        for member in ("createdAt", "updatedAt", "closedAt"):
            view.pop(member)
        assert version == len(events) and view == fold(events).view(cart), cart


class Acknowledged:
    """Collects, from any number of threads, what the service said had happened."""

    def __init__(self):
        self.events, self.unknown, self.refused = {}, 0, 0

    def note(self, response):
        if response.status_code in (200, 201):
            body = response.json()
            for event in body["events"]:
                self.events[event["eventId"]] = (body["cartId"], event["version"], event["type"])
        elif response.status_code == 503 and response.json()["type"].endswith("outcome-unknown"):
            self.unknown += 1
        else:
            self.refused += 1

    def check(self, log):
        """Each acknowledged event stands in the log exactly once, as it was acknowledged."""
        stored = {event["eventId"]: (event["cartId"], event["version"], event["type"]) for event in log}
        for event_id, facts in self.events.items():
            assert stored.get(event_id) == facts, f"acknowledged but not stored: {event_id} {facts}"
