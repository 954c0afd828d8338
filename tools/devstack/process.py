"""Background processes that are found again by their pid files.

A pid alone is not trusted: it counts only together with the start time that was noted beside it, so that a recycled
pid is never taken for ours, and a zombie counts as dead (where PID 1 does not reap, they stay for ever).
"""
import contextlib
import fcntl
import os
import pathlib
import pwd
import signal
import subprocess
import time

from .report import Ended, Trouble, tail, wait_until, warn

_children = []  # Popen objects of this Python process, kept so that poll() can reap them


def _stat_fields(pid):
    """The fields of /proc/PID/stat after the command's name: [0] is the state, [19] the start time in ticks."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def start_mark(pid):
    """What tells this process from any other that ever had the pid; None when it is dead or a zombie.

    A zombie whose other threads are still going still holds its files and ports: it counts as alive.
    """
    fields = _stat_fields(pid)
    if fields is None or (fields[0] in "ZX" and _thread_count(pid) <= 1):
        return None
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " " + fields[19]


def _thread_count(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def started_at(pid):
    """When the process started, in seconds since the epoch."""
    fields = _stat_fields(pid)
    uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else None


def is_stopped(pid):
    """Whether it was frozen by SIGSTOP."""
    fields = _stat_fields(pid)
    return bool(fields) and fields[0] == "T"


def pids_in_folder(folder):
    """The live processes whose working directory is `folder`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/cwd") == str(folder) and start_mark(entry):
                    found.append(int(entry))
    return found


def unprivileged_user():
    """The user that may run PostgreSQL, which refuses root: `postgres` for root, None (oneself) for others."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise Trouble("there is no user `postgres`; it comes with Debian's package postgresql") from None


def as_user(user):
    """Keyword arguments for subprocess that make the child run as `user`."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def locked(path, waiting=None):
    """Holds an exclusive lock on a file; says `waiting` once when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                warn(waiting)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Daemon:
    """One background process: `NAME.pid` and what belongs to it in `run`, its output in `log`/NAME.log."""

    def __init__(self, name, run, log):
        self.name = name
        self.pid_file = run / f"{name}.pid"
        self.start_file = run / f"{name}.start"
        self.shape_file = run / f"{name}.shape"
        self.lock_file = run / f"{name}.lock"
        self.log_file = log / f"{name}.log"

    def pid(self):
        """Its pid when it lives, else None."""
        _children[:] = [child for child in _children if child.poll() is None]
        try:
            pid = int(self.pid_file.read_text())
            mark = self.start_file.read_text().strip()
        except (OSError, ValueError):
            return None
        return pid if start_mark(pid) == mark else None

    def shape(self):
        """What the running process was started with (see spawn), None when it is not running."""
        return self.shape_file.read_text() if self.pid() and self.shape_file.exists() else None

    def lock(self):
        return locked(self.lock_file)

    def spawn(self, argv, env, user=None, shape=""):
        """Starts it detached from the caller: a session of its own, no inherited files, output to the log.

        `shape` is remembered: by comparing it the caller later knows whether a restart would make a difference.
        """
        for folder in (self.pid_file.parent, self.log_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with open(self.log_file, "ab") as log:
            child = subprocess.Popen([str(arg) for arg in argv], env=env, cwd="/", stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, start_new_session=True, **as_user(user))
        _children.append(child)
        try:
            self.start_file.write_text((start_mark(child.pid) or "gone") + "\n")
            self.shape_file.write_text(shape)
            self.pid_file.write_text(f"{child.pid}\n")
        except BaseException:  # nobody would find it again
            child.kill()
            raise

    def send(self, number):
        """Sends a signal; False when it is not running."""
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, number)
        return True

    def wait_gone(self, seconds):
        return bool(wait_until(lambda: self.pid() is None, seconds, 0.02))

    def kill(self):
        """SIGKILL, then waits until it is gone; False when it was not running."""
        if not self.send(signal.SIGKILL):
            return False
        if not self.wait_gone(10):
            raise Trouble(f"{self.name} survives SIGKILL: it hangs in the kernel")
        self.forget()
        return True

    def stop(self, seconds, number=signal.SIGTERM):
        """Asks it to end, kills it when it has not within `seconds`; False when it was not running."""
        if not self.send(number):
            self.forget()
            return False
        self.send(signal.SIGCONT)
        if not self.wait_gone(seconds):
            warn(f"{self.name} did not end within {seconds} s: killed. Its last lines ({self.log_file}):\n"
                 + tail(self.log_file))
            self.kill()
        self.forget()
        return True

    def forget(self):
        for file in (self.pid_file, self.start_file, self.shape_file):
            file.unlink(missing_ok=True)

    def wait_ready(self, probe, seconds):
        """Waits until `probe()` is true; raises with the end of the log when it dies or takes too long."""
        def settled():
            return "ready" if probe() else "gone" if self.pid() is None else None

        outcome = wait_until(settled, seconds)
        if outcome != "ready":
            kind, why = (Ended, "ended at once") if outcome == "gone" else (Trouble, f"was not ready within {seconds} s")
            raise kind(f"{self.name} {why}. The end of {self.log_file}:\n{tail(self.log_file)}")
