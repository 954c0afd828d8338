"""One run of ./dev bench: its plan, its servers, its report, and what several subjects need."""

import json
import math
import time
import urllib.request
from dataclasses import dataclass

from devstack.report import say
from . import loads, probes
from .arithmetic import median, sandwich

CONNECTIONS = 256
READ_CONNECTIONS = 64


@dataclass
class Plan:
    """How long and how often."""

    seconds: int
    wanted: int
    tries: int
    clients: tuple     # that pgbench's best is looked for among
    backlog: int       # events that an outage leaves
    most_seconds: int  # that the samples of one row may take
    outage: int        # seconds without Kafka
    warming: int       # seconds of load before the first figure: Kafka is Java
    counts_calls: bool  # system calls, how many a command makes, where perf may
    jvm_options: tuple  # Kafka's, beside those of ./dev


SHORT = Plan(seconds=2, wanted=1, tries=3, clients=(16, 64), backlog=100_000, most_seconds=60, outage=60,
             warming=4, counts_calls=False, jvm_options=())
# The broker compiles and collects as Kafka's own start script has it. It needs about 20 s of load to be quicker than
# the one of ./dev, which is made to start quickly, and its compilers are at work for up to two minutes.
FULL = Plan(seconds=10, wanted=5, tries=12, clients=(8, 16, 32, 64, 128), backlog=500_000, most_seconds=150,
            outage=1800, warming=120, counts_calls=True, jvm_options=(
                "-XX:TieredStopAtLevel=4", "-XX:-UseSerialGC", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Xms512m"))


class Bench:
    """One run of ./dev bench."""

    def __init__(self, rig, plan, report):
        self.rig, self.plan, self.report = rig, plan, report
        self.best = {}  # pgbench's best number of clients, by script
        self.full_rate = None
        self.carts = None  # that GETs are of
        self.is_warm = False
        self.until = math.inf  # monotonic seconds; what is being measured repeats no sample after that

    def run(self, subject, until=math.inf):
        """Measures it; its rows say how busy others kept the machine meanwhile."""
        self.until = until
        with probes.Watch(self.rig) as watch:
            self.report.others_cores = watch.others_cores
            subject(self)

    def pgbench(self, script, clients=None, rows=1):
        """A baseline: pgbench with `script` at the number of clients with which it's fastest here, of the plan's or
        those given. Its rate counts `rows` for a transaction.
        """
        if script not in self.best:
            rates = {count: loads.pgbench(self.rig, script, max(self.plan.seconds // 2, 2), count)["rate"]
                     for count in clients or self.plan.clients}
            self.best[script] = max(rates, key=rates.get)
            say(f"  pgbench {script}: "
                + ", ".join(f"{count} clients {rate * rows:,.0f}/s" for count, rate in rates.items()))

        def run():
            self.rig.sql("CHECKPOINT")
            return loads.pgbench(self.rig, script, self.plan.seconds, self.best[script])["rate"] * rows
        return run

    def sandwich(self, baseline, subject):
        return sandwich(baseline, subject, self.plan.wanted, self.plan.tries, lambda text: say("    " + text),
                        min(self.plan.most_seconds, self.until - time.monotonic()))

    def run_pipeline(self):
        """Both services and all between them, warm."""
        self.rig.run_pipeline()
        if not self.is_warm:
            loads.commands(self.rig, self.plan.warming, CONNECTIONS)
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


def report_cpu(bench, samples, title, unit):
    used = [sample.subject for sample in samples.used]
    for label in sorted({label for seen in used for label in seen["cost"]["cpuSeconds"]}):
        spent = median([seen["cost"]["cpuSeconds"].get(label, 0) * 1e6 / seen["answers"] for seen in used])
        if spent >= 0.5:
            bench.report.figure(f"{title}: CPU {unit}, {label}", spent, "µs", noisy=samples.is_noisy, runs=len(used))


def report_latency(bench, title, summary, allowed):
    """`allowed` has the target of each percentile that has one, in milliseconds."""
    shown = " ".join(f"{name} {summary[name]:.2f}" for name in ("p50", "p90", "p99", "p99.9", "max"))
    say(f"    {title}: {shown} ms, {summary['count']} requests")
    for name in ("p50", "p99"):
        limit = allowed.get(name)
        bench.report.figure(f"{title}, {name}", summary[name], "ms", f"≤ {limit:.1f} ms" if limit else "",
                            summary[name] <= limit if limit else None, runs=summary["count"], ms=summary)
