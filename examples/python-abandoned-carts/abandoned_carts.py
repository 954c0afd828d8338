#!/usr/bin/python3
"""Reminds shoppers of carts that they have left: one reminder per cart, whatever crashes or comes twice.

    abandoned_carts.py --database reminders.sqlite --minutes 60

Needs python3-confluent-kafka, and KAFKA_BOOTSTRAP_SERVERS and KAFKA_TOPIC (`. .dev/env`). What it knows is in SQLite:
of each partition the position of the last event, of each cart when it was last touched. Both change in one transaction,
so an event that comes again, after a crash or because the producer sent it twice, is known by its position and skipped.
"""
import argparse
import os
import signal
import sqlite3
import time
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

SCHEMA = """
CREATE TABLE IF NOT EXISTS partitions (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL,
                                       next_offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS carts (cart_id TEXT PRIMARY KEY, touched_at REAL NOT NULL, customer_id TEXT);
CREATE INDEX IF NOT EXISTS carts_by_time ON carts (touched_at);
CREATE TABLE IF NOT EXISTS reminders (cart_id TEXT PRIMARY KEY, customer_id TEXT, made_at REAL NOT NULL);
"""
CLOSED = {"CartCheckedOut", "CartCancelled", "CartExpired", "CartMergedAway"}
RENEW_SECONDS = 300  # a client's life: librdkafka from 2.1 on may never read a topic that was made anew
CUSTOMER = "json_extract(:data, '$.customerId')"


def apply(database, message):
    """Applies one record in the caller's transaction; one that was applied before changes nothing."""
    headers = dict(message.headers() or [])
    if "ce_position" not in headers:  # somebody else's record, no event of a cart
        return
    position = int(headers["ce_position"])
    row = database.execute("SELECT position FROM partitions WHERE partition = ?", (message.partition(),)).fetchone()
    last = row[0] if row else 0
    if position <= last:
        return
    if position != last + 1:
        database.rollback()  # a topic made anew has other offsets: next time all is read
        with database:
            database.execute("UPDATE partitions SET next_offset = 0 WHERE partition = ?", (message.partition(),))
        raise SystemExit(f"partition {message.partition()}: {position} follows {last}: what is missing "
                         "can be read from GET /v1/events of the command service")
    event = {"cart": headers["ce_subject"].decode(), "data": message.value().decode(),
             "time": datetime.fromisoformat(headers["ce_time"].decode().replace("Z", "+00:00")).timestamp()}
    kind = headers["ce_type"].decode().split(".")[2]
    if kind in CLOSED:
        database.execute("DELETE FROM carts WHERE cart_id = :cart", event)
    else:
        database.execute("INSERT INTO carts VALUES (:cart, :time, NULL)"
                         " ON CONFLICT (cart_id) DO UPDATE SET touched_at = excluded.touched_at", event)
    if kind in ("CartCreated", "CustomerAssigned"):
        database.execute(f"UPDATE carts SET customer_id = {CUSTOMER} WHERE cart_id = :cart", event)
    database.execute("REPLACE INTO partitions VALUES (?, ?, ?)",
                     (message.partition(), position, message.offset() + 1))


def remind(database, seconds):
    """Makes a reminder for each open cart that nobody has touched for so long and that has had none."""
    with database:
        made = database.execute(
            "INSERT INTO reminders SELECT cart_id, customer_id, :now FROM carts WHERE touched_at <= :now - :seconds"
            " AND cart_id NOT IN (SELECT cart_id FROM reminders) RETURNING cart_id, customer_id",
            {"now": time.time(), "seconds": seconds}).fetchall()
    for cart, customer in made:
        print(f"reminder for cart {cart} of {customer or 'a guest'}", flush=True)


def consumer_at(database, servers, topic):
    """A consumer of all partitions, each from where the database has got to.

    The offset only says where to go on reading. If the topic was made anew it says nothing, and reading begins at the
    beginning; what is an event's place for ever is its position.
    """
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "abandoned-carts", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "enable.partition.eof": True})
    offsets = dict(database.execute("SELECT partition, next_offset FROM partitions"))
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    if not partitions:
        raise SystemExit(f"there is no topic {topic}")
    consumer.assign([TopicPartition(topic, number, offsets.get(number, OFFSET_BEGINNING)) for number in partitions])
    return consumer, len(partitions)


def main():
    parser = argparse.ArgumentParser(description="One reminder for each abandoned cart.")
    parser.add_argument("--database", default="reminders.sqlite")
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    database = sqlite3.connect(arguments.database)
    database.executescript(SCHEMA)
    servers, topic = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ.get("KAFKA_TOPIC", "cart-events")
    consumer, partition_count = consumer_at(database, servers, topic)
    renew_at = time.monotonic() + RENEW_SECONDS
    stopping = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.append(True))
    read_to_end = set()  # a cart that looks abandoned may have been touched by an event that is yet to be read
    while not stopping:
        if time.monotonic() > renew_at:
            consumer.close()
            consumer, _ = consumer_at(database, servers, topic)
            renew_at = time.monotonic() + RENEW_SECONDS
        with database:
            for message in consumer.consume(500, timeout=0.5):
                if message.error() is None:
                    apply(database, message)
                elif message.error().code() == KafkaError._PARTITION_EOF:  # pylint: disable=protected-access
                    read_to_end.add(message.partition())
                elif not message.error().retriable():
                    raise KafkaException(message.error())
        if len(read_to_end) == partition_count:
            remind(database, 60 * arguments.minutes)
    consumer.close()


if __name__ == "__main__":
    main()
