"""A private PostgreSQL cluster: TCP on 127.0.0.1 only, passwords only (scram-sha-256), durable unless told otherwise."""
import glob
import hashlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess

import psycopg2

from . import ports
from .files import write_private
from .process import Daemon, as_user, pids_in_folder, unprivileged_user
from .report import Trouble, wait_until

SUPERUSER = "postgres"
READY_SECONDS = 120
STOP_SECONDS = 20
ORPHAN_SECONDS = 15

SETTINGS = """\
# Written at each start by tools/devstack/postgres.py.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
cluster_name = 'cartledger'
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 200
shared_buffers = '256MB'
max_wal_size = '2GB'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d %a '
log_parameter_max_length_on_error = 0
"""


def forget_other_servers():
    """libpq takes what a URL leaves open from the environment, and for psql the server itself (PGSERVICE)."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def binary(name):
    """The path of a server program: the newest PostgreSQL that Debian has installed."""
    found = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    if not found:
        raise Trouble(f"PostgreSQL's {name} is missing: install Debian's package postgresql")
    return max(found, key=lambda path: int(path.split("/")[4]))


def read_secret(path):
    """The secret in `path`, made at random when there is none."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
        path.parent.chmod(0o700)
    return path.read_text().strip()


class PostgresServer:
    """The cluster whose data lies in `home` (see _settle_home) and whose pid file lies in `run`."""

    name = "postgres"

    def __init__(self, home, port, run, log, secrets_folder):
        self.home = home
        self.port = port
        self.secrets = secrets_folder
        self.user = unprivileged_user()
        self.daemon = Daemon(self.name, run, log)

    @property
    def data(self):
        return self.home.resolve() / "data"

    def password(self, role):
        return read_secret(self.secrets / f"{role}.password")

    def url(self, role, database):
        return f"postgresql://{role}:{self.password(role)}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="postgres", role=SUPERUSER):
        """A new psycopg2 connection in autocommit mode."""
        connection = psycopg2.connect(self.url(role, database), connect_timeout=3)
        connection.autocommit = True
        return connection

    def answers(self):
        try:
            connection = self.connect()
        except psycopg2.OperationalError:
            return False
        connection.close()
        return True

    def start(self):
        """Makes the cluster when there is none, starts it, returns when it answers."""
        with self.daemon.lock():
            if self.daemon.pid() is None:
                ports.demand_free(self.port, self.name, "POSTGRES_PORT")
                if not (self.data / "PG_VERSION").exists():
                    self._create()
                self._clear_leftovers()
                self._write_settings()
                self.daemon.spawn([binary("postgres"), "-D", self.data], shape=str(self.port), user=self.user,
                                  env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"})
            self.daemon.wait_ready(self.answers, READY_SECONDS)

    def stop(self):
        stopped = self.daemon.stop(STOP_SECONDS, signal.SIGINT)
        self._clear_leftovers()
        return stopped

    def kill(self):
        """SIGKILL to the postmaster alone; its children notice and go, start() waits for that."""
        return self.daemon.kill()

    def wipe(self):
        """Forgets the data; the server must be stopped."""
        shutil.rmtree(self.home.resolve(), ignore_errors=True)
        if self.home.is_symlink():
            self.home.unlink()
        shutil.rmtree(self.secrets, ignore_errors=True)

    def _settle_home(self):
        """Makes `home`, a folder that PostgreSQL's user owns.

        When that user cannot reach it (a checkout below a private home folder), `home` becomes a link to a folder named
        after it at that user's own home; from /var/tmp, Debian 13 clears away what is 30 days old.
        """
        if self.home.exists():
            return
        self.home.parent.mkdir(parents=True, exist_ok=True)
        if self.user is not None and subprocess.run(["test", "-x", self.home.parent], check=False,
                                                    **as_user(self.user)).returncode != 0:
            digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
            elsewhere = pathlib.Path(self.user.pw_dir) / f"cartledger-{digest}"
            if elsewhere.exists() and (elsewhere.is_symlink() or elsewhere.stat().st_uid != self.user.pw_uid):
                raise Trouble(f"{elsewhere} belongs to somebody else: remove it")
            elsewhere.mkdir(mode=0o700, exist_ok=True)
            self.home.unlink(missing_ok=True)
            self.home.symlink_to(elsewhere)
        else:
            self.home.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)

    def _create(self):
        """Makes the cluster elsewhere first: what was interrupted must not be taken for one."""
        self._settle_home()
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self.home.resolve() / "superuser.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password(SUPERUSER))
        self._own(password_file)
        try:
            done = subprocess.run(
                [binary("initdb"), "-D", fresh, "-U", SUPERUSER, f"--pwfile={password_file}",
                 "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"],
                capture_output=True, text=True, check=False, cwd="/", **as_user(self.user))
        finally:
            password_file.unlink()
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise Trouble(f"initdb failed:\n{done.stdout}{done.stderr}")
        with open(fresh / "postgresql.conf", "a", encoding="ascii") as config:
            config.write("include 'cartledger.conf'\n")
        shutil.rmtree(self.data, ignore_errors=True)
        fresh.rename(self.data)

    def _write_settings(self):
        file = self.data / "cartledger.conf"
        file.write_text(SETTINGS.format(port=self.port))
        self._own(file)

    def _own(self, path):
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _clear_leftovers(self):
        """After a postmaster was killed: waits for its orphaned backends, removes its stale lock file.

        The backends of a dead postmaster end by themselves unless they are frozen or deep in a statement; the shared
        memory they hold is lost either way, so what remains is killed. All of them have the data folder as their
        working directory. Nothing of this is done while a postmaster lives.
        """
        if self.daemon.pid() is not None:
            return
        lock_file = self.data / "postmaster.pid"
        orphans = pids_in_folder(self.data)
        noted = lock_file.read_text().split() if lock_file.exists() else []  # nothing after a power cut
        if noted and int(noted[0]) in orphans:
            raise Trouble(f"a PostgreSQL that ./dev did not start (pid {noted[0]}) uses {self.data}: stop it")
        if not wait_until(lambda: not pids_in_folder(self.data), ORPHAN_SECONDS if orphans else 0):
            for pid in pids_in_folder(self.data):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not pids_in_folder(self.data), ORPHAN_SECONDS)
        lock_file.unlink(missing_ok=True)
