"""What was left undone while something was away, and how quickly it is done afterwards."""

import time

from devstack.report import Trouble, wait_until
from . import log_loader, probes
from .arithmetic import median
from .rig import DRAIN_SECONDS


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
