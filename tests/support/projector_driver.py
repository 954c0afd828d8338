"""The projector alone, in a process of its own, and a log made up by the test that can be published and served."""

import datetime
import http.server
import json
import random
import signal
import subprocess
import threading
import time
import urllib.parse
import uuid

import confluent_kafka

from driver_process import DriverProcess
from invariants import partition_of
from shop import eventually


class MadeUpLog:
    """Events of made-up carts, as the log has them (see invariants.read_log), by partition and position."""

    def __init__(self, partitions=6, seed=1):
        self.log_id = str(uuid.uuid4())
        self.random = random.Random(seed)
        self.partitions = partitions
        self.events = [[] for _ in range(partitions)]
        self.carts = {}  # id: [version, {sku: quantity}]
        self.clock = datetime.datetime(2026, 11, 23, 9, tzinfo=datetime.timezone.utc)

    def record(self, cart, kind, data, schema_version=1):
        """Appends an event; answers it."""
        self.clock += datetime.timedelta(milliseconds=1)
        self.carts[cart][0] += 1
        partition = partition_of(cart, self.partitions)
        event = {"partition": partition, "position": len(self.events[partition]) + 1, "cartId": cart,
                 "version": self.carts[cart][0], "eventId": self.new_id(), "type": kind,
                 "schemaVersion": schema_version,
                 "occurredAt": self.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                 "data": json.dumps(data, separators=(",", ":")), "metadata": '{"correlationId":"c-1"}'}
        self.events[partition].append(event)
        return event

    def new_id(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def create(self, partition=None):
        """A new cart, in a partition of one's choice; answers its CartCreated."""
        cart = self.new_id()
        while partition is not None and partition_of(cart, self.partitions) != partition:
            cart = self.new_id()
        self.carts[cart] = [0, {}]
        return self.record(cart, "CartCreated", {"currency": "EUR", "customerId": None})

    def add(self, cart, sku="tea-01", quantity=1):
        lines = self.carts[cart][1]
        lines[sku] = lines.get(sku, 0) + quantity
        price = {"amountMinor": 1999, "currency": "EUR"}
        return self.record(cart, "ItemAdded", {"sku": sku, "name": f"Tea {sku}", "quantity": quantity, "unitPrice": price,
                                               "lineQuantity": lines[sku]})

    def make(self, count, cart_events=7):
        """`count` events of any number of carts, each of about cart_events; answers them in order."""
        made, open_carts = [], []
        while len(made) < count:
            if not open_carts or self.random.random() < 1 / cart_events:
                made.append(self.create())
                open_carts = [*open_carts[-50:], made[-1]["cartId"]]
            else:
                cart = self.random.choice(open_carts)
                made.append(self.add(cart, f"tea-{self.random.randrange(5)}", 1))
        return made

    def all(self):
        return [event for events in self.events for event in events]


def headers_of(event):
    return {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": event["eventId"],
            "ce_source": "/cartledger/carts", "ce_type": f"cartledger.cart.{event['type']}.v{event['schemaVersion']}",
            "ce_time": event["occurredAt"], "ce_subject": event["cartId"], "ce_partitionkey": event["cartId"],
            "ce_sequence": f"{event['position']:020d}", "ce_cartversion": str(event["version"]),
            "ce_position": str(event["position"]), "ce_correlationid": "c-1"}


class Publisher:
    """Puts events, or anything else, into the topic."""

    def __init__(self, servers, topic):
        self.topic = topic
        self.producer = confluent_kafka.Producer({"bootstrap.servers": servers, "linger.ms": 5,
                                                  "enable.idempotence": True,
                                                  "queue.buffering.max.messages": 1000000})

    def publish(self, events, **changes):
        """`changes` replace headers; None leaves one out."""
        for event in events:
            headers = {**headers_of(event), **changes}
            self.send(event["partition"], event["cartId"], event["data"],
                      {name: value for name, value in headers.items() if value is not None})
        self.flush()

    def send(self, partition, key, value, headers):
        while True:
            try:
                self.producer.produce(self.topic, value, key, partition, headers=headers)
                return
            except BufferError:
                self.producer.poll(0.1)

    def flush(self):
        assert self.producer.flush(30) == 0


class LogServer:
    """GET /v1/events and /v1/events/partitions of a MadeUpLog. `refuse` (a set of partitions), `down` and `forget`
    (positions, as (partition, position)) make it fail; `lines_a_second` makes it slow."""

    def __init__(self, log):
        self.log, self.down, self.refuse, self.forget = log, False, set(), set()
        self.requests, self.lines_a_second = [], None
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.requests.append(self.path)
                url = urllib.parse.urlsplit(self.path)
                kind = "application/json" if url.path == "/v1/events/partitions" else "application/x-ndjson"
                status, body = server.answer(url) if kind in self.headers.get("Accept", "") else (406, b"{}")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if server.lines_a_second is None:
                    self.wfile.write(body)
                else:
                    self.write_slowly(body.splitlines(keepends=True), 1 / server.lines_a_second)

            def write_slowly(self, lines, pause):
                try:
                    for line in lines:
                        self.wfile.write(line)
                        time.sleep(pause)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def answer(self, url):
        if self.down:
            return 503, b"{}"
        if url.path == "/v1/events/partitions":
            return 200, json.dumps({"logId": self.log.log_id, "partitions": [
                {"partition": number, "lastPosition": len(events), "publishedPosition": len(events)}
                for number, events in enumerate(self.log.events)]}).encode()
        query = {name: int(values[0]) for name, values in urllib.parse.parse_qs(url.query).items()}
        assert url.path == "/v1/events" and query.keys() == {"partition", "after", "limit"}, url
        if query["partition"] in self.refuse:
            return 500, b"{}"
        events = self.log.events[query["partition"]][query["after"]:query["after"] + query["limit"]]
        lines = [json.dumps({**event, "data": None, "metadata": None}).replace(
            '"data": null, "metadata": null', f'"data":{event["data"]},"metadata":{event["metadata"]}') + "\n"
            for event in events if (event["partition"], event["position"]) not in self.forget]
        return 200, "".join(lines).encode()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class ProjectorProcess(DriverProcess):
    """Nothing but the projector."""

    def __init__(self, log_file, **env):
        super().__init__("projector_test_driver", [], log_file, env)

    def run(self, what):
        """`rebuild` or `replay`, in a process of its own; answers what it said."""
        done = subprocess.run([self.program, what], env=self.environment, capture_output=True, text=True, timeout=60,
                              check=True)
        return json.loads(done.stdout)

    def wait(self, seconds=60, **wanted):
        """Waits until the status has these values; functions are asked."""
        def reached():
            return all(value(self.status.get(name)) if callable(value) else self.status.get(name) == value
                       for name, value in wanted.items())
        try:
            eventually(reached, seconds)
        except AssertionError:
            raise AssertionError(f"not {wanted} within {seconds} s: {self.status}\n{self.tail()}") from None

    def wait_detail(self, words, seconds=60):
        try:
            eventually(lambda: words in self.status.get("progress", {}).get("detail", ""), seconds)
        except AssertionError:
            raise AssertionError(f"never said '{words}': {self.status}\n{self.tail()}") from None

    def pause(self):
        self.signal(signal.SIGSTOP)

    def cont(self):
        self.signal(signal.SIGCONT)

    def stop(self, seconds=10):
        self.signal(signal.SIGTERM)
        code = self.child.wait(seconds)
        self._ended()
        assert code == 0, f"ended with {code}\n{self.tail()}"

    def _ended(self):
        super()._ended()
        self.child = None

    def finish(self):
        """After a test: stopped, however it stands."""
        if self.child is None:
            return
        if self.child.poll() is not None:
            code = self.child.returncode
            self._ended()
            raise AssertionError(f"the projector ended by itself with {code}\n{self.tail()}")
        self.cont()
        self.stop()
