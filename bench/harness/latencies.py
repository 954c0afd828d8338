"""Latencies at a rate that the machine can keep up with, in an open loop."""

import concurrent.futures
import http.client
import json
import socket
import threading
import time
import uuid

import confluent_kafka

from . import loads, machine
from .arithmetic import latency_summary
from .bench import CONNECTIONS, report_latency
from .rig import TOPIC

SLOW, SHOPPERS = 1000, 64


def idle(bench):
    """one command alone on an idle service"""
    rig, plan = bench.rig, bench.plan
    bench.run_pipeline()
    before = machine.fsync_us(rig.folder)
    seen = loads.open_loop(rig.command.url, loads.shoppers(plan.seconds * 50, 1), 50, 1)
    fsync = (before + machine.fsync_us(rig.folder)) / 2000
    bench.report.figure("fsync beside it", fsync, "ms")
    report_latency(bench, "one command alone", seen["ms"], {"p50": 2 * fsync + 1})
    rig.settle()


class Probe:
    """A shopper who adds, then looks at once, and a consumer of the topic; how long after the answer each sees it."""

    PAUSE_S = 0.01

    def __init__(self, rig):
        self.rig = rig
        self.cart = str(uuid.uuid4())
        self.writer = http.client.HTTPConnection("127.0.0.1", rig.command.port, timeout=10)
        self.reader = http.client.HTTPConnection("127.0.0.1", rig.query.port, timeout=10)
        self.acknowledged, self.arrived, self.visible = [], [], []
        self.stopping = threading.Event()

    def _ask(self, connection, method, path, body=None, headers=None):
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), {**kind, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 201), (answer.status, content)
        return json.loads(content)

    def run(self, seconds):
        path = f"/v1/carts/{self.cart}"
        partition = self._ask(self.writer, "PUT", path, {"currency": "EUR"})["partition"]
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.rig.kafka.bootstrap, "group.id": "bench-probe",
                                             "enable.auto.commit": False, "fetch.wait.max.ms": 5})
        consumer.assign([confluent_kafka.TopicPartition(TOPIC, partition, confluent_kafka.OFFSET_END)])
        listener = threading.Thread(target=self._listen, args=(consumer,))
        listener.start()
        time.sleep(0.5)  # for the consumer to have found the end
        try:
            until = time.monotonic() + seconds
            number = 0
            while time.monotonic() < until:
                number += 1
                line = {"sku": "probe", "name": "Probe", "quantity": number % 9 + 1}
                if number == 1:
                    line["unitPrice"] = {"amountMinor": 1, "currency": "EUR"}
                    answer = self._ask(self.writer, "POST", path + "/items", line)
                else:
                    answer = self._ask(self.writer, "PATCH", path + "/items/probe", {"quantity": line["quantity"]})
                told = time.monotonic()
                self._ask(self.reader, "GET", f"{path}?minVersion={answer['version']}", headers={"Prefer": "wait=10"})
                self.visible.append((time.monotonic() - told) * 1e6)
                self.acknowledged.append(told)
                time.sleep(self.PAUSE_S)
            time.sleep(0.5)
        finally:
            self.stopping.set()
            listener.join()
            consumer.close()

    def _listen(self, consumer):
        while not self.stopping.is_set():
            message = consumer.poll(0.05)
            if message is not None and not message.error() and message.key() == self.cart.encode():
                self.arrived.append(time.monotonic())

    def delivered(self):
        """Microseconds from the answer to the record's arrival; a record that came before the answer counts as 0."""
        if len(self.arrived) != len(self.acknowledged):
            return None
        return [max(arrived - told, 0) * 1e6 for told, arrived in zip(self.acknowledged, self.arrived)]


def at_rate(bench, rate, seconds):
    """Commands in an open loop, and beside them a shopper who looks: the latencies of each, by what they are of."""
    rig = bench.rig
    texts = loads.shoppers(rate * seconds, CONNECTIONS)
    probe = Probe(rig)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        load = pool.submit(loads.open_loop, rig.command.url, texts, rate, CONNECTIONS)
        probe.run(seconds - 1)
        seen = load.result()
    rig.settle()
    bench.report.figure(f"at {rate:,} commands/s: refused", seen["refused"], "", "0", seen["refused"] == 0,
                        runs=seen["answers"])
    found = {"command": seen["ms"], "acknowledged → GET": latency_summary(probe.visible)}
    delivered = latency_summary(probe.delivered() or [])
    return {**found, "acknowledged → Kafka": delivered} if delivered else found


def half_load(bench):
    """latencies at half of the full load, in an open loop"""
    rate = bench.half_rate()
    bench.run_pipeline()
    fsync = machine.fsync_us(bench.rig.folder) / 1000
    allowed = {"command": {"p99": 4 * fsync + 3}, "acknowledged → Kafka": {"p99": 5},
               "acknowledged → GET": {"p50": 5, "p99": 20}}
    for what, summary in at_rate(bench, rate, max(bench.plan.seconds * 2, 4)).items():
        report_latency(bench, f"at half load ({rate:,} commands/s): {what}", summary, allowed[what])


class SlowClients:
    """`with SlowClients(port, count):` so many connections that send a byte of a head each second, and never its end.

    Those that the server closes come again at once.
    """

    HEAD = b"GET /v1/carts HTTP/1.1\r\nHost: bench\r\nX-Slow: " + b"x" * 1000
    STEPS = 20  # in a second; each serves its share of the connections

    def __init__(self, port, count):
        self.port = port
        self.connections = [None] * count
        self.sent = [0] * count
        self.reopened = -count
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        for at in range(len(self.connections)):
            self._drip(at)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        for connection in filter(None, self.connections):
            connection.close()

    @staticmethod
    def _is_over(connection):
        """Only a refusal, or the end, can be there to read."""
        try:
            connection.recv(1, socket.MSG_DONTWAIT)
            return True
        except BlockingIOError:
            return False

    def _drip(self, at):
        try:
            if self.connections[at] is None:
                self.connections[at] = socket.create_connection(("127.0.0.1", self.port), 5)
                self.sent[at] = 0
                self.reopened += 1
            elif self._is_over(self.connections[at]):
                raise ConnectionError
            self.connections[at].send(self.HEAD[self.sent[at]:self.sent[at] + 1])
            self.sent[at] += 1
        except OSError:
            if self.connections[at] is not None:
                self.connections[at].close()
            self.connections[at] = None

    def _run(self):
        turn = 0
        while not self.stopping.wait(1 / self.STEPS):
            for at in range(turn % self.STEPS, len(self.connections), self.STEPS):
                self._drip(at)
            turn += 1


def slowloris(bench):
    """commands while 1,000 connections send a byte a second, beside commands without them"""
    rig = bench.rig
    bench.run_pipeline()
    loads.allow_files()
    rate, seconds = max(bench.half_rate() // 2, 1), max(bench.plan.seconds * 2, 4)

    def load():
        seen = loads.open_loop(rig.command.url, loads.shoppers(rate * seconds, SHOPPERS), rate, SHOPPERS)
        rig.settle()
        return seen

    def beside_slow():
        with SlowClients(rig.command.port, SLOW) as slow:
            seen = load()
        return {**seen, "rate": seen["ms"]["p99"], "reopened": slow.reopened}

    samples = bench.sandwich(lambda: load()["ms"]["p99"], beside_slow)
    bench.report.ratio(f"p99 beside {SLOW:,} slow connections, {rate:,} commands/s", samples, "without", unit="ms",
                       at_most=1.2, refused=sum(sample.subject["refused"] for sample in samples.used))
