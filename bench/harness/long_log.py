"""Whether a long log costs more than an empty one: each figure that has a target, before and after ten million events."""

import time

from . import commands, latencies, log_loader, outages, reads

EVENTS = 10_000_000
AS_GOOD = 1.2  # a long log may cost so many times what an empty one does
SUBJECTS = (commands.pipeline, commands.hot, latencies.half_load, latencies.idle, latencies.slowloris,
            commands.connections, reads.get, commands.alone, outages.catch_up, outages.relay, outages.rebuild)
CHANCE = ("share of commands refused",)  # what has a target, but does not say what anything costs


def long_log(bench):
    """each figure before and after ten million events are loaded into the log"""
    rig, report = bench.rig, bench.report
    bench.half_rate()
    begun, full_rate = rig.written(), bench.full_rate
    before = _with_targets(bench, "empty log", full_rate)
    _fill(bench)
    after = _with_targets(bench, "long log", full_rate)
    for name in filter(after.get, before):
        worse = how_much_worse(before[name], after[name])
        if worse is not None:
            report.figure(f"long log, × worse: {name}", worse, "", f"≤ {AS_GOOD}", worse <= AS_GOOD,
                          before[name]["noisy"] or after[name]["noisy"],
                          beside=f"{_value(before[name]):.3g} before, {_value(after[name]):.3g} after",
                          events=rig.written(), eventsBefore=begun)


def _with_targets(bench, title, full_rate):
    """Measures everything; answers the rows that have a target, by the figure's name. Rates that are a share of the
    full one are the same each time.
    """
    report = bench.report
    first = len(report.rows)
    report.title = f"{title}: "
    for subject in SUBJECTS:
        bench.full_rate = full_rate
        subject(bench)
    report.title = ""
    return {_name(row).removeprefix(f"{title}: "): row for row in report.rows[first:]
            if row["target"][:1] in ("≤", "≥") and not row["figure"].endswith(CHANCE)}


def _name(row):
    return f"{row['figure']} ÷ {row['baseline']}" if row["kind"] == "ratio" else row["figure"]


def _fill(bench):
    """Loads the events, publishes them and makes their views."""
    rig, report = bench.rig, bench.report
    rig.run_nothing()
    began, written = time.monotonic(), rig.written()
    log_loader.load(rig, EVENTS)
    loaded, took = rig.written() - written, time.monotonic() - began
    report.figure("events loaded", loaded / took, "/s", beside=f"{loaded:,} in {took:.0f} s")
    rig.command.env["RELAY_ENABLED"] = "true"
    outages.rate_of(rig.command, rig.published, rig.written())
    outages.rate_of(rig.query, rig.projected, rig.written())
    for database in ("cartledger_command", "cartledger_query"):
        rig.sql("VACUUM ANALYZE", database=database)
    rig.command.stop()
    began = time.monotonic()
    rig.command.start()
    report.figure("command service ready again", time.monotonic() - began, "s", beside=f"{rig.written():,} events")


def _value(row):
    return row["ratio"] if row["kind"] == "ratio" else row["ours"]


def how_much_worse(before, after):
    """How many times worse the second of two rows with the same target is. None: the first is nothing, or there is no
    saying.
    """
    less, more = _value(before), _value(after)
    if before["target"].startswith("≥"):
        less, more = more, less
    return more / less if less > 0 else None
