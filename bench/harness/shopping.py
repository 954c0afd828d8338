"""Shoppers who change their carts and look at carts, ten times as often, all at the same time."""

import random

from . import loads, probes
from .arithmetic import median
from .bench import report_cpu, report_latency

SHOPPERS, CARTS_EACH = 64, 16
READS = 10  # for each command
FIRST_COMMANDS = 5  # on each cart, before anybody looks at it
GUESS = 20_000      # requests a second, about; how long a sample takes depends on it
SCRIPTS = f"append.sql@1 select.sql@{READS}"


def shopping(bench):
    """commands and GETs, one to ten, for both services at once"""
    rig, report, plan = bench.rig, bench.report, bench.plan
    bench.run_pipeline()
    crowd = Crowd(rig)

    def sample():
        texts = crowd.texts(plan.seconds * GUESS)
        with probes.Watch(rig) as watch:
            both, commands, reads = loads.open_loop_of_both(rig, texts, 0, SHOPPERS)
        rig.settle()
        return {**both, "commands": commands, "reads": reads, "cost": watch.cost}

    samples = bench.sandwich(bench.pgbench(SCRIPTS), sample)
    refused = sum(one.subject["refused"] for one in samples.kept + samples.thrown)
    report.ratio("commands and GETs, 1 to 10", samples, "pgbench of both", clients=bench.best[SCRIPTS], shoppers=SHOPPERS,
                 refused=refused)
    report.figure("commands and GETs: refused", refused, "", "0", refused == 0, samples.is_noisy)
    generator = median([one.subject["cost"]["generatorCpu"] for one in samples.used])
    report.figure("commands and GETs: how busy the load generator was", generator, "", "< 0.9", generator < 0.9)
    report_cpu(bench, samples, "commands and GETs", "a request")
    rate = max(int(median([one.subject["rate"] for one in samples.used]) / 2), 1)
    _, commands, reads = loads.open_loop_of_both(rig, crowd.texts(rate * plan.seconds), rate, SHOPPERS)
    rig.settle()
    for what, seen in (("command", commands), ("GET", reads)):
        report_latency(bench, f"commands and GETs at half of that ({rate:,}/s): {what}", seen["ms"], {})


class Crowd:
    """Their carts. All are there before anybody looks, so that no GET comes before its cart's view."""

    def __init__(self, rig):
        self.rng, self.carts, self.step = random.Random(), [None] * (SHOPPERS * CARTS_EACH), 0
        texts = [self._command(at) for _ in range(FIRST_COMMANDS) for at in range(len(self.carts))]
        loads.open_loop(rig.command.url, texts, 0, SHOPPERS)
        rig.settle()
        self.seen = [cart[0] for cart in self.carts if cart]

    def _command(self, at):
        return loads.command(self.rng, self.carts, at)

    def texts(self, count):
        """Requests and whether each is a GET. A shopper's carts take turns; a cart's commands are its shopper's."""
        return [self._next(number % SHOPPERS) for number in range(count // SHOPPERS * SHOPPERS)]

    def _next(self, shopper):
        self.step += shopper == 0
        turn, rest = divmod(self.step + shopper, READS + 1)
        if rest > 0:
            return loads.request("GET", f"/v1/carts/{self.rng.choice(self.seen)}"), True
        return self._command(shopper + SHOPPERS * (turn % CARTS_EACH)), False
