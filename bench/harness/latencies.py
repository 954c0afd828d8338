"""Latencies at a rate that the machine can keep up with, in an open loop."""

import concurrent.futures
import http.client
import json
import threading
import time
import uuid

import confluent_kafka

from . import loads, machine
from .arithmetic import latency_summary
from .bench import CONNECTIONS, report_latency
from .rig import TOPIC


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


def half_load(bench):
    """latencies at half of the full load, in an open loop"""
    rig, rate = bench.rig, bench.half_rate()
    bench.run_pipeline()
    seconds = max(bench.plan.seconds * 2, 4)
    texts = loads.shoppers(rate * seconds, CONNECTIONS)
    fsync = machine.fsync_us(rig.folder) / 1000
    probe = Probe(rig)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        load = pool.submit(loads.open_loop, rig.command.url, texts, rate, CONNECTIONS)
        probe.run(seconds - 1)
        seen = load.result()
    rig.settle()
    title = f"at half load ({rate:,} commands/s)"
    bench.report.figure(f"{title}: refused", seen["refused"], "", "0", seen["refused"] == 0, runs=seen["answers"])
    report_latency(bench, f"{title}: command", seen["ms"], {"p99": 4 * fsync + 3})
    delivered = latency_summary(probe.delivered() or [])
    if delivered:
        report_latency(bench, f"{title}: acknowledged → Kafka", delivered, {"p99": 5})
    report_latency(bench, f"{title}: acknowledged → GET", latency_summary(probe.visible), {"p50": 5, "p99": 20})
