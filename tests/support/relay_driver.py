"""The relay alone, in a process of its own, and a log that is written to as the writer lane does."""

import json
import os
import signal
import subprocess
import time

import psycopg2

from driver_process import DriverProcess
from repeating import Repeating
from shop import eventually

APPEND = """
WITH new AS (SELECT * FROM unnest(%(partitions)s::int2[], %(carts)s::uuid[], %(ids)s::uuid[], %(data)s::json[],
                                  %(metadata)s::json[]) WITH ORDINALITY AS n(partition, cart_id, event_id, data, metadata, nr)),
locked AS (SELECT partition FROM event_partitions WHERE partition IN (SELECT partition FROM new)
           ORDER BY partition FOR UPDATE),
advanced AS (UPDATE event_partitions AS p SET last_position = p.last_position + c.count
             FROM (SELECT partition, count(*) AS count FROM new GROUP BY partition) AS c
             WHERE c.partition = p.partition AND p.partition IN (SELECT partition FROM locked)
             RETURNING p.partition, p.last_position - c.count AS before)
INSERT INTO events
SELECT n.partition, a.before + row_number() OVER (PARTITION BY n.partition ORDER BY n.nr), n.cart_id, 1, n.event_id,
       'CartCreated', 1, clock_timestamp(), n.data, n.metadata
FROM new AS n JOIN advanced AS a USING (partition)
"""


class EventLog:
    """Appends made-up events to a log. One connection: not for several threads at once."""

    def __init__(self, database_url, partitions=6):
        self.database_url, self.partitions = database_url, partitions
        self.connection = None
        self.count = 0

    def append(self, count, partition=None, data=None, metadata=None):
        """Appends `count` events in one transaction, spread over the partitions unless one is given."""
        if self.connection is None or self.connection.closed:
            self.connection = psycopg2.connect(self.database_url)
        rows = range(self.count, self.count + count)
        data = json.dumps(data or {"currency": "EUR", "customerId": "Zoë"}, ensure_ascii=False)
        metadata = json.dumps({"correlationId": "c-1", "actor": "test"} if metadata is None else metadata)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(APPEND, {
                "partitions": [i % self.partitions if partition is None else partition for i in rows],
                "carts": [_random_id() for _ in rows], "ids": [_random_id() for _ in rows],
                "data": [data] * count, "metadata": [metadata] * count})
        self.count += count

    def ends(self):
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT last_position FROM event_partitions ORDER BY partition")
            return [row[0] for row in cursor.fetchall()]


def _random_id():
    bits = os.urandom(16).hex()
    return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"


class Appending(Repeating):
    """`with Appending(log):` … events are appended all the time, in batches of changing size."""

    def __init__(self, log, pause=0.002):
        super().__init__(pause)
        self.log, self.batch = log, 0

    def turn(self):
        self.batch += 1
        try:
            self.log.append(1 + self.batch * 7 % 60)
        except psycopg2.Error:
            self.log.connection = None


class RelayProcess(DriverProcess):
    """Nothing but the relay."""

    def __init__(self, database_url, servers, topic, log, partitions=6, **env):
        super().__init__("relay_test_driver", [database_url, servers, topic, str(partitions)], log, env)

    def wake(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def stop(self, seconds=12):
        """SIGTERM; answers how long it took."""
        begun = time.monotonic()
        self.signal(signal.SIGTERM)
        code = self.child.wait(seconds)
        self._ended()
        assert code == 0, f"exit code {code}:\n{self.tail()}"
        return time.monotonic() - begun

    def finish(self):
        """Ends it whatever it does."""
        if self.child is not None and self.child.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()

    def republish(self, what):
        """Runs the one-shot command; answers the CompletedProcess."""
        return subprocess.run([*self.arguments, what], env=self.environment, capture_output=True, text=True, timeout=90,
                              check=False)

    def wait(self, seconds=60, **expected):
        """Until the status has these members."""
        def check():
            shown = {name: self.status.get(name) for name in expected}
            assert shown == expected, f"{self.status}\n{self.tail()}"
            return True
        eventually(check, seconds)

    def wait_published(self, positions, seconds=60):
        self.wait(seconds, published=positions)
