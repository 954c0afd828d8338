"""How cost grows: with the lines of a cart, and with its events."""

import http.client
import json
import tempfile
import time

from . import costs, loads, log_loader
from .arithmetic import latency_summary
from .bench import READ_CONNECTIONS

LINES = (1, 5, 20, 100, 500)
CARTS, CONNECTIONS = 256, 64
EVENTS = (1, 10, 100, 1000, 10_000)
EVENTS_CARTS, EVENTS_LINES = 20, 20


def lines(bench):
    """commands, views and GETs of carts with 1 to 500 lines"""
    rig, report, seconds = bench.rig, bench.report, max(bench.plan.seconds // 2, 2)
    for count in LINES:
        rig.run_nothing()
        carts = _load(rig, CARTS, count + 1, count)
        with tempfile.NamedTemporaryFile("w") as file:
            file.writelines(f"{cart}\n" for cart in carts)
            file.flush()

            def load(for_seconds):
                return loads.filled(rig, for_seconds, CONNECTIONS, file.name, count)

            rig.run_commands_alone()
            load(1)  # each cart is in the cache then
            alone, alone_cost = costs.measured(bench, lambda: load(seconds))
            _run_pipeline(bench)
            load(1)
            rig.settle()
            began, written = time.monotonic(), rig.projected()
            whole, whole_cost = costs.measured(bench, lambda: load(seconds))
            views = (rig.projected() - written) / (time.monotonic() - began)
            calls = costs.system_calls(bench, lambda: load(seconds))
        title = f"carts of {count} lines"
        for name, seen, cost, made in (("alone", alone, alone_cost, None), ("pipeline", whole, whole_cost, calls)):
            report.figure(f"{title}: commands, {name}", seen["rate"], "/s", lines=count, **seen)
            costs.report(bench, f"{title}, {name}", cost, calls=made, lines=count)
        report.figure(f"{title}: events until they are seen", views, "/s", lines=count)
        got = _get(bench, carts, seconds)
        report.figure(f"{title}: GET", got["rate"], "/s", lines=count, beside=f"{got['bytes']:,.0f} B each", **got)


def _load(rig, carts, events, lines):
    """The ids of so many carts, of so many events each. No autovacuum is due on them any more, whose WAL would count."""
    ids = log_loader.load(rig, carts * events, events, lines)
    rig.sql("VACUUM ANALYZE events", database="cartledger_command")
    return ids


def _run_pipeline(bench):
    """With the views of what was loaded, on which no autovacuum is due either."""
    bench.run_pipeline()
    bench.rig.settle()
    bench.rig.sql("VACUUM ANALYZE", database="cartledger_query")


def _get(bench, carts, seconds):
    size = bench.rig.sql("SELECT avg(octet_length(body)) FROM cart_views WHERE cart_id = ANY(%s::uuid[])",
                         (carts,), "cartledger_query")[0][0]
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.writelines(f'/v1/carts/{cart} "0"\n' for cart in carts)
        file.flush()
        seen = loads.wrk(bench.rig.query.url, "cart_get.lua", seconds, READ_CONNECTIONS, file.name)
    return {**seen, "bytes": float(size)}


class _Client:
    """One connection, one request at a time; how long each took."""

    def __init__(self, program):
        self.connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=30)

    def took(self, method, path, body=None):
        began = time.perf_counter()
        kind = {"Content-Type": "application/json"} if body else {}
        self.connection.request(method, path, body and json.dumps(body), kind)
        answer = self.connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - began) * 1e6
        assert answer.status in (200, 201), (path, answer.status, content)
        return took


def events(bench):
    """a command on a cart of 1 to 10,000 events that is not cached, and GETs of its past"""
    rig, report = bench.rig, bench.report
    line = {"sku": "sku-1", "name": "Article number 1", "quantity": 1,
            "unitPrice": {"amountMinor": 359, "currency": "EUR"}}
    for count in EVENTS:
        rig.run_nothing()
        carts = _load(rig, EVENTS_CARTS, count, EVENTS_LINES)
        _run_pipeline(bench)
        middle = max(count // 2, 1)
        moments = dict(rig.sql("SELECT cart_id::text, to_char(occurred_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                               " FROM cart_timeline WHERE version = %s AND cart_id = ANY(%s::uuid[])", (middle, carts),
                               "cartledger_query"))
        writer, reader = _Client(rig.command), _Client(rig.query)

        def report_took(name, took):
            seen = latency_summary(took)
            report.figure(f"carts of {count:,} events: {name}", seen["p50"], "ms", events=count, runs=len(carts),
                          beside=f"max {seen['max']:.1f} ms", ms=seen)

        def add_to_all():
            took = [writer.took("POST", f"/v1/carts/{cart}/items", line) for cart in carts]
            return {"took": took, "answers": len(took)}

        for name in ("command, not cached", "command, cached"):
            seen, cost = costs.measured(bench, add_to_all)
            report_took(name, seen["took"])
            costs.report(bench, f"carts of {count:,} events, {name.removeprefix('command, ')}", cost,
                         ("command-service", "postgres"), events=count)
        asked = {"GET": lambda cart: reader.took("GET", f"/v1/carts/{cart}"),
                 "GET ?version": lambda cart: reader.took("GET", f"/v1/carts/{cart}?version={middle}"),
                 "GET ?at": lambda cart: reader.took("GET", f"/v1/carts/{cart}?at={moments[cart]}"),
                 "GET history": lambda cart: reader.took("GET", f"/v1/carts/{cart}/history")}
        for name, ask in asked.items():
            if name == "GET ?at":  # ?version has left what it folded
                rig.query.stop()
                rig.query.start()
                reader = _Client(rig.query)
            report_took(name, [ask(cart) for cart in carts])
