"""docker-compose.yml under test: a project of its own, on a port of its own, driven through its gateway."""

import json
import os
import pathlib
import signal
import subprocess

import requests

from devstack.ports import free_port
from shop import Shop, eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_SECONDS = 300
SERVERS = ["postgres", "kafka", "command-service", "query-service", "gateway"]
JOBS = ["secrets", "migrate", "topic"]


def docker(*arguments, check=True, timeout=600, **options):
    """Runs docker; answers what it printed. Fails with what it said."""
    done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, **options)
    assert not check or done.returncode == 0, f"docker {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def has_image(name):
    return bool(docker("image", "ls", "-q", name).strip())


class Compose:
    """`docker compose` on the checkout's own file, unchanged."""

    def __init__(self):
        self.project = f"cartledger-test-{os.getpid()}"
        self.ports = {name: free_port() for name in ("CARTLEDGER_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")}
        self.url = f"http://127.0.0.1:{self.ports['CARTLEDGER_PORT']}"
        self.prometheus_url = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}"
        self.environment = {**os.environ, "COMPOSE_PROJECT_NAME": self.project,
                            "CARTLEDGER_VERSION": "test", **{name: str(port) for name, port in self.ports.items()}}
        if "Buildx" not in docker("info", "--format", "{{json .ClientInfo.Plugins}}"):
            self.environment["DOCKER_BUILDKIT"] = "0"

    def __call__(self, *arguments, **options):
        return docker("compose", *arguments, cwd=ROOT, env=self.environment, **options)

    def up(self, *services, profile=None, build=False):
        profiles = ["--profile", profile] if profile else []
        self(*profiles, "up", "--detach", "--wait", "--wait-timeout", READY_SECONDS, *(["--build"] if build else []),
             *services, timeout=READY_SECONDS + 900)

    def down(self, *options):
        self("--profile", "*", "down", "--timeout", "20", *options)

    def shop(self):
        return Shop(self.url, self.url)

    def containers(self):
        """What `docker inspect` says of each of the project's containers, by the service's name."""
        ids = self("--profile", "*", "ps", "--all", "--quiet").split()
        found = json.loads(docker("inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def kill(self, service):
        """SIGKILL to the container's first process, as a crash is: the engine is not told."""
        os.kill(self.containers()[service]["State"]["Pid"], signal.SIGKILL)

    def wait_healthy(self, service, restarts=0, seconds=READY_SECONDS):
        def healthy():
            container = self.containers()[service]
            return (container["RestartCount"] >= restarts and container["State"]["Running"]
                    and container["State"].get("Health", {}).get("Status", "healthy") == "healthy")
        eventually(healthy, seconds, every=0.5)

    def metrics(self, host, port):
        """The metrics of a service, which are not to be had from outside."""
        return self("exec", "-T", "gateway", "curl", "-fsS", f"http://{host}:{port}/metrics")

    def log(self):
        """All events, in the order of partition and position."""
        with requests.get(self.url + "/v1/events", headers={"Accept": "application/x-ndjson"}, timeout=60,
                          stream=True) as answer:
            assert answer.status_code == 200, answer.text
            return [json.loads(row) for row in answer.iter_lines() if row]
