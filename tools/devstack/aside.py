"""Commands that run beside what else there is to do."""
import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from .report import say

ROOT = Path(__file__).resolve().parents[2]
CLEAN_UP_SECONDS = 60


class Aside:
    """A command whose output is kept until it has ended: a list whose last line is `N passed, N failed`. One that computes
    for minutes gives way to everything else."""

    def __init__(self, name, log, command, gives_way, **environment):
        self.name, self.log = name, log
        command = ["nice", "-n", "19", *command] if gives_way else command
        with open(log, "wb") as output:
            self.child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          cwd=ROOT, start_new_session=True, env={**os.environ, **environment})
        # Linux may share the processors among sessions first: then the value above counts only within this one.
        if gives_way:
            with contextlib.suppress(OSError):
                Path(f"/proc/{self.child.pid}/autogroup").write_text("19")

    def end(self, tally):
        """Waits for its end, says what it said, and adds that up."""
        self.child.wait()
        text = self.log.read_text(errors="replace").rstrip()
        say(text)
        end = text.rpartition("\n== ")[2]
        failed = re.findall(r"^(?:FAILED (.+)|(check \S+): FAILED)", end, re.M)
        for found in failed:
            tally.fail("".join(found))
        summed = re.search(r"^(?:(\d+) skipped\n)?(?:\d+ passed only when tried again\n)?(\d+) passed, \d+ failed\Z", text,
                           re.M)
        if summed is None or (self.child.returncode != 0 and not failed):
            tally.fail(f"{self.name}: ended with {self.child.returncode}: see {self.log}")
        else:
            tally.skipped += int(summed[1] or 0)
            tally.unsteady += re.findall(r"^TRIED AGAIN (.+)", end, re.M)
            tally.passed += int(summed[2])

    def interrupt(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)

    def wait_gone(self, deadline):
        """After an interruption: it has until then to clean up."""
        try:
            self.child.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)


class Asides:
    """Those that run."""

    def __init__(self):
        self.running = []

    def begin(self, *arguments, **environment):
        self.running.append(Aside(*arguments, **environment))

    def end(self, tally):
        while self.running:
            self.running[0].end(tally)
            del self.running[0]

    def abandon(self):
        """Ends all of them, after they have cleaned up."""
        deadline = time.monotonic() + CLEAN_UP_SECONDS
        for aside in self.running:
            aside.interrupt()
        for aside in self.running:
            aside.wait_gone(deadline)
