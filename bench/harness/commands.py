"""Commands over HTTP: their rate, and what each costs."""

import concurrent.futures
import time
import uuid

from devstack.report import say
from . import costs, loads, probes, reads
from .arithmetic import median
from .bench import CONNECTIONS, report_cpu, send

HOT_CONNECTIONS = 40
SWEEP = (1, 16, 64, 127, 128, 129, 256, 512, 1024)
STALL_MS = 50


def _nudge(rig):
    """One more command, a second later, so that PostgreSQL's backends report what they have counted."""
    time.sleep(1.1)
    send(rig.command.url, "PUT", f"/v1/carts/{uuid.uuid4()}", {"currency": "EUR"})
    time.sleep(0.1)


def sample(bench, settle, mode="mix"):
    """A sample of commands, with what it cost; with `settle` also how far the views were behind."""
    rig = bench.rig
    _nudge(rig)
    rig.sql("CHECKPOINT")
    wal_before, syncs_before, written_before = probes.wal_bytes(rig), probes.wal_syncs(rig), rig.written()
    with probes.Watch(rig) as watch:
        seen = loads.commands(rig, bench.plan.seconds, CONNECTIONS, mode)
    seen["cost"], seen["events"] = watch.cost, rig.written() - written_before
    if settle:
        seen["behindEvents"] = rig.written() - rig.projected()
        seen["behindSeconds"] = rig.settle()
    _nudge(rig)
    seen["walBytes"], seen["syncs"] = probes.wal_bytes(rig) - wal_before, probes.wal_syncs(rig) - syncs_before
    return seen


def _report_cost(bench, samples, title):
    report, used = bench.report, [sample.subject for sample in samples.used]
    noisy, runs = samples.is_noisy, len(used)

    def per_command(value_of):
        return median([value_of(seen) / seen["answers"] for seen in used])

    syncs = per_command(lambda seen: seen["syncs"])
    report.figure(f"{title}: disk syncs a command", syncs, "", "≤ 1/32", syncs <= 1 / 32, noisy, runs)
    written = per_command(lambda seen: seen["walBytes"])
    report.figure(f"{title}: WAL bytes a command", written, "B", noisy=noisy, runs=runs)
    report_cpu(bench, samples, title, "a command")
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
    samples = bench.sandwich(bench.pgbench("append.sql"), lambda: sample(bench, settle))
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


def alone(bench):
    """commands over HTTP without relay and query service"""
    bench.rig.run_commands_alone()
    _commands(bench, "alone", 2.5, False)


def hot_cart(url):
    """A cart with the articles that cart_mix.lua's hot mode changes; its id."""
    cart = str(uuid.uuid4())
    send(url, "PUT", f"/v1/carts/{cart}", {"currency": "EUR"})
    for number in range(1, 21):
        send(url, "POST", f"/v1/carts/{cart}/items", {
            "sku": f"hot-{number}", "name": "Hot article", "quantity": 1,
            "unitPrice": {"amountMinor": 1999, "currency": "EUR"}})
    return cart


def hot(bench):
    """all clients on one cart"""
    rig, plan = bench.rig, bench.plan
    bench.run_pipeline()
    cart = hot_cart(rig.command.url)

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


def new_carts(bench):
    """commands that each create a cart"""
    bench.run_pipeline()
    samples = bench.sandwich(bench.pgbench("append.sql"), lambda: sample(bench, True, "new"))
    bench.report.ratio("commands, new carts only", samples, "pgbench append", connections=CONNECTIONS,
                       refused=sum(one.subject["refused"] + one.subject["broken"] for one in samples.used))


def connections(bench):
    """the command mix from 1 to 1,024 connections, with its stalls, and what a command costs"""
    rig, seconds = bench.rig, max(bench.plan.seconds // 2, 1)
    rig.run_nothing()  # for a memory that has seen no more connections yet
    bench.run_pipeline()
    for count in SWEEP:
        commits = rig.metric_buckets("cartledger_lane_commit_seconds")
        seen, cost = costs.measured(bench, lambda: loads.commands(rig, seconds, count))
        longest = max((limit for limit, number in rig.metric_buckets("cartledger_lane_commit_seconds").items()
                       if number > commits.get(limit, 0)), default=0)
        cached = rig.metric("cartledger_lane_cache_bytes") / 2**20
        title, stall = f"{count:,} connections", seen["ms"]["max"] - seen["ms"]["p50"]
        bench.report.figure(f"{title}: commands", seen["rate"], "/s", connections=count, **seen,
                            beside=f"p50 {seen['ms']['p50']:.1f} p99 {seen['ms']['p99']:.1f} ms")
        bench.report.figure(f"{title}: stall, max − p50", stall, "ms", f"≤ {STALL_MS} ms", stall <= STALL_MS,
                            connections=count, beside=f"longest commit ≤ {longest * 1000:g} ms")
        calls = costs.system_calls(bench, lambda: loads.commands(rig, seconds, count))
        costs.report(bench, title, cost, calls=calls, connections=count)
        memory = cost["rssMiB"]["command-service"]
        bench.report.figure(f"{title}: memory, command-service", memory, "MiB", connections=count,
                            beside=f"{cached:.1f} of it cached carts")


def system_calls(bench):
    """system calls a command and a GET, by thread and by call, where perf may count them"""
    rig = bench.rig
    bench.run_pipeline()
    for what, program, load in (("a command", rig.command, lambda: sample(bench, True)),
                                ("a GET", rig.query, lambda: reads.sample(bench))):
        calls = probes.SystemCalls(program.pid)
        if not calls.are_allowed():
            say("    skipped: there is no perf, or it may not count system calls here")
            return
        with calls:
            seen = load()
        for name, number in calls.counts.items():
            if number / seen["answers"] >= 0.01:
                bench.report.figure(f"system calls {what}: {name}", number / seen["answers"], "")


def profile(bench):
    """where both services spend their CPU, for a flame graph, where perf may look"""
    rig, seconds = bench.rig, bench.plan.seconds * 2
    bench.run_pipeline()
    for what, program, load in (
            ("commands", rig.command, lambda: loads.commands(rig, seconds + 2, CONNECTIONS)),
            ("views", rig.query, lambda: loads.commands(rig, seconds + 2, CONNECTIONS)),
            ("GETs", rig.query, lambda: reads.sample(bench, seconds=seconds + 2))):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            under_load = pool.submit(load)
            time.sleep(1)
            stacks = probes.profile(program.pid, seconds, str(rig.folder / "perf.data"))
            under_load.result()
        rig.settle()
        bench.report.profile(program.name, what, stacks)
