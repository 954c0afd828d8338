"""The command service beside a cart on an event-sourcing framework (bench/peers/emmett-carts)."""

import json
import os
import shutil
import subprocess
import urllib.request
import uuid

from devstack.report import Trouble
from . import loads

CONNECTIONS, HOT_CONNECTIONS = 256, 40
NODE_MAJOR = 20
LEAST_SECONDS = 5  # a command of theirs takes up to one


def emmett(bench):
    """beside a cart on Emmett, a framework for event sourcing (by name only; needs Node.js and npm)"""
    _demand_node()
    rig = bench.rig
    # Whoever has views and whoever has none: each beside its like.
    for peer, title, prepare in (("emmett-views", "pipeline", bench.run_pipeline),
                                 ("emmett", "alone", rig.run_commands_alone)):
        prepare()
        rival = rig.start_peer(peer, "/readyz", rig.url("bench"), env=os.environ)
        _compare(bench, rival, title)
        if title == "pipeline":
            _compare_hot(bench, rival)
        rival.stop()


def _demand_node():
    wanted = f"./dev bench emmett needs Node.js {NODE_MAJOR} or newer and npm"
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Trouble(wanted)
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < NODE_MAJOR:
        raise Trouble(f"{wanted}; here is {version}")


def _load(bench, url, connections, *cart):
    seen = loads.commands(bench.rig, max(bench.plan.seconds, LEAST_SECONDS), connections, *cart, url=url)
    if url == bench.rig.command.url and bench.rig.query.pid:
        bench.rig.settle()
    return seen


def _compare(bench, rival, title):
    ours, refused = bench.rig.command.url, []

    def theirs():
        seen = _load(bench, rival.url, CONNECTIONS)
        refused.append(seen["refused"] + seen["broken"])
        return seen["rate"]

    theirs()  # compiles it
    samples = bench.sandwich(theirs, lambda: _load(bench, ours, CONNECTIONS))
    bench.report.ratio(f"commands, {title}", samples, rival.name, at_least=25, refusedByPeer=sum(refused[1:]),
                       connections=CONNECTIONS)


def _compare_hot(bench, rival):
    """How many commands each refuses that shoppers send to one cart."""
    for name, url in ((rival.name, rival.url), ("cartledger", bench.rig.command.url)):
        seen = _load(bench, url, HOT_CONNECTIONS, "hot", _hot_cart(url))
        share = (seen["refused"] + seen["broken"]) / seen["answers"]
        bench.report.figure(f"one hot cart, {HOT_CONNECTIONS} clients: share refused by {name}", share, "",
                            beside=f"{seen['rate']:,.0f}/s accepted", **seen)


def _hot_cart(url):
    """A cart with the articles that cart_mix.lua's hot mode changes; its id."""
    cart = str(uuid.uuid4())
    _send(f"{url}/v1/carts/{cart}", "PUT", {"currency": "EUR"})
    for number in range(1, 21):
        _send(f"{url}/v1/carts/{cart}/items", "POST", {"sku": f"hot-{number}", "name": "Hot article", "quantity": 1,
                                                       "unitPrice": {"amountMinor": 1999, "currency": "EUR"}})
    return cart


def _send(url, method, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10):
        pass
