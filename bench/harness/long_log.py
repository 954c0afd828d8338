"""Whether a long log costs more than a short one: each figure that has a target, and what a command costs, before and
after ten million events."""

import dataclasses
import math
import time

from devstack.report import say
from . import commands, latencies, log_loader, outages, reads
from .bench import SHORT

EVENTS = 10_000_000
AS_GOOD = 1.2  # a long log may cost so many times what a short one does
SUBJECTS = (commands.pipeline, commands.hot, latencies.half_load, latencies.idle, latencies.slowloris,
            commands.connections, reads.get, commands.alone, outages.catch_up, outages.relay, outages.rebuild)
CHANCE = ("share of commands refused",)  # what has a target, but does not say what anything costs


def long_log(bench):
    """each figure before and after ten million events are loaded into the log"""
    bench.plan = dataclasses.replace(bench.plan, backlog=SHORT.backlog)  # the log is to be short before
    bench.half_rate()
    full_rate = bench.full_rate
    before = _measured(bench, "short log", full_rate)
    _fill(bench)
    after = _measured(bench, "long log", full_rate)
    bench.report.title = "× worse"
    for name in [*before, *(after.keys() - before.keys())]:
        if name in before and name in after:
            _compare(bench.report, name, before[name], after[name])
        else:
            say(f"    measured only once: {name}")


def _measured(bench, title, full_rate):
    """Measures everything; answers the rows to be compared, by name. Rates that are a share of the full one are the same
    each time.
    """
    rig, report = bench.rig, bench.report
    for database in ("cartledger_command", "cartledger_query"):
        rig.sql("VACUUM ANALYZE", database=database)
    report.title, first = title, len(report.rows)
    report.figure("events in the log", rig.written(), "")
    for subject in SUBJECTS:
        bench.full_rate = full_rate
        subject(bench)
    report.figure("events in the log, in the end", rig.written(), "")
    return {_name(row): row for row in report.rows[first:]
            if _has_target(row) and not row["figure"].endswith(CHANCE) or " a command" in row["figure"]}


def _has_target(row):
    return row["target"][:1] in ("≤", "≥")


def _name(row):
    return f"{row['figure']} ÷ {row['baseline']}" if row["kind"] == "ratio" else row["figure"]


def _fill(bench):
    """Loads the events, publishes them and makes their views."""
    rig, report = bench.rig, bench.report
    rig.run_nothing()
    report.title = "long log"
    began, written = time.monotonic(), rig.written()
    log_loader.load(rig, EVENTS)
    loaded, took = rig.written() - written, time.monotonic() - began
    report.figure("events loaded", loaded / took, "/s", beside=f"{loaded:,} in {took:.0f} s")
    rig.command.env["RELAY_ENABLED"] = "true"
    outages.rate_of(rig.command, rig.published, rig.written())
    outages.rate_of(rig.query, rig.projected, rig.written())
    rig.command.stop()
    began = time.monotonic()
    rig.command.start()
    report.figure("command service ready again", time.monotonic() - began, "s", beside=f"{rig.written():,} events")


def _compare(report, name, before, after):
    worse = how_much_worse(before, after)
    target, met = (f"≤ {AS_GOOD}", worse <= AS_GOOD) if _has_target(before) else ("", None)
    report.figure(name, worse if math.isfinite(worse) else None, "", target, met,
                  before["noisy"] or after["noisy"], beside=f"{_value(before):.3g} before, {_value(after):.3g} after")


def _value(row):
    return row["ratio"] if row["kind"] == "ratio" else row["ours"]


def how_much_worse(before, after):
    """How many times worse the second of two rows with the same target is; without one, less is better."""
    less, more = _value(before), _value(after)
    if before["target"].startswith("≥"):
        less, more = more, less
    return more / less if less > 0 else math.inf if more > 0 else 1
