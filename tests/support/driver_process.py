"""A part of a service alone, in a process of its own that tells where it stands: tests/integration/*_test_driver.c."""

import json
import subprocess
import threading

from service import SANITIZER_OPTIONS, build_folder


class DriverProcess:
    """`status` is what it said last, one JSON object a line."""

    def __init__(self, driver, arguments, log_file, env):
        self.program = str(build_folder() / "tests/integration" / driver)
        self.arguments = [self.program, *arguments]
        self.environment = {"PATH": "/usr/bin:/bin", **SANITIZER_OPTIONS, **{name: str(env[name]) for name in env}}
        self.log_file = log_file
        self.child, self.status, self.peak_kib = None, {}, 0

    def start(self):
        with open(self.log_file, "ab") as log:
            self.child = subprocess.Popen(self.arguments, env=self.environment, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=log, text=True)
        self.status, self.peak_kib = {}, 0
        self.reader = threading.Thread(target=self._read, args=(self.child,))
        self.reader.start()
        return self

    def _read(self, child):
        for line in child.stdout:
            self.status = json.loads(line)
            self.peak_kib = max(self.peak_kib, self.status["rssKib"])

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        self.child.kill()
        self._ended()

    def _ended(self):
        self.child.wait()
        self.reader.join()
        self.child.stdin.close()
        self.child.stdout.close()

    def tail(self, lines=25):
        return "\n".join(self.log_file.read_text().splitlines()[-lines:]) if self.log_file.exists() else ""
