"""What a command costs: CPU by thread, WAL, context switches, system calls, memory. For how that grows."""

import contextlib

from . import probes
from .report import number


@contextlib.contextmanager
def metered(bench):
    """What the block costs, in a dict that is filled when it ends."""
    rig, cost, calls = bench.rig, {}, {}
    with contextlib.ExitStack() as counting:
        if bench.plan.counts_calls:
            for name, pids in rig.processes().items():
                counter = probes.SystemCalls(pids[0], ()) if name.endswith("-service") else None
                if counter and counter.are_allowed():
                    calls[name] = counting.enter_context(counter)
        wal = probes.wal_bytes(rig)
        with probes.Watch(rig) as watch:
            yield cost
        wal = probes.wal_bytes(rig) - wal
    cost.update(watch.cost, walBytes=wal,
                systemCalls={name: sum(counter.counts.values()) for name, counter in calls.items()})


def report(bench, title, cost, commands, parts=("",), **by):
    """A row of what each of so many commands cost, which for threads and programs only the file has.

    `parts` are the beginnings of those whose CPU counts: an idle broker takes more than a few commands do.
    """
    def of_each(by_name):
        return {name: spent / commands for name, spent in by_name.items()}

    cpu = of_each({label: 1e6 * spent for label, spent in cost["cpuSeconds"].items() if label.startswith(parts)})
    switches = of_each({name: made for name, made in cost["switches"].items() if name.endswith("-service")})
    calls, wal = of_each(cost["systemCalls"]), cost["walBytes"] / commands
    beside = [f"WAL {number(wal)} B", f"{number(sum(switches.values()))} switches"]
    if calls:
        beside.append(f"{number(sum(calls.values()))} calls")
    bench.report.figure(f"{title}: CPU a command", sum(cpu.values()), "µs", beside=", ".join(beside), **by, cost={
        "cpuUs": cpu, "walBytes": wal, "switches": switches, "systemCalls": calls, "rssMiB": cost["rssMiB"]})
