"""What a run cost: CPU by thread, context switches, memory, WAL and syncs, and how busy others kept the machine."""

import itertools
import os
import pathlib
import re
import resource
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def _threads(pid):
    """(its name, CPU seconds, the same in whole ticks, context switches) of each thread."""
    found = {}
    try:
        tids = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for tid in tids:
        stat, status, ran = (_read(f"/proc/{pid}/task/{tid}/{file}") for file in ("stat", "status", "schedstat"))
        if not stat or not status:
            continue
        name = stat.partition("(")[2].rpartition(")")[0]
        fields = stat.rpartition(")")[2].split()
        ticks = (int(fields[11]) + int(fields[12])) / TICKS
        switches = sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
        found[tid] = (name, int(ran.split()[0]) / 1e9 if ran else ticks, ticks, switches)
    return found


def _process_seconds(pid):
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _reaped_seconds(pid):
    """CPU seconds of the children that have ended: of a postmaster, the backends that came and went."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS if fields else 0.0


def rss_mib(pid):
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * resource.getpagesize() / 2**20 if fields else 0.0


def services_mib(rig):
    """The memory of the services that run, by name."""
    return {name: round(sum(rss_mib(pid) for pid in pids), 1)
            for name, pids in rig.processes().items() if name.endswith("-service")}


def peak_mib(pid):
    """The most memory that it had at a time since it began."""
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", _read(f"/proc/{pid}/status"), re.M).group(1)) / 1024


def _busy_seconds():
    """CPU seconds that all cores together have spent on anything, stolen ones included."""
    fields = [int(field) for field in _read("/proc/stat").splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def _children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _own_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Watch:
    """`with Watch(rig) as watch:` … watch.cost says what the block used."""

    def __init__(self, rig):
        self.rig = rig
        self.cost = {}

    def _snapshot(self):
        processes = self.rig.processes()
        return {"at": time.monotonic(), "busy": _busy_seconds(), "generator": _children_seconds(),
                "processes": {pid: _process_seconds(pid) for pids in processes.values() for pid in pids},
                "own": _own_seconds(), "reaped": _reaped_seconds(self.rig.postgres.daemon.pid()),
                "threads": {(name, pid, tid): seen for name, pids in processes.items() for pid in pids
                            for tid, seen in _threads(pid).items()}}

    def __enter__(self):
        self.before = self._snapshot()
        return self

    def others_cores(self):
        """How many cores programs that are not ours have used since the block began."""
        self.__exit__()
        return self.cost["othersCpu"]

    def __exit__(self, *_):
        before, after = self.before, self._snapshot()
        seconds = after["at"] - before["at"]
        # Of PostgreSQL what its processes used, those that have ended and those that are there.
        cpu = {"postgres": after["reaped"] - before["reaped"]
               - sum(ticks for key, (_, _, ticks, _) in before["threads"].items()
                     if key[0] == "postgres" and key not in after["threads"])}
        switches = {}
        for key, (thread, used, _, switched) in after["threads"].items():
            _, used_before, _, switched_before = before["threads"].get(key, ("", 0, 0, 0))
            label = f"{key[0]}/{thread}" if key[0].endswith("-service") else key[0]
            cpu[label] = cpu.get(label, 0) + used - used_before
            switches[key[0]] = switches.get(key[0], 0) + switched - switched_before
        generator = after["generator"] - before["generator"]
        # A service that has ended since is among the children that were waited for, with all of its life.
        ours = sum(after["processes"].values()) - sum(before["processes"].values())
        ours += sum(after[key] - before[key] for key in ("generator", "own", "reaped"))
        self.cost = {
            "seconds": seconds, "cpuSeconds": {label: used for label, used in cpu.items() if used > 0},
            "switches": switches, "generatorCpu": generator / seconds,
            "generatorSeconds": generator,
            "othersCpu": max(after["busy"] - before["busy"] - ours, 0) / seconds,
            "rssMiB": services_mib(self.rig),
        }


def profile(pid, seconds, data):
    """Where a program spends its CPU: how often perf saw each stack, its frames from the outermost on, `;` between them.

    perf's own file goes to `data` and is removed. Nothing when perf is missing or may not look.
    """
    record = ["perf", "record", "-q", "-F", "199", "--call-graph", "dwarf,8192", "-o", data, "-p", str(pid)]
    script = ["perf", "script", "--no-inline", "-F", "comm,ip,sym,dso", "-i", data]
    try:
        if subprocess.run([*record, "--", "sleep", str(seconds)], capture_output=True, check=False).returncode != 0:
            return {}
        said = subprocess.run(script, capture_output=True, text=True, check=False).stdout
    except OSError:
        return {}
    finally:
        pathlib.Path(data).unlink(missing_ok=True)
    stacks = {}
    for sample in said.strip().split("\n\n"):
        thread, *frames = [line.strip() for line in sample.splitlines()]
        names = [name for name, _ in itertools.groupby([thread, *map(_frame_name, reversed(frames))])]
        stacks[";".join(names)] = stacks.get(";".join(names), 0) + 1
    return stacks


def _frame_name(line):
    """Of perf's `address symbol (file)`: the symbol, or the file where it has none."""
    name, _, file = line.partition(" ")[2].rpartition(" (")
    return name if name != "[unknown]" else f"[{pathlib.Path(file.rstrip(')')).name}]"


class SystemCalls:
    """`with SystemCalls(pid) as calls:` … calls.counts: by thread's name, and by call, how many the block made.

    perf counts them in the kernel, which costs the program little; strace would stop it at each.
    """

    NAMES = ("accept4", "close", "fcntl", "futex", "madvise", "poll", "read", "recvfrom", "recvmsg", "sendmsg", "sendto",
             "setsockopt", "write", "writev")

    def __init__(self, pid, names=NAMES):
        events = ["raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{name}" for name in names)]
        self.command = ["perf", "stat", "-x", ",", "--per-thread", "-e", ",".join(events), "-p", str(pid)]
        self.counts = {}

    def are_allowed(self):
        try:
            return subprocess.run([*self.command, "--", "true"], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def __enter__(self):
        self.perf = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                     env={**os.environ, "LC_ALL": "C"})
        time.sleep(0.5)  # for it to have found all threads
        return self

    def __exit__(self, *_):
        self.perf.send_signal(signal.SIGINT)
        for line in self.perf.communicate()[1].splitlines():
            fields = line.split(",")
            if len(fields) > 3 and fields[1].isdigit():
                thread, event = fields[0].rpartition("-")[0], fields[3].rpartition("_")[2]
                name = f"all, thread {thread}" if event == "enter" else event
                self.counts[name] = self.counts.get(name, 0) + int(fields[1])


def wal_bytes(rig):
    """Of both databases, so far."""
    return int(rig.sql("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])


def wal_syncs(rig):
    """A backend tells of its own with the first commit a second after the last report: see commands._nudge()."""
    version = int(rig.sql("SHOW server_version_num")[0][0])
    rig.sql("SELECT pg_stat_clear_snapshot()")
    if version >= 180000:
        syncs = rig.sql("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'")
    else:
        syncs = rig.sql("SELECT wal_sync FROM pg_stat_wal")
    return int(syncs[0][0] or 0)
