"""GETs of carts."""

import tempfile

from . import loads, probes
from .bench import CONNECTIONS, READ_CONNECTIONS, report_cpu


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
        report_cpu(bench, samples, "GET cart", "a request")
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
