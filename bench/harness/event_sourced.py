"""The command service beside carts on frameworks for event sourcing (bench/peers/*-carts)."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

from devstack.report import Trouble, say, wait_until
from . import loads
from .arithmetic import median
from .bench import CONNECTIONS
from .commands import HOT_CONNECTIONS, hot_cart
from .rig import DRAIN_SECONDS

LEAST_SECONDS = 5  # a command of theirs takes up to one


@dataclass(frozen=True)
class Peer:
    """`name` is what bench/peers/run starts; where it has views, it keeps them with -views behind its name."""

    name: str
    needs: str  # in words
    tools: tuple  # the first one says its version
    major: int
    warm_seconds: int       # under load until it's compiled,
    warm_commands: int = 0  # and after so many at least
    has_views: bool = True
    views_follow: bool = False  # they come after the answer; /settled is 200 when they have everything


JDK = {"needs": "a JDK of 17 or newer and Maven", "tools": ("javac", "java", "mvn"), "major": 17, "warm_seconds": 30,
       "warm_commands": 100_000}
EMMETT = Peer("emmett", "Node.js 20 or newer and npm", ("node", "npm"), 20, LEAST_SECONDS)
AXON = Peer("axon", **JDK, views_follow=True)
PEKKO = Peer("pekko", **JDK, has_views=False)


def emmett(bench):
    """beside a cart on Emmett, a framework for event sourcing (needs Node.js and npm)"""
    _measure(bench, EMMETT)


def axon(bench):
    """beside a cart on Axon Framework (needs a JDK and Maven)"""
    _measure(bench, AXON)


def pekko(bench):
    """beside a cart on Apache Pekko, the free fork of Akka (needs a JDK and Maven)"""
    _measure(bench, PEKKO)


def _measure(bench, peer):
    _demand(peer)
    rig = bench.rig
    # Whoever has views and whoever has none: each beside its like.
    rounds = [("-views", "pipeline", bench.run_pipeline), ("", "alone", rig.run_commands_alone)]
    for suffix, title, prepare in rounds if peer.has_views else rounds[1:]:
        prepare()
        rival = rig.start_peer(peer.name + suffix, "/readyz", rig.url("bench"), env=os.environ)
        _warm(rig, rival.url, peer)
        _compare(bench, peer, rival, title)
        if bool(suffix) == peer.has_views:
            _compare_hot(bench, rival)
        rival.stop()


def _demand(peer):
    wanted = f"./dev bench {peer.name} needs {peer.needs}"
    missing = [tool for tool in peer.tools if shutil.which(tool) is None]
    if missing:
        raise Trouble(f"{wanted}; there is no {missing[0]}")
    said = subprocess.run([peer.tools[0], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.search(r"\d+", said).group()) < peer.major:
        raise Trouble(f"{wanted}; here is {said}")


def _warm(rig, url, peer):
    """A busy machine takes more than one round."""
    left = peer.warm_commands
    while True:
        left -= loads.commands(rig, peer.warm_seconds, CONNECTIONS, url=url)["answers"]
        if left <= 0:
            return
        say(f"    {peer.name} is not warm yet: {left:,} commands to go")


def _load(bench, url, connections, *cart):
    seen = loads.commands(bench.rig, max(bench.plan.seconds, LEAST_SECONDS), connections, *cart, url=url)
    if url == bench.rig.command.url and bench.rig.query.pid:
        bench.rig.settle()
    return seen


def _settle(rival):
    """Waits until its views have everything; answers for how many seconds."""
    began = time.monotonic()
    if wait_until(lambda: rival.answers("/settled"), DRAIN_SECONDS, 0.02) is None:
        raise Trouble(f"after {DRAIN_SECONDS} s the views of {rival.name} still lack events")
    return time.monotonic() - began


def _compare(bench, peer, rival, title):
    ours, seen, behind = bench.rig.command.url, [], []

    def theirs():
        seen.append(_load(bench, rival.url, CONNECTIONS))
        behind.append(_settle(rival) if peer.views_follow else 0)
        return seen[-1]["rate"]

    if peer.views_follow:
        _settle(rival)  # what warming up has left

    samples = bench.sandwich(theirs, lambda: _load(bench, ours, CONNECTIONS))
    bench.report.ratio(f"commands, {title}", samples, rival.name, at_least=25,
                       refusedByPeer=sum(load["refused"] + load["broken"] for load in seen),
                       peerP99Ms=median([load["ms"]["p99"] for load in seen]), peerViewsBehindS=median(behind),
                       connections=CONNECTIONS)


def _compare_hot(bench, rival):
    """How many commands each refuses that shoppers send to one cart."""
    for name, url in ((rival.name, rival.url), ("cartledger", bench.rig.command.url)):
        seen = _load(bench, url, HOT_CONNECTIONS, "hot", hot_cart(url))
        share = (seen["refused"] + seen["broken"]) / seen["answers"]
        bench.report.figure(f"one hot cart, {HOT_CONNECTIONS} clients: share refused by {name}", share, "",
                            beside=f"{seen['rate']:,.0f}/s accepted", **seen)
