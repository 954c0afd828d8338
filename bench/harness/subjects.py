"""What is measured: one function for each name that ./dev bench takes, in the order in which they run."""

import concurrent.futures
import http.client
import json
import os
import shutil
import tempfile
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass

import confluent_kafka

from devstack.report import Trouble, say, wait_until
from . import loads, log_loader, machine, probes
from .emmett import emmett
from .arithmetic import latency_summary, median, sandwich
from .rig import DRAIN_SECONDS, TOPIC

CONNECTIONS = 256
READ_CONNECTIONS = 64
HOT_CONNECTIONS = 40
SWEEP = (1, 16, 64, 127, 128, 129, 256, 512, 1024)
STALL_MS = 50


@dataclass
class Plan:
    """How long and how often."""

    seconds: int
    wanted: int
    tries: int
    clients: tuple  # that pgbench's best is looked for among
    backlog: int    # events that an outage leaves


SHORT = Plan(seconds=2, wanted=1, tries=3, clients=(16, 64), backlog=100_000)
FULL = Plan(seconds=10, wanted=5, tries=12, clients=(8, 16, 32, 64, 128), backlog=1_000_000)


class Bench:
    """One run of ./dev bench."""

    def __init__(self, rig, plan, report):
        self.rig, self.plan, self.report = rig, plan, report
        self.best = {}  # pgbench's best number of clients, by script
        self.full_rate = None
        self.is_warm = False

    def run(self, name):
        """Measures one subject; its rows say how busy others kept the machine meanwhile."""
        with probes.Watch(self.rig) as watch:
            self.report.others_cores = watch.others_cores
            SUBJECTS[name](self)

    def pgbench(self, script):
        """A baseline: pgbench with `script` at the number of clients with which it's fastest here."""
        if script not in self.best:
            rates = {clients: loads.pgbench(self.rig, script, max(self.plan.seconds // 2, 2), clients)["rate"]
                     for clients in self.plan.clients}
            self.best[script] = max(rates, key=rates.get)
            say(f"  pgbench {script}: "
                + ", ".join(f"{clients} clients {rate:,.0f}/s" for clients, rate in rates.items()))

        def run():
            self.rig.sql("CHECKPOINT")
            return loads.pgbench(self.rig, script, self.plan.seconds, self.best[script])["rate"]
        return run

    def sandwich(self, baseline, subject):
        return sandwich(baseline, subject, self.plan.wanted, self.plan.tries, lambda text: say("    " + text))

    def run_pipeline(self):
        """Both services and all between them, warm: Kafka is Java, whose first seconds are unlike the others."""
        self.rig.run_pipeline()
        if not self.is_warm:
            loads.commands(self.rig, 2 * self.plan.seconds, CONNECTIONS)
            self.rig.settle()
        self.is_warm = True

    def half_rate(self):
        if self.full_rate is None:
            self.run_pipeline()
            self.full_rate = loads.commands(self.rig, self.plan.seconds, CONNECTIONS)["rate"]
            self.rig.settle()
        return max(int(self.full_rate / 2), 1)


def send(url, method, path, body=None):
    """One request by itself; answers its JSON."""
    data, headers = (None, {}) if body is None else (json.dumps(body).encode(), {"Content-Type": "application/json"})
    request = urllib.request.Request(url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _nudge(rig):
    """One more command, a second later, so that PostgreSQL's backends report what they have counted."""
    time.sleep(1.1)
    send(rig.command.url, "PUT", f"/v1/carts/{uuid.uuid4()}", {"currency": "EUR"})
    time.sleep(0.1)


def _measured_commands(bench, settle):
    """A sample of the command mix, with what it cost; with `settle` also how far the views were behind."""
    rig = bench.rig
    _nudge(rig)
    rig.sql("CHECKPOINT")
    wal_before, written_before = probes.wal(rig), rig.written()
    with probes.Watch(rig) as watch:
        seen = loads.commands(rig, bench.plan.seconds, CONNECTIONS)
    seen["cost"], seen["events"] = watch.cost, rig.written() - written_before
    if settle:
        seen["behindEvents"] = rig.written() - rig.projected()
        seen["behindSeconds"] = rig.settle()
    _nudge(rig)
    wal_after = probes.wal(rig)
    seen["walBytes"], seen["syncs"] = wal_after[0] - wal_before[0], wal_after[1] - wal_before[1]
    return seen


def _report_cpu(bench, samples, title, unit):
    used = [sample.subject for sample in samples.used]
    for label in sorted({label for seen in used for label in seen["cost"]["cpuSeconds"]}):
        spent = median([seen["cost"]["cpuSeconds"].get(label, 0) * 1e6 / seen["answers"] for seen in used])
        if spent >= 0.5:
            bench.report.figure(f"{title}: CPU {unit}, {label}", spent, "µs", noisy=samples.is_noisy, runs=len(used))


def _report_cost(bench, samples, title):
    report, used = bench.report, [sample.subject for sample in samples.used]
    noisy, runs = samples.is_noisy, len(used)

    def per_command(value_of):
        return median([value_of(seen) / seen["answers"] for seen in used])

    syncs = per_command(lambda seen: seen["syncs"])
    report.figure(f"{title}: disk syncs a command", syncs, "", "≤ 1/32", syncs <= 1 / 32, noisy, runs)
    written = per_command(lambda seen: seen["walBytes"])
    report.figure(f"{title}: WAL bytes a command", written, "B", noisy=noisy, runs=runs)
    _report_cpu(bench, samples, title, "a command")
    for name in sorted({name for seen in used for name in seen["cost"]["switches"] if name.endswith("-service")}):
        switches = per_command(lambda seen, name=name: seen["cost"]["switches"].get(name, 0))
        report.figure(f"{title}: context switches a command, {name}", switches, "", noisy=noisy, runs=runs)
    for name in sorted({name for seen in used for name in seen["cost"]["rssMiB"]}):
        rss = max(seen["cost"]["rssMiB"].get(name, 0) for seen in used)
        # 64 MiB and, of the command service, the cache of carts it was configured for.
        limit = 128 if name == "command-service" else 64
        report.figure(f"{title}: memory, {name}", rss, "MiB", f"≤ {limit} MiB", rss <= limit, noisy, runs)
    others = median([seen["cost"]["othersCpu"] for seen in used])
    report.figure(f"{title}: cores that other programs used", others, "", noisy=noisy, runs=runs)
    generator = median([seen["cost"]["generatorCpu"] for seen in used]) / loads.threads()
    report.figure(f"{title}: how busy the load generator was", generator, "", "< 0.9", generator < 0.9, noisy, runs)


def _commands(bench, title, target, settle):
    samples = bench.sandwich(bench.pgbench("append.sql"), lambda: _measured_commands(bench, settle))
    refused = sum(sample.subject["refused"] + sample.subject["broken"] for sample in samples.kept + samples.thrown)
    bench.report.ratio(f"commands, {title}", samples, "pgbench append", at_least=target, refused=refused,
                       connections=CONNECTIONS, clients=bench.best["append.sql"])
    # A few come out of turn on a busy machine: see CARTS_PER_CONNECTION.
    share = refused / sum(sample.subject["answers"] for sample in samples.kept + samples.thrown)
    bench.report.figure(f"{title}: share of commands refused", share, "", "≤ 0.001", share <= 0.001, samples.is_noisy)
    with probes.Watch(bench.rig) as watch:
        alone = loads.pgbench(bench.rig, "append.sql", bench.plan.seconds, bench.best["append.sql"])
    count = alone["rate"] * bench.plan.seconds
    for name, spent in (("postgres", watch.cost["cpuSeconds"]["postgres"]), ("pgbench", watch.cost["generatorSeconds"])):
        bench.report.figure(f"pgbench append: CPU a transaction, {name}", spent / count * 1e6, "µs")
    if settle:
        behind = median([sample.subject["behindSeconds"] for sample in samples.used])
        bench.report.figure(f"{title}: views behind at the end", behind, "s", noisy=samples.is_noisy)
    _report_cost(bench, samples, title)
    return samples


def pipeline(bench):
    """commands over HTTP with relay, Kafka and query service at work"""
    bench.run_pipeline()
    samples = _commands(bench, "pipeline", 1.5, True)
    bench.full_rate = median([sample.subject["rate"] for sample in samples.used])


def hot(bench):
    """all clients on one cart"""
    rig, plan = bench.rig, bench.plan
    bench.run_pipeline()
    cart = str(uuid.uuid4())
    lines = [{"sku": f"hot-{number}", "name": "Hot article", "quantity": 1,
              "unitPrice": {"amountMinor": 1999, "currency": "EUR"}} for number in range(1, 21)]
    send(rig.command.url, "PUT", f"/v1/carts/{cart}", {"currency": "EUR"})
    send(rig.command.url, "POST", f"/v1/carts/{cart}/items", {"items": lines})

    def separate():
        seen = loads.commands(rig, plan.seconds, HOT_CONNECTIONS)
        rig.settle()
        return seen["rate"]

    def one():
        seen = loads.commands(rig, plan.seconds, HOT_CONNECTIONS, "hot", cart)
        rig.settle()
        return seen

    samples = bench.sandwich(separate, one)
    refused = sum(sample.subject["refused"] + sample.subject["broken"] for sample in samples.kept + samples.thrown)
    bench.report.ratio("commands, one hot cart", samples, "separate carts", at_least=0.5, refused=refused,
                       connections=HOT_CONNECTIONS)
    bench.report.figure("hot cart: commands refused", refused, "", "0", refused == 0)


def idle(bench):
    """one command alone on an idle service"""
    rig, plan = bench.rig, bench.plan
    bench.run_pipeline()
    before = machine.fsync_us(rig.folder)
    seen = loads.open_loop(rig.command.url, loads.shoppers(plan.seconds * 50, 1), 50, 1)
    fsync = (before + machine.fsync_us(rig.folder)) / 2000
    bench.report.figure("fsync beside it", fsync, "ms")
    _report_latency(bench, "one command alone", seen["ms"], {"p50": 2 * fsync + 1})
    rig.settle()


def _report_latency(bench, title, summary, allowed):
    """`allowed` has the target of each percentile that has one, in milliseconds."""
    shown = " ".join(f"{name} {summary[name]:.2f}" for name in ("p50", "p90", "p99", "p99.9", "max"))
    say(f"    {title}: {shown} ms, {summary['count']} requests")
    for name in ("p50", "p99"):
        limit = allowed.get(name)
        bench.report.figure(f"{title}, {name}", summary[name], "ms", f"≤ {limit:.1f} ms" if limit else "",
                            summary[name] <= limit if limit else None, runs=summary["count"], ms=summary)


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
    _report_latency(bench, f"{title}: command", seen["ms"], {"p99": 4 * fsync + 3})
    delivered = latency_summary(probe.delivered() or [])
    if delivered:
        _report_latency(bench, f"{title}: acknowledged → Kafka", delivered, {"p99": 5})
    _report_latency(bench, f"{title}: acknowledged → GET", latency_summary(probe.visible), {"p50": 5, "p99": 20})


def connections(bench):
    """the command mix from 1 to 1,024 connections"""
    rig, seconds = bench.rig, max(bench.plan.seconds // 2, 1)
    bench.run_pipeline()
    for count in SWEEP:
        seen = loads.commands(rig, seconds, count)
        rig.settle()
        stall = seen["ms"]["max"] - seen["ms"]["p50"]
        bench.report.figure(f"commands, {count:,} connections", seen["rate"], "/s", f"stall ≤ {STALL_MS} ms",
                            stall <= STALL_MS, beside=f"p50 {seen['ms']['p50']:.1f} max {seen['ms']['max']:.1f} ms",
                            **seen)


def get(bench):
    """GET of a cart, and of one that has not changed"""
    rig, plan = bench.rig, bench.plan
    bench.run_pipeline()
    rig.hello.start("/")
    rows = rig.sql("SELECT cart_id, version, octet_length(body::text) FROM cart_views WHERE status = 'open'"
                   " ORDER BY cart_id LIMIT 10000", database="cartledger_query")
    if not rows:
        loads.commands(rig, plan.seconds, CONNECTIONS)
        rig.settle()
        return get(bench)
    size = sum(row[2] for row in rows) / len(rows)

    def hello():
        return loads.plain_wrk(rig.hello.url, plan.seconds, READ_CONNECTIONS)["rate"]

    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.writelines(f'/v1/carts/{cart} "{version}"\n' for cart, version, _ in rows)
        file.flush()

        def ours():
            with probes.Watch(rig) as watch:
                seen = loads.wrk(rig.query.url, "cart_get.lua", plan.seconds, READ_CONNECTIONS, file.name)
            return {**seen, "cost": watch.cost}

        said = {"carts": len(rows), "bodyBytes": size, "connections": READ_CONNECTIONS}
        samples = bench.sandwich(hello, ours)
        bench.report.ratio("GET cart", samples, "bare hello", at_least=0.6, **said)
        _report_cpu(bench, samples, "GET cart", "a request")
        samples = bench.sandwich(bench.pgbench("select.sql"), ours)
        bench.report.ratio("GET cart", samples, "pgbench select", at_least=1, **said)
    _not_modified(bench, rows, said)
    rig.hello.stop()
    return None


def _not_modified(bench, rows, said):
    """Both sides through open_loop's closed loop: wrk waits for the body that a 304 leaves out."""
    rig, count = bench.rig, max(bench.plan.seconds * 10_000, READ_CONNECTIONS)
    fresh = [loads.request("GET", f"/v1/carts/{cart}", headers=f'If-None-Match: "{version}"\r\n')
             for cart, version, _ in rows]
    fresh = [fresh[number % len(fresh)] for number in range(count)]
    greeting = [loads.request("GET", "/")] * count

    def hello():
        return loads.open_loop(rig.hello.url, greeting, 0, READ_CONNECTIONS)["rate"]

    samples = bench.sandwich(hello, lambda: loads.open_loop(rig.query.url, fresh, 0, READ_CONNECTIONS))
    bench.report.ratio("GET cart, 304", samples, "bare hello", at_least=0.85, **said)


def alone(bench):
    """commands over HTTP without relay and query service"""
    bench.rig.run_commands_alone()
    _commands(bench, "alone", 2.5, False)


def _rate_of(program, position, goal):
    """Starts the program; how fast position() then goes to `goal`, in events a second, from when it's seen to move.

    What was done before the first look does not count, unless all of it was: then the start counts too.
    """
    first, began = position(), time.monotonic()
    program.start()
    start = position()
    while start in (first, None):
        time.sleep(0.002)
        start = position()
    if start < goal or first is None:
        first, began = start, time.monotonic()
    done = wait_until(lambda: (position() or 0) >= goal, DRAIN_SECONDS, 0.01)
    if done is None:
        raise Trouble(f"{program.name} is at {position()} of {goal} events after {DRAIN_SECONDS} s")
    return (goal - first) / (time.monotonic() - began)


def catch_up(bench):
    """the relay after an outage of Kafka, and the views after one of the query service"""
    rig, plan, relay = bench.rig, bench.plan, []
    bench.run_pipeline()
    upsert = bench.pgbench("upsert.sql")

    def views():
        rig.run_nothing()
        log_loader.load(rig, plan.backlog)
        rig.command.env["RELAY_ENABLED"] = "true"
        relay.append(_rate_of(rig.command, rig.published, rig.written()))
        rate = _rate_of(rig.query, rig.projected, rig.written())
        return {"rate": rate, "rssMiB": probes.rss_mib(rig.query.pid)}

    samples = bench.sandwich(upsert, views)
    bench.report.figure("relay after an outage", median(relay), "events/s", runs=len(relay), all=relay)
    bench.report.ratio("views catching up", samples, "pgbench upsert", at_least=5, unit="events/s")
    memory = max(sample.subject["rssMiB"] for sample in samples.used)
    bench.report.figure("views catching up: memory", memory, "MiB", "≤ 64 MiB", memory <= 64, samples.is_noisy)


def peers(bench):
    """the command service beside what one would otherwise write, behind the same load (by name only; needs Go)"""
    rig, plan = bench.rig, bench.plan
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found is None:
        raise Trouble("./dev bench peers needs Go 1.25 or newer")
    env = {"PATH": f"{os.path.dirname(found)}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"),
           **{name: value for name, value in os.environ.items() if name.startswith("GO")}}
    redis = rig.start_peer("redis", None)
    rivals = {"go-postgres": rig.url("bench"), "go-redis": f"redis://127.0.0.1:{redis.port}"}
    for name, url in rivals.items():
        rival = rig.start_peer(name, "/readyz", url, env=env)
        refused = []

        def theirs(rival=rival, refused=refused):
            seen = loads.commands(rig, plan.seconds, CONNECTIONS, url=rival.url)
            refused.append(seen["refused"] + seen["broken"])
            return seen["rate"]

        for title, prepare, settle in (("pipeline", bench.run_pipeline, True),
                                       ("alone", rig.run_commands_alone, False)):
            prepare()

            def ours(settle=settle):
                seen = loads.commands(rig, plan.seconds, CONNECTIONS)
                if settle:
                    rig.settle()
                return seen

            bench.report.ratio(f"commands, {title}", bench.sandwich(theirs, ours), name, at_least=1,
                               refusedByPeer=sum(refused), connections=CONNECTIONS)
        rival.stop()
    redis.stop()


BY_NAME = ("peers", "emmett")
SUBJECTS = {"pipeline": pipeline, "hot": hot, "half-load": half_load, "idle": idle, "connections": connections,
            "get": get, "alone": alone, "catch-up": catch_up, "peers": peers, "emmett": emmett}
