"""GETs of carts."""

import tempfile

from . import loads, probes
from .arithmetic import median
from .bench import CONNECTIONS, READ_CONNECTIONS, report_cpu


def get(bench):
    """GET of a cart, and of one that has not changed"""
    bench.run_pipeline()
    rows = _open_carts(bench)
    said = {"carts": len(rows), "bodyBytes": sum(size for _, _, size in rows) / len(rows),
            "connections": READ_CONNECTIONS}
    samples = beside_hello(bench, rows)
    bench.report.ratio("GET cart", samples, "bare hello", at_least=0.6, **said)
    report_cpu(bench, samples, "GET cart", "a request")
    samples = bench.sandwich(bench.pgbench("select.sql"), lambda: sample(bench, rows))
    bench.report.ratio("GET cart", samples, "pgbench select", at_least=1, **said)
    _not_modified(bench, rows, said)


def _open_carts(bench):
    """(id, version, bytes) of up to 10,000, the same ones each time."""
    rig = bench.rig
    if not bench.carts:
        bench.carts = rig.sql("SELECT cart_id, version, octet_length(body) FROM cart_views WHERE status = 'open'"
                              " ORDER BY cart_id LIMIT 10000", database="cartledger_query")
    if bench.carts:
        return bench.carts
    loads.commands(rig, bench.plan.seconds, CONNECTIONS)
    rig.settle()
    return _open_carts(bench)


def sample(bench, rows=None, seconds=None):
    """GETs of these carts, or of any, with what they cost."""
    rig, rows = bench.rig, rows or _open_carts(bench)
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.writelines(f'/v1/carts/{cart} "{version}"\n' for cart, version, _ in rows)
        file.flush()
        with probes.Watch(rig) as watch:
            seen = loads.wrk(rig.query.url, "cart_get.lua", seconds or bench.plan.seconds,
                             READ_CONNECTIONS, file.name)
    return {**seen, "cost": watch.cost}


def beside_hello(bench, rows=None):
    """Samples of GETs of carts between two of the smallest service."""
    hello, rows, busy = bench.rig.hello, rows or _open_carts(bench), []

    def greetings():
        with probes.Watch(bench.rig) as watch:
            rate = loads.plain_wrk(hello.url, bench.plan.seconds, READ_CONNECTIONS)["rate"]
        busy.append(watch.cost["generatorCpu"] / loads.threads())
        return rate

    hello.start("/")
    samples = bench.sandwich(greetings, lambda: sample(bench, rows))
    hello.stop()
    ours = [seen.subject["cost"]["generatorCpu"] / loads.threads() for seen in samples.used]
    for name, shares in (("bare hello", busy), ("GET cart", ours)):
        share = median(shares)
        bench.report.figure(f"{name}: how busy the load generator was", share, "", "< 0.9", share < 0.9)
    return samples


def _not_modified(bench, rows, said):
    """Both sides through open_loop's closed loop: wrk waits for the body that a 304 leaves out."""
    rig, count = bench.rig, max(bench.plan.seconds * 50_000, READ_CONNECTIONS)
    fresh = [loads.request("GET", f"/v1/carts/{cart}", headers=f'If-None-Match: "{version}"\r\n')
             for cart, version, _ in rows]
    fresh = [fresh[number % len(fresh)] for number in range(count)]
    greeting = [loads.request("GET", "/")] * count
    rig.hello.start("/")
    samples = bench.sandwich(lambda: loads.open_loop(rig.hello.url, greeting, 0, READ_CONNECTIONS)["rate"],
                             lambda: loads.open_loop(rig.query.url, fresh, 0, READ_CONNECTIONS))
    rig.hello.stop()
    bench.report.ratio("GET cart, 304", samples, "bare hello", at_least=0.85, **said)
