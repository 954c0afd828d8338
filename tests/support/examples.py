"""The programs in examples/, as processes on a Stack's topic."""

import os
import pathlib
import signal
import subprocess

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


class Program:
    """start(), stop() with SIGTERM, kill(), start() again; what all of its lives have said is in output()."""

    def __init__(self, command, stack, folder, **environment):
        self.command, self.folder = [str(word) for word in command], folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KAFKA_TOPIC": stack.topic,
                            "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_servers,
                            **{name: str(value) for name, value in environment.items()}}
        self.child = None

    def start(self):
        assert self.child is None or self.child.poll() is not None
        with open(self.folder / "output", "ab") as output:
            self.child = subprocess.Popen(self.command, env=self.environment, cwd=self.folder, stdout=output,
                                          stderr=output, stdin=subprocess.DEVNULL)

    def running(self):
        return self.child is not None and self.child.poll() is None

    def wait(self, seconds=30):
        """Its exit code, once it has ended by itself."""
        return self.child.wait(seconds)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.running():
            self.child.kill()
            self.child.wait()

    def output(self):
        return (self.folder / "output").read_text()
