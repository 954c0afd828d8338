"""./dev bench and ./dev coverage as their pages show them, line by line, on a copy of the checkout: an hour of them."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from checkout import ROOT
from devstack import kafka

BY_NAME = {"long-log": None, "kafka-away": None, "peers": "go", "emmett": "npm", "axon": "mvn", "pekko": "mvn"}


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory):
    folder, jars = tmp_path_factory.mktemp("copy") / "cartledger", ROOT / ".dev/kafka/libs"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(".dev", "node_modules"))
    kafka.prepare(jars, ROOT / "tools/kafka")
    (folder / ".dev/kafka").mkdir(parents=True)
    (folder / ".dev/kafka/libs").symlink_to(jars)
    return folder


def run(copy, line):
    """Its output. What it starts, and all that it leaves, is in the copy."""
    with subprocess.Popen(["bash", "-euo", "pipefail", "-c", line], cwd=copy, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0) as shell:
        try:
            out, errors = shell.communicate()
        except KeyboardInterrupt:
            os.killpg(shell.pid, signal.SIGINT)  # as a terminal would: it ends what it has started
            raise
    assert shell.returncode == 0, f"{line}\n{out[-4000:]}{errors[-2000:]}"
    return out


def run_block(copy, page):
    """Runs the first block of a page; its lines and what each printed."""
    block = re.search(r"^```console\n(.*?)^```$", (copy / page).read_text(), re.M | re.S)[1]
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    return {line.partition(" #")[0].strip(): run(copy, line) for line in lines}


def measured(copy):
    """What the last run of the benchmark has a figure for."""
    newest = max((copy / ".dev/bench/results").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    _, *rows = map(json.loads, newest.read_text().splitlines())
    return {row["figure"] for row in rows if row["kind"] != "profile"}


def test_given_the_page_of_performance_then_each_line_measures_or_draws(copy):
    printed = run_block(copy, "docs/performance.md")
    assert list(printed) == ["./dev bench", "./dev bench pipeline lines", "./dev bench --help", "./dev bench --pictures"]
    assert all(f"    {name} " in printed["./dev bench --help"] for name in BY_NAME)
    assert len(list((copy / ".dev/bench/results").glob("*.jsonl"))) == 2
    assert measured(copy)
    assert printed["./dev bench --pictures"].splitlines()


@pytest.mark.parametrize("name", BY_NAME)
def test_given_a_subject_that_runs_by_name_only_then_it_is_measured(copy, name):
    if BY_NAME[name] and shutil.which(BY_NAME[name]) is None:
        pytest.skip(f"needs {BY_NAME[name]}")
    run(copy, f"./dev bench {name}")
    assert measured(copy)


def test_given_the_page_of_coverage_then_its_bounds_are_met(copy):
    printed = run_block(copy, "docs/coverage.md")
    assert list(printed) == ["./dev coverage", "./dev coverage unit fuzz"]
    assert all((copy / ".dev/test-reports/coverage" / name).exists() for name in ("summary.txt", "missed.txt", "index.html"))
