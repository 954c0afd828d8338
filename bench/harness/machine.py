"""Which machine, which versions, how fast its disk: what a figure means nothing without."""

import os
import pathlib
import platform
import re
import subprocess
import time

from devstack.postgres import binary
from .arithmetic import median

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYNCS = 300
PACKAGES = ("libmicrohttpd12", "libmicrohttpd12t64", "librdkafka1", "libpq5", "libjansson4", "libjemalloc2", "wrk")


def _output(*command):
    try:
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, timeout=60,
                              stdin=subprocess.DEVNULL, check=False).stdout.strip()
    except OSError:
        return ""


def _file_value(path, name):
    found = re.search(rf"^{name}\s*:\s*(.+)$", pathlib.Path(path).read_text(), re.M)
    return found.group(1) if found else "unknown"


def fsync_us(folder):
    """The median of what a write of 8 KiB and its fdatasync, PostgreSQL's own default, takes in `folder`."""
    path = folder / "fsync.probe"
    block = os.urandom(8192)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for at in range(SYNCS):
            os.pwrite(descriptor, block, at * len(block))
        os.fsync(descriptor)
        took = []
        for at in range(SYNCS):
            began = time.perf_counter()
            os.pwrite(descriptor, block, at * len(block))
            os.fdatasync(descriptor)
            took.append((time.perf_counter() - began) * 1e6)
        return round(median(took), 1)
    finally:
        os.close(descriptor)
        path.unlink()


def pg_test_fsync(folder):
    """What pg_test_fsync says of fdatasync for one 8 KiB write, in microseconds."""
    path = folder / "pg_test_fsync.probe"
    try:
        said = _output(binary("pg_test_fsync"), "-s", "1", "-f", path)
    finally:
        path.unlink(missing_ok=True)
    found = re.search(r"^\s*fdatasync .*?([\d.]+) usecs/op", said, re.M)
    return float(found.group(1)) if found else None


def describe(folder):
    """One JSON object: hardware, kernel, versions, and how long a disk sync takes in `folder`."""
    versions = dict(line.split(" ", 1) for line in
                    _output("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES).splitlines() if " " in line)
    kafka = re.search(r"<version>(\d+\.[^<]+)</version>", (ROOT / "tools/kafka/pom.xml").read_text())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _file_value("/proc/cpuinfo", "model name"),
        "memoryMiB": int(_file_value("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "commit": _output("git", "describe", "--always", "--dirty"),
        "postgres": _output(binary("postgres"), "--version"),
        "kafka": kafka.group(1) if kafka else "unknown",
        "packages": versions,
        "fsyncUs": fsync_us(folder),
        "load": os.getloadavg(),
    }
