"""./dev and the build in surroundings that are not the usual ones."""

import pathlib
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from devstack import cli
from devstack.report import Ended

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_given_no_path_then_what_dev_runs_has_one(tmp_path):
    shutil.copy(ROOT / "dev", tmp_path)
    (tmp_path / ".dev").mkdir()
    (tmp_path / "tools/devstack").mkdir(parents=True)
    (tmp_path / "tools/devstack/cli.py").write_text("import os; print(os.environ.get('PATH'))\n")
    done = subprocess.run([tmp_path / "dev", "status"], env={}, capture_output=True, text=True, timeout=20, check=True)
    assert "/usr/bin" in done.stdout.strip().split(":")


def test_given_a_checkout_whose_path_has_blanks_and_quotes_then_its_build_is_set_up(tmp_path):
    checkout = tmp_path / "a cart's ledger"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".dev", ".git", ".fuzz", "build"))
    done = subprocess.run(["meson", "setup", ".dev/build/release", "."], cwd=checkout, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


class Dying:
    """A process that had been killed and was not gone when ./dev looked."""

    port = 1

    def __init__(self, starts):
        self.daemon = self
        self.starts = list(starts)

    def pid(self):
        return 1 if len(self.starts) > 1 else None

    def start(self):
        if self.starts.pop(0) == "ends":
            raise Ended("it ended")


def start(part):
    cli._start(SimpleNamespace(parts={"query-service": part}, is_external=lambda _name: False), "query-service")


def test_given_a_process_that_was_just_killed_when_started_then_it_is_started_anew():
    part = Dying(["ends", "ready"])
    start(part)
    assert not part.starts
    with pytest.raises(Ended):
        start(Dying(["ends"]))
