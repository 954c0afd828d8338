"""A private PostgreSQL and a private Kafka for tests, with databases and topics made fresh for each stack.

They are started by the code behind `./dev` (tools/devstack), on free ports, with their data below `.dev/test/`.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

from devstack import databases, kafka, postgres
from devstack.ports import free_port
from devstack.process import Daemon, locked, pids_in_folder

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "migrations"

Databases = namedtuple("Databases", "command command_owner query query_owner", defaults=[None] * 4)
Databases.__doc__ = "The URLs of a fresh pair of databases, as the service roles and as their owners."


class Postgres:
    """The PostgreSQL server: start, stop, kill, pause, cont. kill hits the postmaster alone, pause all processes."""

    def __init__(self, folder):
        self.server = postgres.PostgresServer(folder / "postgres", free_port(), folder / "run", folder / "log",
                                              folder / "secrets")
        self.port = self.server.port
        self.start, self.stop, self.kill = self.server.start, self.server.stop, self.server.kill
        self.log = self.server.daemon.log_file

    def running(self):
        return self.server.daemon.pid() is not None

    def _signal_all(self, number):
        reached = set()
        while missed := set(pids_in_folder(self.server.data)) - reached:  # the postmaster may just have forked
            for pid in missed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            reached |= missed

    def pause(self):
        """SIGSTOP to the postmaster and every backend: nothing answers, nothing closes."""
        self._signal_all(signal.SIGSTOP)

    def cont(self):
        self._signal_all(signal.SIGCONT)

    def sql(self, statement, parameters=None, database="postgres"):
        """Runs one statement as superuser; answers the rows, if it has any."""
        with contextlib.closing(self.server.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None


class Kafka:
    """The Kafka broker: start, stop, kill, pause, cont, wipe."""

    def __init__(self, folder):
        libs = ROOT / ".dev/kafka/libs"
        kafka.prepare(libs, ROOT / "tools/kafka")
        self.broker = kafka.KafkaBroker(folder / "kafka", free_port(), folder / "run", folder / "log", libs,
                                        ROOT / "tools/kafka/log4j2.xml")
        self.servers = self.broker.bootstrap
        self.start, self.stop, self.kill, self.wipe = (self.broker.start, self.broker.stop, self.broker.kill,
                                                       self.broker.wipe)
        self.log = self.broker.daemon.log_file

    def running(self):
        return self.broker.daemon.pid() is not None

    def pause(self):
        self.broker.daemon.send(signal.SIGSTOP)

    def cont(self):
        self.broker.daemon.send(signal.SIGCONT)

    def create_topic(self, topic, partitions):
        kafka.ensure_topic(self.servers, topic, partitions)

    def delete_records(self, topic, partitions, before=-1):
        """Deletes what lies before an offset in each partition, as retention does; -1: all there is."""
        cut = [{"topic": topic, "partition": partition, "offset": before} for partition in range(partitions)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"partitions": cut, "version": 1}, file)
            file.flush()
            subprocess.run(["java", "-cp", f"{self.broker.libs}/*", "org.apache.kafka.tools.DeleteRecordsCommand",
                            "--bootstrap-server", self.servers, "--offset-json-file", file.name],
                           check=True, capture_output=True, timeout=120)

    def delete_topic(self, topic):
        kafka.delete_topic(self.servers, topic)


class Infrastructure:
    """One PostgreSQL and one Kafka; `close()` ends both and removes their data."""

    _numbers = itertools.count(1)

    def __init__(self):
        parent = ROOT / ".dev/test"
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent / "lock"):
            _remove_abandoned(parent)
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=parent))
            self.folder.chmod(0o755)
            self._held = _hold(self.folder)
        self.postgres = Postgres(self.folder)
        self.kafka = Kafka(self.folder)
        try:
            with ThreadPoolExecutor() as pool:
                started = pool.submit(self.kafka.start)
                self.postgres.start()
                self._make_templates()
                started.result()
        except BaseException:
            self.close()
            raise

    def ensure_running(self):
        """Starts, or wakes, what a test has left lying on the floor."""
        self.postgres.cont()
        self.kafka.cont()
        self.postgres.start()
        self.kafka.start()

    def _make_templates(self):
        server = self.postgres.server
        databases.bootstrap(server, MIGRATIONS)
        for kind in databases.KINDS:
            name = f"cartledger_{kind}"
            databases.migrate(kind, server.url(f"{name}_owner", name), MIGRATIONS, self.folder / "sql-migrate.yml")

    def fresh_databases(self, partitions=6, kinds=databases.KINDS):
        """A new command database, with a log of its own, and a new query database; or the one of them in `kinds`."""
        urls = {}
        for kind in kinds:
            template, name = f"cartledger_{kind}", f"{kind}_{next(self._numbers)}"
            self.postgres.sql(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {template}_owner")
            self.postgres.sql(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            self.postgres.sql(f"GRANT CONNECT ON DATABASE {name} TO {template}")
            urls[kind] = self.postgres.server.url(template, name)
            urls[f"{kind}_owner"] = self.postgres.server.url(f"{template}_owner", name)
        made = Databases(**urls)
        if made.command:
            databases.initialise_event_log(made.command_owner, partitions)
        return made

    def drop_databases(self, made):
        """Drops what fresh_databases() made, so that the server stays small; who still uses it is cut off."""
        for url in filter(None, (made.command, made.query)):
            self.postgres.sql(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def fresh_topics(self, partitions=6):
        """The names of a new topic and a new dead-letter topic."""
        number = next(self._numbers)
        topics = f"cart-events-{number}", f"cart-events-dead-{number}"
        self.kafka.create_topic(topics[0], partitions)
        self.kafka.create_topic(topics[1], 1)
        return topics

    def close(self):
        for process in (self.kafka, self.postgres):
            process.cont()
            process.kill()
        self.postgres.server.stop()  # for what the postmaster has left behind
        self.postgres.server.wipe()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.close()


def _hold(folder):
    """Marks the folder as in use for as long as this process lives."""
    lock = open(folder / "held", "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _remove_abandoned(parent):
    """Ends and removes what an earlier test run, itself killed, could not."""
    for folder in parent.glob("run-*"):
        try:
            lock = _hold(folder)
        except OSError:
            continue
        for name in ("kafka", "postgres"):
            daemon = Daemon(name, folder / "run", folder / "log")
            daemon.send(signal.SIGCONT)
            daemon.kill()
        home = folder / "postgres"
        if home.exists():
            for pid in pids_in_folder(home.resolve() / "data"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(home.resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
