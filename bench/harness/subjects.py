"""What is measured, by the names that ./dev bench takes, in the order in which it runs."""

from dataclasses import dataclass
from typing import Callable

from . import commands, event_sourced, growth, latencies, long_log, outages, peers, reads, shopping

ALWAYS, FULL_ONLY, BY_NAME = "", "with --full", "by name"


@dataclass(frozen=True)
class Subject:
    run: Callable
    short: int  # seconds that it takes on two cores; when all are run, it repeats no sample past the sum up to itself
    full: int   # seconds that it takes when nothing else disturbs it
    asked: str = ALWAYS

    def is_default(self, full):
        return self.asked == ALWAYS or full and self.asked == FULL_ONLY

    def seconds(self, full):
        return self.full if full else self.short


SUBJECTS = {
    "pipeline": Subject(commands.pipeline, 30, 260),
    "new-carts": Subject(commands.new_carts, 20, 150, FULL_ONLY),
    "hot": Subject(commands.hot, 10, 150),
    "rebuild": Subject(outages.rebuild, 40, 300, FULL_ONLY),
    "half-load": Subject(latencies.half_load, 6, 30),
    "idle": Subject(latencies.idle, 5, 15),
    "slowloris": Subject(latencies.slowloris, 30, 150, FULL_ONLY),
    "connections": Subject(commands.connections, 15, 90),
    "system-calls": Subject(commands.system_calls, 10, 30, FULL_ONLY),
    "profile": Subject(commands.profile, 30, 90, FULL_ONLY),
    "get": Subject(reads.get, 26, 400),
    "shopping": Subject(shopping.shopping, 16, 150),
    "alone": Subject(commands.alone, 18, 150),
    "catch-up": Subject(outages.catch_up, 36, 300),
    "relay": Subject(outages.relay, 30, 180, FULL_ONLY),
    "lines": Subject(growth.lines, 80, 150, FULL_ONLY),
    "events": Subject(growth.events, 60, 80, FULL_ONLY),
    "long-log": Subject(long_log.long_log, 1500, 6500, BY_NAME),
    "kafka-away": Subject(outages.kafka_away, 90, 2000, BY_NAME),
    "peers": Subject(peers.peers, 60, 600, BY_NAME),
    "emmett": Subject(event_sourced.emmett, 80, 600, BY_NAME),
    "axon": Subject(event_sourced.axon, 180, 700, BY_NAME),
    "pekko": Subject(event_sourced.pekko, 100, 350, BY_NAME),
}
