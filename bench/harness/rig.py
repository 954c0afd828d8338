"""The servers that a benchmark runs on: PostgreSQL, Kafka and both services, on ports and data of their own."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request

from devstack import databases, kafka, ports
from devstack.postgres import PostgresServer
from devstack.process import Daemon, pids_in_folder
from devstack.report import Trouble, step, tail, wait_until
from .machine import ROOT

STATE = ROOT / ".dev"
BUILD = STATE / "build/bench"
PARTITIONS = 6
TOPIC, DEAD_TOPIC = "cart-events", "cart-events-dead"
READY_SECONDS, STOP_SECONDS = 120, 12
DRAIN_SECONDS = 300
SLOWEST = 5000  # events a second; whoever has more to do than that in DRAIN_SECONDS is given longer
BENCH = "bench"  # the database of pgbench


def patience(events):
    """Seconds that somebody may take for so many events."""
    return max(DRAIN_SECONDS, events / SLOWEST)


def build():
    """The release build, as ./dev up makes it, and the programs of bench/."""
    log = STATE / "log/bench-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    steps = [["ninja", "-C", BUILD]]
    if not (BUILD / "build.ninja").exists():
        shutil.rmtree(BUILD, ignore_errors=True)
        steps.insert(0, ["meson", "setup", BUILD, ROOT, "--buildtype=release", "-Db_ndebug=false", "-Dtests=disabled",
                         "-Dbench=true"])
    with step("building"), open(log, "wb") as output:
        for command in steps:
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode:
                raise Trouble(f"the build failed. The end of {log}:\n{tail(log, 40)}")


class Program:
    """A background process with a port: one of the services, hello, or a peer."""

    def __init__(self, name, argv, folder, env=None):
        self.name, self.argv, self.env = name, argv, env or {}  # argv may say {port}
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.daemon = Daemon(name, folder / "run", folder / "log")

    def answers(self, path="/readyz"):
        try:
            with urllib.request.urlopen(self.url + path, timeout=2):
                return True
        except OSError:
            return False

    def accepts(self):
        return not ports.is_free(self.port)

    def start(self, path="/readyz"):
        """Starts it and waits until it answers on `path`; without one, until it takes connections."""
        if self.daemon.pid() is None:
            settings = {"PATH": "/usr/bin:/bin", **self.env}
            self.daemon.spawn([str(part).format(port=self.port) for part in self.argv],
                              env={name: str(value) for name, value in settings.items()})
        self.daemon.wait_ready((lambda: self.answers(path)) if path else self.accepts, READY_SECONDS)

    def stop(self):
        return self.daemon.stop(STOP_SECONDS)

    @property
    def pid(self):
        return self.daemon.pid()


class Rig:
    """`with Rig(folder, …) as rig:` … all that it started has ended afterwards, and its data is gone.

    PostgreSQL waits for the disk (fsync, synchronous_commit and full_page_writes are on); otherwise its settings are
    those of ./dev, the same for the baselines and for cartledger. The services run with their defaults.
    """

    def __init__(self, folder, jvm_options=()):
        self.folder = folder
        run, log = folder / "run", folder / "log"
        self.postgres = PostgresServer(folder / "postgres", ports.free_port(), run, log, folder / "secrets")
        self.kafka = kafka.KafkaBroker(folder / "kafka", ports.free_port(), run, log, STATE / "kafka/libs",
                                       ROOT / "tools/kafka/log4j2.xml", jvm_options)
        self.command = Program("command-service", [BUILD / "command-service/command-service"], folder)
        self.query = Program("query-service", [BUILD / "query-service/query-service"], folder)
        self.hello = Program("hello", [BUILD / "bench/hello", "{port}", "2"], folder)
        self.second_query = Program("query-service-2", self.query.argv, folder)
        self.programs = [self.hello, self.command, self.query, self.second_query]
        self.connections = {}

    def __enter__(self):
        try:
            self._end()  # of a run that was killed
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _start(self):
        kafka.prepare(self.kafka.libs, ROOT / "tools/kafka")
        with step("starting PostgreSQL and Kafka"):
            self.postgres.start()
            self.kafka.start()
        server = self.postgres
        databases.bootstrap(server, ROOT / "migrations")
        for kind in databases.KINDS:
            databases.migrate(kind, server.url(f"cartledger_{kind}_owner", f"cartledger_{kind}"), ROOT / "migrations",
                              self.folder / "sql-migrate.yml")
        databases.initialise_event_log(server.url("cartledger_command_owner", "cartledger_command"), PARTITIONS)
        self.sql(f"CREATE DATABASE {BENCH}")
        databases.run_psql(["-f", ROOT / "bench/sql/schema.sql"], server.url("postgres", BENCH))
        for topic, count in ((TOPIC, PARTITIONS), (DEAD_TOPIC, 1)):
            kafka.ensure_topic(self.kafka.bootstrap, topic, count)
        common = {"PARTITIONS": PARTITIONS, "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap, "KAFKA_TOPIC": TOPIC}
        self.command.env = {**common, "COMMAND_PORT": self.command.port,
                            "COMMAND_DATABASE_URL": server.url("cartledger_command", "cartledger_command")}
        self.query.env = {**common, "QUERY_PORT": self.query.port, "COMMAND_URL": self.command.url,
                          "KAFKA_DEAD_LETTER_TOPIC": DEAD_TOPIC,
                          "QUERY_DATABASE_URL": server.url("cartledger_query", "cartledger_query")}

    def _end(self):
        """Also a second Ctrl-C waits for it."""
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._end_all()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _end_all(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()
        for part in (*reversed(self.programs), self.kafka, self.postgres):
            with contextlib.suppress(Trouble):
                part.stop()
        for part in (self.kafka, self.postgres):
            part.wipe()
        shutil.rmtree(self.folder / "peers", ignore_errors=True)

    def sql(self, statement, parameters=None, database="postgres"):
        """Runs one statement as superuser; answers its rows, if it has any."""
        if database not in self.connections:
            self.connections[database] = self.postgres.connect(database)
        with self.connections[database].cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def url(self, database):
        return self.postgres.url("postgres", database)

    # What runs.

    def run_pipeline(self):
        """Both services, relay and all; returns when nothing is waiting to be published or projected."""
        self._run_command_service("true")
        self.query.start()
        self.settle()

    def run_commands_alone(self):
        """The command service without its relay, and no query service."""
        self.query.stop()
        self._run_command_service("false")

    def start_peer(self, name, path, *arguments, env=None):
        """A program of bench/peers, by its script; it ends with the rig, if not before."""
        script = [ROOT / "bench/peers/run", name, self.folder / "peers", "{port}", *arguments]
        peer = Program(name, script, self.folder, env)
        self.programs.append(peer)
        peer.start(path)
        return peer

    @contextlib.contextmanager
    def second_query_service(self):
        """Another one, with half of the partitions, beside the first as long as the block lasts."""
        first, second = self.query, self.second_query
        second.env = {**first.env, "QUERY_PORT": second.port}
        second.start()
        self._await_partitions({first: PARTITIONS - PARTITIONS // 2, second: PARTITIONS // 2})
        yield
        second.stop()
        self._await_partitions({first: PARTITIONS})

    def _await_partitions(self, shares):
        def follows(program):
            return (self.metric("cartledger_projection_partitions_assigned", program)
                    - self.metric("cartledger_projection_partitions_waiting", program))

        if wait_until(lambda: all(follows(program) == count for program, count in shares.items()), READY_SECONDS) is None:
            raise Trouble("the query services do not follow the partitions that they should")

    def run_nothing(self):
        self.query.stop()
        self.command.stop()

    @contextlib.contextmanager
    def logical_wal(self):
        """PostgreSQL writes what logical decoding needs, as long as the block lasts; nothing else may run."""
        self._restart_postgres("ALTER SYSTEM SET wal_level = logical")
        try:
            yield
        finally:
            self.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
            self._restart_postgres("ALTER SYSTEM RESET wal_level")

    def _restart_postgres(self, statement):
        self.sql(statement)
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()
        self.postgres.stop()
        self.postgres.start()

    def _run_command_service(self, relay):
        if self.command.env.get("RELAY_ENABLED") != relay:
            self.command.stop()
            self.command.env["RELAY_ENABLED"] = relay
        self.command.start()

    # Where everybody stands.

    def written(self):
        return int(self.sql("SELECT sum(last_position) FROM event_partitions", database="cartledger_command")[0][0])

    def published(self):
        """None while nobody knows: the service does not run, or its relay has not found its place yet."""
        if self.command.pid is None:
            return None
        with urllib.request.urlopen(self.command.url + "/v1/events/partitions", timeout=10) as answer:
            positions = [entry["publishedPosition"] for entry in json.load(answer)["partitions"]]
        return None if 0 in positions else sum(positions)

    def projected(self):
        return int(self.sql("SELECT coalesce(sum(position), 0) FROM projection_positions",
                            database="cartledger_query")[0][0])

    def settle(self):
        """Waits until the views have everything; answers for how many seconds it had to wait."""
        began = time.monotonic()
        seconds = patience(self.written() - self.projected())
        if wait_until(lambda: self.projected() == self.written(), seconds, 0.02) is None:
            raise Trouble(f"after {seconds:.0f} s the views are at {self.projected()} of {self.written()} events")
        return time.monotonic() - began

    def metric(self, name, program=None):
        """The sum of a service's samples of that name; the command service's, unless another is named."""
        return sum(float(value) for _, value in self._samples(program or self.command, name))

    def metric_buckets(self, name):
        """Of a histogram of the command service: how many were in each bucket, by its upper limit."""
        counts = {}
        for labels, value in self._samples(self.command, name + "_bucket"):
            limit = float(re.search(r'le="([^"]+)"', labels).group(1))
            counts[limit] = counts.get(limit, 0) + float(value)
        limits = sorted(counts)
        return {limit: counts[limit] - (counts[below] if below is not None else 0)
                for below, limit in zip([None, *limits], limits)}

    @staticmethod
    def _samples(program, name):
        with urllib.request.urlopen(program.url + "/metrics", timeout=10) as answer:
            return re.findall(rf"^{name}(\{{.*\}})? (\S+)$", answer.read().decode(), re.M)

    def processes(self):
        """The pids of each program that runs, by its name."""
        found = {program.name: [program.pid] for program in self.programs if program.pid}
        found["postgres"] = pids_in_folder(self.postgres.data)
        found["kafka"] = [self.kafka.daemon.pid()]
        return found

    def pg_environment(self, database=BENCH):
        return {**os.environ, **databases.connection_environment(self.url(database))}
