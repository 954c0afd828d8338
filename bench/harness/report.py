"""Results as JSON lines, and as a table on the screen."""

import json
import os
import time

from devstack.report import say
from .arithmetic import median

COLUMNS = (("figure", 58), ("ours", 14), ("beside it", 24), ("ratio (least–most)", 18), ("runs", 7), ("target", 14),
           ("", 6), ("load", 5), ("others", 6))
BUSY = 0.1  # of the cores: when other programs use more, a verdict would be on them


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Report:
    """Rows go to the file at once, so that an interrupted run keeps what it had."""

    def __init__(self, folder, machine, form):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / time.strftime("%Y%m%d-%H%M%S.jsonl")
        self.rows = []
        self.title = ""  # what the next rows are of, where the same figures come more than once
        self.cores = machine["cores"]
        self.others_cores = lambda: 0.0
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write({"kind": "machine", "form": form, "at": now, **machine})

    def _write(self, record):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def figure(self, name, ours, unit, target="", met=None, noisy=False, runs=1, **more):
        """A figure by itself, without a baseline."""
        self._row({"kind": "figure", "figure": name, "ours": ours, "unit": unit, "target": target, "met": met,
                   "noisy": noisy, "runs": runs, **more})

    def ratio(self, name, samples, baseline_name, unit="/s", at_least=None, at_most=None, **more):
        """A subject between two runs of its baseline; `at_most` where less is better."""
        limit = at_most if at_least is None else at_least
        used = samples.used
        ratios = sorted(sample.ratio for sample in used)
        ratio = median(ratios)
        self._row({
            "kind": "ratio", "figure": name, "unit": unit, "ours": median([sample.subject["rate"] for sample in used]),
            "baseline": baseline_name, "baselineRate": median([sample.baseline for sample in used]), "ratio": ratio,
            "least": ratios[0], "most": ratios[-1], "runs": len(samples.kept), "thrownAway": len(samples.thrown),
            "noisy": samples.is_noisy,
            "target": f"{'≤' if at_least is None else '≥'} {limit:g} ×" if limit else "",
            "met": None if limit is None else ratio <= limit if at_least is None else ratio >= limit,
            "samples": [{"before": sample.before, "after": sample.after, **sample.subject,
                         "kept": not sample.is_unequal} for sample in samples.kept + samples.thrown], **more})

    def profile(self, program, what, stacks):
        """How often each stack of a program was seen; for pictures only."""
        count = sum(stacks.values())
        self._write({"kind": "profile", "program": program, "what": what, "stacks": stacks})
        say(f"    {program}, {what}: " + (f"{count:,} samples" if count else "no samples: perf is missing or may not look"))

    def _row(self, row):
        if self.title:
            row["title"] = self.title
        row["load"] = os.getloadavg()[0]
        row["othersCores"] = round(self.others_cores(), 2)
        row["busy"] = row["othersCores"] > BUSY * self.cores
        self.rows.append(row)
        self._write(row)
        say("  " + _line(row).rstrip())

    def table(self):
        say("\n" + "  ".join(title.ljust(width) for title, width in COLUMNS))
        for row in self.rows:
            say(_line(row).rstrip())
        if any(row["noisy"] for row in self.rows):
            say("\nnoisy: the baselines before and after differed by more than 10 % too often: something else used this\n"
                "machine. All samples of the row were used: read its spread, not its median.")
        if any(row["busy"] for row in self.rows):
            say("\nbusy: other programs used more than a tenth of this machine's cores (`others`, in cores) meanwhile: what\n"
                "depends on the clock is no verdict. CPU, syncs and bytes a command are worth more than rates then.")
        say(f"\nload is the load average when the row was done. All of it: {self.path}")


def _line(row):
    verdict = ("noisy" if row["noisy"] else "" if row["met"] is None else "busy" if row["busy"]
               else "met" if row["met"] else "MISSED")
    if row["kind"] == "ratio":
        beside = f"{row['baseline']} {number(row['baselineRate'])}"
        ratio = f"{row['ratio']:.2f} ({row['least']:.2f}–{row['most']:.2f})"
        runs = f"{row['runs']}" + (f" (-{row['thrownAway']})" if row["thrownAway"] else "")
    else:
        beside, ratio, runs = row.get("beside", ""), "", str(row["runs"])
    name = f"{row['title']}: {row['figure']}" if "title" in row else row["figure"]
    cells = (name, f"{number(row['ours'])} {row['unit']}".replace(" /s", "/s"), beside, ratio, runs,
             row["target"], verdict, f"{row['load']:.1f}", row["othersCores"])
    return "  ".join(str(cell).ljust(width) for cell, (_, width) in zip(cells, COLUMNS))
