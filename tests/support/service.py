"""One service process under test: start, stop, kill, freeze, and what it left behind on stderr."""

import os
import pathlib
import re
import signal
import subprocess
import time

import requests

import contract
from devstack.ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_SECONDS = 120
STOP_SECONDS = 12  # the service promises 10
COMPLAINTS = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|WARNING: ThreadSanitizer|"
                        r"Assertion .* failed")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions='{ROOT}/tests/support/lsan.supp':print_suppressions=0",
    "TSAN_OPTIONS": f"suppressions='{ROOT}/tests/support/tsan.supp':ignore_noninstrumented_modules=1:report_thread_leaks=0:"
                    "history_size=4",
}


def build_folder():
    """The Meson build folder whose services are tested: CARTLEDGER_BUILD, else build/, else what `./dev up` built."""
    if os.environ.get("CARTLEDGER_BUILD"):
        return pathlib.Path(os.environ["CARTLEDGER_BUILD"]).resolve()
    folders = [ROOT / "build", ROOT / ".dev/build/release"]
    return next((folder for folder in folders if (folder / "build.ninja").exists()), folders[0])


def run_criterion(program, **env):
    """Runs a program of tests/integration to its end. Its tests pass before their processes look for leaks."""
    done = subprocess.run([str(build_folder() / "tests/integration" / program), "-j1"], text=True, timeout=120,
                          capture_output=True, check=False, env={"PATH": "/usr/bin:/bin", **SANITIZER_OPTIONS, **env})
    said = done.stdout + done.stderr
    assert done.returncode == 0 and not COMPLAINTS.search(said), said


class Service:
    """`command-service` or `query-service` on a port of its own, which stays the same over restarts.

    `env` is its whole configuration (the caller's environment is not passed on, but for PATH); a value of None
    removes a name. Everything it writes goes to `log`.
    """

    def __init__(self, kind, env, log, name=None):
        self.kind, self.name, self.log = kind, name or kind, pathlib.Path(log)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        contract.is_served(self.url, kind)
        self.env = {f"{kind.partition('-')[0].upper()}_PORT": str(self.port), **env}
        self.child = None
        self.on_purpose = True  # whether its end, if it has ended, was brought about by the test

    def command(self, *arguments):
        return [str(build_folder() / self.kind / self.kind), *arguments]

    def environment(self, **changes):
        merged = {"PATH": "/usr/bin:/bin", **SANITIZER_OPTIONS, **self.env, **changes}
        return {name: str(value) for name, value in merged.items() if value is not None}

    def run(self, *arguments, timeout=30, **changes):
        """Runs it to its end with arguments (`--check-config` …); answers the CompletedProcess, output as text."""
        return subprocess.run(self.command(*arguments), env=self.environment(**changes), capture_output=True, text=True,
                              timeout=timeout, check=False)

    def start(self, ready=True, **changes):
        """Starts it; with `ready` returns when /readyz says 200. `changes` add to its environment for good."""
        assert not self.running(), f"{self.name} runs already"
        self.env.update(changes)
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command(), env=self.environment(), stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, process_group=0)
        self.on_purpose = False
        if ready:
            self.wait_ready()
        return self

    def running(self):
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self):
        return self.child.pid

    def wait_ready(self, seconds=READY_SECONDS, status=200):
        """Waits until /readyz answers `status`; fails at once when the process has ended."""
        deadline = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < deadline:
            assert self.running(), f"{self.name} ended with {self.child.returncode}:\n{self.tail()}"
            try:
                answer = requests.get(self.url + "/readyz", timeout=2)
                if answer.status_code == status:
                    return answer
                last = f"{answer.status_code} {answer.text}"
            except requests.RequestException as error:
                last = error
            time.sleep(0.03)
        raise AssertionError(f"{self.name} was not ready within {seconds} s ({last}):\n{self.tail()}")

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM; answers the exit code. Fails when it takes longer than promised."""
        self.on_purpose = True
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds} s:\n{self.tail()}") from None

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        self.on_purpose = True
        self.child.kill()
        self.child.wait()

    def pause(self):
        """SIGSTOP: the process stands still, its connections stay open. Each of its threads has stopped then."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def cont(self):
        """SIGCONT: it goes on as if nothing had happened."""
        self.signal(signal.SIGCONT)

    def restart(self, **changes):
        self.stop()
        return self.start(**changes)

    def stderr(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.stderr().splitlines()[-lines:])

    def finish(self):
        """Ends it and answers what was wrong with its life, as a list of texts; empty when nothing was."""
        wrong = []
        if self.running():
            self.cont()
            try:
                code = self.stop()
                if code != 0:
                    wrong.append(f"{self.name} exited with {code} on SIGTERM:\n{self.tail()}")
            except AssertionError as error:
                wrong.append(str(error))
        elif not self.on_purpose:
            wrong.append(f"{self.name} ended by itself with {self.child.returncode}:\n{self.tail()}")
        complaint = COMPLAINTS.search(self.stderr())
        if complaint:
            wrong.append(f"{self.name}: {self.stderr()[complaint.start():complaint.start() + 6000]}")
        return wrong
