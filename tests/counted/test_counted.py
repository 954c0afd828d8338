"""Instructions of what is computed for a command and for a view, within 1 % of baseline.json.

Counted by valgrind: the same on a busy machine and on an idle one. They depend on the compiler and on the C library and
jansson, so each Debian has counts of its own, and where there are none this is skipped. CONTRIBUTING.md says when new
ones may be written.
"""

import json
import pathlib
import platform
import re
import subprocess

import pytest

from service import build_folder

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
TOLERANCE = 0.01
SUBJECTS = ("decide", "evolve", "command-json-in", "event-json-out", "event-json-in", "batch-encoding", "view-apply",
            "view-render", "view-json-in")
# glibc's functions for the oldest x86-64, so that the counts do not depend on the processor.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LD_BIND_NOW": "1",
               "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-BMI2,-ERMS,-FSRM,-SSSE3,"
                                 "-SSE4_1,-SSE4_2"}


def compiled_for():
    """What the counts depend on: Debian's release (thereby the libraries), the machine's kind, the compiler."""
    system = platform.freedesktop_os_release()
    version = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{system['ID']} {system.get('VERSION_ID', 'unstable')}, {platform.machine()}, gcc {version}"


def count(subject, folder):
    output = folder / "callgrind.out"
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "--collect-atstart=no",
                           "--toggle-collect=counted_rounds", build_folder() / "tests/counted/counted", subject],
                          env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(re.search(r"^totals: (\d+)$", output.read_text(), re.M)[1])


@pytest.mark.parametrize("subject", SUBJECTS)
def test_given_the_same_work_then_it_takes_as_many_instructions_as_it_did(subject, tmp_path, request):
    baseline = json.loads(BASELINE.read_text())
    key = compiled_for()
    if request.config.getoption("--update", False):
        baseline.setdefault(key, {})[subject] = count(subject, tmp_path)
        BASELINE.write_text(json.dumps(baseline, indent=2) + "\n")
        return
    if subject not in baseline.get(key, {}):
        pytest.skip(f"{subject} was never counted for {key}: ./dev test counted -- --update")
    counted, known = count(subject, tmp_path), baseline[key][subject]
    change = counted / known - 1
    assert abs(change) <= TOLERANCE, f"{subject}: {counted:,} instructions, {change:+.1%} of {known:,}"
