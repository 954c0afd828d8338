"""Shoppers who change their carts and look at carts, ten times as often, all at the same time."""

import random

from . import loads, probes
from .arithmetic import median
from .bench import CONNECTIONS, report_cpu, report_latency

SHOPPERS, CARTS_EACH = CONNECTIONS, 16
READS = 10  # for each command
FIRST_COMMANDS = 5  # on each cart, before anybody looks at it
TRIAL = 10_000  # requests that tell how many a sample takes
SCRIPTS = f"append.sql@1 select.sql@{READS}"


def shopping(bench):
    """commands and GETs, one to ten, for both services at once"""
    rig, report, plan = bench.rig, bench.report, bench.plan
    bench.run_pipeline()
    crowd = Crowd(rig)
    trial, _, _ = crowd.ask(TRIAL, 0)

    def sample():
        rig.sql("CHECKPOINT")
        with probes.Watch(rig) as watch:
            both, commands, reads = crowd.ask(int(trial["rate"] * plan.seconds), 0)
        behind = rig.settle()
        return {**both, "commands": commands, "reads": reads, "cost": watch.cost, "behindSeconds": behind}

    samples = bench.sandwich(bench.pgbench(SCRIPTS), sample)
    used = [one.subject for one in samples.used]
    refused = sum(one.subject["refused"] for one in samples.kept + samples.thrown)
    report.ratio("commands and GETs, 1 to 10", samples, "pgbench of both", clients=bench.best[SCRIPTS], shoppers=SHOPPERS)
    generator = median([seen["cost"]["generatorSeconds"] * seen["rate"] / seen["answers"] for seen in used])
    report.figure("commands and GETs: how busy the load generator was", generator, "", "< 0.9", generator < 0.9)
    behind = median([seen["behindSeconds"] for seen in used])
    report.figure("commands and GETs: views behind at the end", behind, "s", noisy=samples.is_noisy)
    report_cpu(bench, samples, "commands and GETs", "a request")
    rate = max(int(median([seen["rate"] for seen in used]) / 2), 1)
    both, commands, reads = crowd.ask(rate * max(plan.seconds * 2, 4), rate)
    for what, seen in (("command", commands), ("GET", reads)):
        report_latency(bench, f"commands and GETs at half of that ({rate:,}/s): {what}", seen["ms"], {})
    refused += both["refused"]
    report.figure("commands and GETs: refused", refused, "", "0", refused == 0)


class Crowd:
    """The shoppers and their carts."""

    def __init__(self, rig):
        self.rig, self.rng, self.turn = rig, random.Random(), 0
        self.carts = [None] * (SHOPPERS * CARTS_EACH)
        texts = [loads.command(self.rng, self.carts, at) for _ in range(FIRST_COMMANDS) for at in range(len(self.carts))]
        loads.open_loop(rig.command.url, texts, 0, SHOPPERS)

    def ask(self, count, rate):
        """About so many requests: what was seen of all, of the commands and of the GETs."""
        self.rig.settle()
        return loads.open_loop_of_both(self.rig, self.texts(count), rate, SHOPPERS)

    def texts(self, count):
        """Requests and whether each is a GET, for each shopper in turn.

        A shopper's carts take turns, so that each cart's commands go over one connection. GETs are of the carts that are
        open now; the views of all of them have to be there.
        """
        seen = [cart[0] for cart in self.carts if cart]
        texts = []
        for _ in range(count // SHOPPERS):
            self.turn += 1
            for shopper in range(SHOPPERS):
                lap, rest = divmod(self.turn + shopper, READS + 1)
                if rest == 0:
                    at = shopper + SHOPPERS * (lap % CARTS_EACH)
                    texts.append((loads.command(self.rng, self.carts, at), False))
                else:
                    texts.append((loads.request("GET", f"/v1/carts/{self.rng.choice(seen)}"), True))
        return texts
