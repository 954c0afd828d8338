"""Schemathesis, a contract tester that knows nothing of us, against both running services by their own documents.

Each service is tried by example, at the edges of every schema, at random, and along the links between its operations;
hooks.py and schemathesis.toml say what OpenAPI can't. SCHEMATHESIS_SEED and SCHEMATHESIS_EXAMPLES make other runs.
"""

import os
import pathlib
import re
import subprocess

from invariants import check_log, check_views

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE.parents[1] / ".dev/schemathesis"
PROGRAM = HERE.parents[1] / ".dev/venv/schemathesis/bin/schemathesis"
REPORTS = HERE.parents[1] / ".dev/test-reports"


def run(service):
    """Its whole output; fails when it found anything or did not try every operation."""
    WORK.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"schemathesis-{service.kind}.log"
    REPORTS.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [PROGRAM, "--no-color", "--config-file", HERE / "schemathesis.toml", "run", f"{service.url}/openapi.json",
         "--checks", "all", "--exclude-checks", "positive_data_acceptance", "--continue-on-failure",
         "--seed", os.environ.get("SCHEMATHESIS_SEED", "1"),
         "--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "30")],
        cwd=WORK, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"})
    report.write_text(done.stdout + done.stderr)
    assert done.returncode == 0, f"see {report}\n{done.stdout[-8000:]}{done.stderr[-2000:]}"
    selected, tried = re.search(r"Selected: (\d+)/", done.stdout)[1], re.search(r"Tested: (\d+)", done.stdout)[1]
    assert selected == tried and int(tried) >= 6, done.stdout
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 300, done.stdout


def test_given_both_services_when_schemathesis_tries_everything_then_it_finds_nothing(stack):
    run(stack.process("command-service"))
    log = check_log(stack.command_database_url)
    check_views(stack.query_database_url, log)
    run(stack.process("query-service"))
