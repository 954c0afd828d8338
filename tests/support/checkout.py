"""A checkout in which nothing has ever been started: ./dev and what it needs, and services that have been built already."""

import os
import pathlib
import shutil
import subprocess

from devstack import kafka
from devstack.ports import free_port
from service import COMPLAINTS, SANITIZER_OPTIONS, build_folder

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORTS = {"postgres": "POSTGRES_PORT", "kafka": "KAFKA_PORT", "command-service": "COMMAND_PORT", "query-service": "QUERY_PORT"}


class Checkout:
    """Has ports of its own. `close()` ends and forgets what runs in it."""

    def __init__(self, folder):
        self.folder = folder
        jars = ROOT / ".dev/kafka/libs"
        kafka.prepare(jars, ROOT / "tools/kafka")
        shutil.copy(ROOT / "dev", folder)
        for name in ("tools", "migrations"):
            shutil.copytree(ROOT / name, folder / name)
        built = folder / ".dev/build/release"
        built.mkdir(parents=True)
        (folder / ".dev/kafka").mkdir()
        (folder / ".dev/kafka/libs").symlink_to(jars)
        (built / "build.ninja").write_text("build all: phony\n")
        for service in ("command-service", "query-service"):
            (built / service).symlink_to(build_folder() / service)
        self.ports = {name: free_port() for name in PORTS}
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
        self.environment |= SANITIZER_OPTIONS | {PORTS[name]: str(port) for name, port in self.ports.items()}

    def run(self, script, **environment):
        """Answers the CompletedProcess of a bash at the top of the checkout."""
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self.environment | environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)

    def check_logs(self):
        """The logs of the services are without a word of a sanitizer."""
        logs = [file.read_text(errors="replace") for file in self.folder.glob(".dev/log/*-service.log")]
        assert not any(map(COMPLAINTS.search, logs)), "\n".join(logs)[-6000:]

    def close(self):
        done = self.run("./dev down --wipe")
        assert done.returncode == 0, done.stderr
