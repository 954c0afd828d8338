"""What a command costs: CPU by thread, WAL, context switches, system calls, memory. For how that grows."""

import contextlib

from . import probes
from .report import number


def measured(bench, load):
    """What the load saw, and all that was spent from its first command until the views have the last one.

    Without a query service that is its end. Memory is what it was when the load ended.
    """
    rig, wal = bench.rig, probes.wal_bytes(bench.rig)
    with probes.Watch(rig) as watch:
        seen = load()
        memory = probes.services_mib(rig)
        if "query-service" in memory:
            rig.settle()
    return seen, {**watch.cost, "rssMiB": memory, "walBytes": probes.wal_bytes(rig) - wal, "commands": seen["answers"]}


def system_calls(bench, load):
    """How many a command makes, by service, where they are counted. Of a load of its own: counting slows them down."""
    rig = bench.rig
    counters = {name: probes.SystemCalls(pids[0], ()) for name, pids in rig.processes().items()
                if name.endswith("-service")}
    if not bench.plan.counts_calls or not all(counter.are_allowed() for counter in counters.values()):
        return {}
    with contextlib.ExitStack() as counting:
        for counter in counters.values():
            counting.enter_context(counter)
        commands = load()["answers"]
        rig.settle()
    return {name: sum(counter.counts.values()) / commands for name, counter in counters.items()}


def report(bench, title, cost, programs=None, calls=None, **by):
    """A row of what a command cost; by thread and program only in the file.

    `programs`: those whose CPU counts, all unless given. An idle broker takes more than a few commands do.
    """
    commands = cost["commands"]
    cpu = {label: 1e6 * spent / commands for label, spent in cost["cpuSeconds"].items()
           if programs is None or label.partition("/")[0] in programs}
    switches = {name: made / commands for name, made in cost["switches"].items() if name.endswith("-service")}
    wal = cost["walBytes"] / commands
    beside = [f"WAL {number(wal)} B", f"{number(sum(switches.values()))} switches"]
    if calls:
        beside.append(f"{number(sum(calls.values()))} calls")
    bench.report.figure(f"{title}: CPU a command", sum(cpu.values()), "µs", beside=", ".join(beside), **by, cost={
        "cpuUs": cpu, "walBytes": wal, "switches": switches, "systemCalls": calls or {}, "rssMiB": cost["rssMiB"]})
