"""Clean Debians in containers on this machine's network: one that builds packages, one that is booted and installs them."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / ".dev/debian"  # kept: making it takes minutes
RELEASES = ["bookworm", "trixie"]
BOOT_SECONDS = 120


def mirror():
    """The mirror of this machine's Debian, as apt knows it."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.M))
    name = release["VERSION_CODENAME"]
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages"],
                            capture_output=True, text=True, check=True).stdout
    mirrors = [line.split()[1] for line in listed.splitlines() if line.split()[0] == name]
    assert mirrors, f"apt knows no mirror of {name}:\n{listed}"
    return mirrors[0]


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, (done.stdout + done.stderr)[-3000:])
    return done


def make_once(folder, make):
    """The folder, which make(new folder) fills unless it is there."""
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        make(fresh)
        fresh.rename(folder)
    return folder


def base_system(release):
    """The folder of a minimal Debian with systemd, made once."""
    return make_once(BASE / release, lambda folder: run(
        "debootstrap", "--variant=minbase", "--include=ca-certificates,dbus,systemd-sysv", release, folder, mirror()))


def install(folder, *arguments):
    """apt-get in a system that does not run."""
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    for command in (["update"], ["--yes", "--no-install-recommends", *arguments]):
        run("chroot", folder, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *command)


class Builder:
    """A clean Debian that has what docs/operations.md says for building the packages. The checkout is at its own path."""

    def __init__(self, release, target):
        self.target = target  # the one folder of ours that it may write to
        self.folder = make_once(BASE / f"{release}-build", lambda folder: self._make(release, folder))
        shutil.copytree(ROOT / "packaging/debian", self.folder / "opt/packaging/debian", dirs_exist_ok=True)
        install(self.folder, "build-dep", "/opt/packaging")

    @staticmethod
    def _make(release, folder):
        run("cp", "-a", base_system(release), folder)
        install(folder, "install", "git", "lintian")
        run("chroot", folder, "git", "config", "--system", "safe.directory", "*")

    def run(self, *command):
        history = subprocess.run(["git", "rev-parse", "--path-format=absolute", "--git-common-dir"], cwd=ROOT,
                                 capture_output=True, text=True, check=True).stdout.strip()
        return run("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", "--directory", self.folder,
                   "--chdir", ROOT, f"--bind-ro={ROOT}", f"--bind-ro={history}", f"--bind={self.target}",
                   f"--setenv=DEB_BUILD_OPTIONS=nocheck parallel={os.cpu_count()}", *command)


def obstacle():
    """Why there can be no machine here; None when there can be one."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    for program in ("debootstrap", "systemd-nspawn", "nsenter"):
        if not shutil.which(program):
            return f"there is no {program}"
    return None


class Machine:
    """A copy of the base system, booted. `run` runs in it; files lie below `folder`."""

    def __init__(self, release, folder, log):
        self.folder, self.log = pathlib.Path(folder), pathlib.Path(log)
        run("cp", "-a", base_system(release), self.folder)
        self.container = self.leader = None

    def install(self, *packages):
        """Installs package files and what they need, before the machine is booted: as on any Debian, with apt-get."""
        for package in packages:
            shutil.copy(package, self.folder / "opt")
        install(self.folder, "install", *[f"/opt/{pathlib.Path(package).name}" for package in packages])

    def boot(self):
        """Starts it; answers why that cannot be done here, or None."""
        with open(self.log, "ab") as log:
            self.container = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", self.folder, "--boot"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})  # systemd since 256 boots with nothing else
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            if self.container.poll() is not None:
                return f"systemd-nspawn ended with {self.container.returncode}: {self.log.read_text()[-500:]}"
            self.leader = self._find_leader()
            if self.leader and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running",
                                                                                                          "degraded"):
                return None
            time.sleep(0.2)
        return f"it did not boot within {BOOT_SECONDS} s: {self.log.read_text()[-500:]}"

    def _find_leader(self):
        children = pathlib.Path(f"/proc/{self.container.pid}/task/{self.container.pid}/children").read_text().split()
        return children[0] if children else None

    def run(self, *command, check=True, timeout=120):
        done = subprocess.run(["nsenter", "--target", self.leader, "--all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                               "LC_ALL=C.UTF-8", *command], capture_output=True, text=True, timeout=timeout, check=False)
        assert not check or done.returncode == 0, (command, done.stdout + done.stderr)
        return done

    def write(self, path, text, mode=0o644):
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "--output=short-monotonic", "--unit", unit).stdout

    def close(self):
        if self.container is not None and self.container.poll() is None:
            self.container.send_signal(signal.SIGTERM)  # systemd-nspawn hands a shutdown on
            try:
                self.container.wait(30)
            except subprocess.TimeoutExpired:
                self.container.kill()
                self.container.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
