"""Services of which a test lets one call of a library fail: memory, threads, sockets, PostgreSQL's client, Kafka's, …

failing_calls.c is the other end of the file that both have in memory.
"""

import mmap
import os
import struct
import subprocess
from collections import namedtuple

from service import Service, build_folder

HEAD, PATH = struct.Struct("QQQQ"), struct.Struct("Q12Q40s")
PATHS_MAX = 8192

Path = namedtuple("Path", "id name frames")
Path.__doc__ = "One way to a call: an id, the name of what is called, and the offsets in the program that led to it."


class Calls:
    """The calls of one process: which there were, and which one is to fail."""

    def __init__(self, file):
        self.file = file
        with open(file, "w+b") as opened:
            opened.truncate(HEAD.size + PATHS_MAX * PATH.size)
            self.memory = mmap.mmap(opened.fileno(), 0)

    def seen(self):
        """By id, in the order of the first calls."""
        count = HEAD.unpack_from(self.memory)[3]
        found = (PATH.unpack_from(self.memory, HEAD.size + number * PATH.size) for number in range(count))
        return {values[0]: Path(values[0], values[-1].rstrip(b"\0").decode(), [at for at in values[1:-1] if at])
                for values in found}

    def forget(self):
        """Begins anew; no process may be running."""
        self.memory[:HEAD.size] = bytes(HEAD.size)

    def arm(self, path_id, always=False):
        """The next call by this path fails, or each from now on; 0: none does."""
        self.memory[:24] = struct.pack("QQQ", path_id, always, 0)

    def has_failed(self):
        return HEAD.unpack_from(self.memory)[2] > 0


class FailingService(Service):
    """A service, made of `service` of a stack, whose calls can fail. `made` are all of them."""

    made = []

    def __init__(self, service, name):
        super().__init__(service.kind, service.env, service.log.with_name(f"{name}.log"), name)
        self.made.append(self)
        self.calls = Calls(service.log.with_name(f"{name}.calls"))
        self.env.update(FAILING_CALLS=self.calls.file, **{f"{self.kind.partition('-')[0].upper()}_PORT": str(self.port)})

    def command(self, *arguments):
        return [str(build_folder() / "tests/integration" / f"failing-{self.kind}"), *arguments]

    def describe(self, path):
        """The call and what led to it, for people."""
        lines = subprocess.run(["addr2line", "-sfpe", self.command()[0], *(hex(at - 1) for at in path.frames)],
                               capture_output=True, text=True, check=False, env=os.environ).stdout.split("\n")
        return f"{path.name} <- " + " <- ".join(filter(None, lines))
