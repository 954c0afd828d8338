"""Medians, percentiles, and which samples count."""

import math
import time
from dataclasses import dataclass, field

UNEQUAL = 0.10  # baselines that differ by more than this saw two different machines
PERCENTILES = (50, 90, 99, 99.9)
CURVE = (0, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 100)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(ordered, percent):
    """The smallest of the sorted values that at least `percent` of them do not exceed (nearest rank)."""
    rank = math.ceil(round(len(ordered) * percent / 100, 6))  # 99.9 / 100 * 1000 is a little more than 999
    return ordered[max(rank, 1) - 1]


def latency_summary(latencies_us):
    """p50 … p99.9, max, their number and the whole curve, in milliseconds; None when there is nothing."""
    if not latencies_us:
        return None
    ordered = sorted(latencies_us)
    summary = {f"p{percent:g}": percentile(ordered, percent) / 1000 for percent in PERCENTILES}
    curve = [(percent, percentile(ordered, percent) / 1000) for percent in CURVE]
    return {**summary, "max": ordered[-1] / 1000, "count": len(ordered), "curve": curve}


def count_jumps(records):
    """(new records, jumps) of (partition, position) pairs; a position that was passed already is a repetition."""
    count, jumps, last = 0, 0, {}
    for partition, position in records:
        before = last.get(partition, position - 1)
        if position > before:
            jumps += position != before + 1
            count += 1
            last[partition] = position
    return count, jumps


@dataclass
class Sample:
    """What one run of a subject gave, and its baseline just before and just after it."""

    before: float
    subject: dict  # "rate" and whatever else was seen
    after: float

    @property
    def baseline(self):
        return (self.before + self.after) / 2

    @property
    def is_unequal(self):
        low, high = sorted((self.before, self.after))
        return low <= 0 or (high - low) / low > UNEQUAL

    @property
    def ratio(self):
        return self.subject["rate"] / self.baseline if self.baseline > 0 else math.nan


@dataclass
class Samples:
    wanted: int
    kept: list = field(default_factory=list)
    thrown: list = field(default_factory=list)

    @property
    def is_noisy(self):
        """There were not enough samples with equal baselines."""
        return len(self.kept) < self.wanted

    @property
    def used(self):
        """Those that the figures come from: of a noisy row all, since hand-picking few would flatter."""
        return self.kept + self.thrown if self.is_noisy else self.kept


def sandwich(baseline, subject, wanted, tries, say=lambda text: None, seconds=math.inf, clock=time.monotonic):
    """Runs baseline – subject – baseline until `wanted` samples count, `tries` were taken, or another would end later than
    `seconds` from now, if it took as long as the last one.

    The baseline after one subject is the one before the next. A sample whose two baselines are unequal is thrown away
    and repeated. When the time was too short for `wanted`, fewer do if more were kept than thrown away.
    """
    samples = Samples(wanted)
    until = clock() + seconds
    before, last = baseline(), clock()
    for attempt in range(1, tries + 1):
        seen = subject()
        sample = Sample(before, seen, baseline())
        before = sample.after
        (samples.thrown if sample.is_unequal else samples.kept).append(sample)
        verdict = ", baselines unequal: thrown away" if sample.is_unequal else ""
        say(f"{attempt}: {sample.before:,.0f} – {seen['rate']:,.0f} – {sample.after:,.0f}, ratio {sample.ratio:.2f}"
            + verdict)
        now = clock()
        is_late, last = now + (now - last) > until, now
        if is_late and len(samples.kept) > len(samples.thrown):
            samples.wanted = min(wanted, len(samples.kept))
        if is_late or not samples.is_noisy:
            break
    return samples
