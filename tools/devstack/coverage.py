"""LLVM's source-based coverage: a build that counts, what its programs have counted, and reports of it.

LLVM counts each condition of the source, each operand of && and ||, and each case, both ways. Not counted are
 - tests, benchmarks, and code made by the build;
 - branches inside macros: assert(), which only a bug makes false, and the few of ours, which make tables and switches over
   the event types;
 - the `default` that a switch over all values of an enum does not have.
Everything else is, also what no test can bring about.

A process counts when it ends by itself. One that is killed counts nothing: the counts of a moment in the middle of an
expression can make a side that was never taken look taken.
"""

import json
import os
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

from .report import Trouble, step, tail

ROOT = Path(__file__).resolve().parents[2]
REPORTS, STATE, BUILD = ROOT / ".dev/test-reports", ROOT / ".dev/coverage", ROOT / ".dev/build/coverage"
RAW = STATE / "raw"
# Whatever its environment, a program adds what it has counted to one of four files of its own here, so that those which
# end together do not wait for each other. Counts are atomic, because "not taken" is what was reached less what was taken: a
# count lost between two threads would look like a branch.
OPTIONS = [f"-Dc_args=-fprofile-instr-generate={RAW}/%4m.profraw -fcoverage-mapping -fprofile-update=atomic",
           "-Dc_link_args=-fprofile-instr-generate"]
SERVICES = ("command-service", "query-service")
PRODUCT = ("common", *SERVICES)
ALL = "all of it"


def call(command, log, **options):
    with open(log, "wb") as output:
        return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT,
                              check=False, **options).returncode


def clang_build(name, options, targets):
    """Builds all, or the targets, in .dev/build/NAME."""
    folder, log = ROOT / ".dev/build" / name, REPORTS / f"build-{name}.log"
    REPORTS.mkdir(parents=True, exist_ok=True)
    steps = [["ninja", "--quiet", "-C", folder, *targets]]
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        steps.insert(0, ["meson", "setup", folder, ROOT, "-Db_lundef=false", *options])
    with step(f"build {name}"):
        for command in steps:
            # What building runs counts for nobody.
            if call(command, log, env={**os.environ, "CC": "clang", "LLVM_PROFILE_FILE": "/dev/null"}) != 0:
                raise Trouble(f"build {name} failed. The end of {log}:\n{tail(log, 40)}")


def build(targets=()):
    clang_build(BUILD.name, OPTIONS, targets)


def programs():
    """Those that have our code in them."""
    paths = [*(BUILD / name / name for name in SERVICES), *sorted(BUILD.glob("tests/*/*"))]
    return [path for path in paths if path.is_file() and os.access(path, os.X_OK)]


def forget():
    """Forgets what was counted and not collected."""
    shutil.rmtree(RAW, ignore_errors=True)
    RAW.mkdir(parents=True)


def merge(profiles, target):
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", target, *profiles], check=True)


def collect(target):
    """Moves what was counted into the profile `target`."""
    counted = list(RAW.glob("*.profraw"))
    if not counted:
        raise Trouble(f"nothing was counted for {target.stem}")
    merge(counted, target)
    forget()


def function_at(source, line):
    """The name of the function that has this line; clang-format puts its first and its last brace at the margin."""
    opening = next(number for number in range(line - 1, -1, -1) if source[number] == "{")
    first = opening
    while first > 0 and source[first - 1] and not source[first - 1].startswith(("}", "#")) and not source[first - 1].endswith(
            ("*/", ";")):
        first -= 1
    return re.search(r"(\w+)\(", " ".join(source[first:opening]))[1]


class File:
    """One source file: `lines` and `branches` are (reached, all); `missed` are the sides of branches never taken: by line,
    what they are called in tests/coverage/uncovered.txt, which tells apart those that read the same in a function."""

    def __init__(self, name, exported):
        self.name = name
        lines = exported["summary"]["lines"]
        self.lines = lines["covered"], lines["count"]
        source = (ROOT / name).read_text(encoding="utf-8").splitlines()
        taken = Counter()
        for line, column, end_line, end, trues, falses, *_ in exported["branches"]:  # once for each copy of a function
            if source[line - 1][:column - 1].endswith("switch ("):
                continue  # stands for the missing `default`; -Wswitch sees to it that all values are there
            taken[line, column, end_line, end, "true"] += trues
            taken[line, column, end_line, end, "false"] += falses
        self.branches = sum(count > 0 for count in taken.values()), len(taken)
        self.missed, namesakes = [], Counter()
        for (line, column, end_line, end, side), count in sorted(taken.items()):
            text = "\n".join(source[line - 1:end_line])[column - 1:len(source[end_line - 1]) * -1 + end - 1 or None]
            called = f"{name} {function_at(source, line)}(): never {side}: {' '.join(text.split())}"
            namesakes[called] += 1
            if count == 0:
                number = namesakes[called]
                self.missed.append((line, called if number == 1 else f"{called} [{number}]"))


class Report:
    """What a profile says of the code in the programs: `files`, and `sums`, (lines, branches) by layer and for ALL."""

    def __init__(self, profile, of_programs):
        first, *others = of_programs
        self.what = [first, *(f"-object={program}" for program in others), f"-instr-profile={profile}",
                     "-ignore-filename-regex=/tests/|/bench/|/usr/"]
        done = subprocess.run(["llvm-cov", "export", *self.what, "-skip-functions", "-skip-expansions"], check=True,
                              capture_output=True, text=True)
        self.files = []
        sums = defaultdict(lambda: ([0, 0], [0, 0]))
        for exported in json.loads(done.stdout)["data"][0]["files"]:
            path = Path(exported["filename"]).resolve().relative_to(ROOT)
            if path.parts[0] not in PRODUCT or not exported["summary"]["lines"]["count"]:
                continue
            file = File(str(path), exported)
            self.files.append(file)
            for name in (str(path.parent), ALL):
                for total, parts in zip(sums[name], (file.lines, file.branches)):
                    total[0] += parts[0]
                    total[1] += parts[1]
        self.sums = dict(sorted(sums.items(), key=lambda item: (item[0] == ALL, item)))

    def branches(self, layer):
        """In percent."""
        return _percent(self.sums[layer][1])

    def missed(self):
        """The sides of branches never taken, as uncovered.txt calls them."""
        return [called for file in self.files for _, called in file.missed]

    def layers(self):
        return [_row(name, *sums) for name, sums in self.sums.items()]

    def write(self, folder, heading):
        """summary.txt by layer and by file, missed.txt with each side of a branch that was never taken, and index.html with
        each line."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [heading, "", *self.layers(), "", *(_row(file.name, file.lines, file.branches) for file in self.files)]
        (folder / "summary.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (folder / "missed.txt").write_text("".join(
            f"{line}: {called}\n" for file in self.files for line, called in file.missed), encoding="utf-8")
        subprocess.run(["llvm-cov", "show", *self.what, "-format=html", "-show-branches=count", f"-output-dir={folder}"],
                       check=True)


def _percent(counts):
    part, whole = counts
    return 100 * part / whole if whole else 100.0


def _row(name, lines, branches):
    return f"{name:46} lines {_percent(lines):5.1f} % of {lines[1]:5}, branches {_percent(branches):5.1f} % of {branches[1]:4}"
