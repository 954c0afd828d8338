"""A private Kafka broker: one KRaft node on loopback, no topics by accident, nothing forgotten."""
import base64
import concurrent.futures
import hashlib
import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from . import ports
from .process import Daemon, locked
from .report import Trouble, step, wait_until

READY_SECONDS = 120
STOP_SECONDS = 20

ARCHIVE = "kafka.jsa"  # in the folder of the jars: their classes as the JVM wants them: a start costs a third less
ARCHIVE_SECONDS = 120

JVM_OPTIONS = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
               "-Djava.awt.headless=true"]

# The controller listens on another loopback address, out of the way of everybody's ports on 127.0.0.1.
SETTINGS = """\
# Written at each start by tools/devstack/kafka.py. The short session lets a killed broker come back at once: a new one
# is not let in before the session of the old one has ended.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.2:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.2:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"""


def _admin(bootstrap, security=None):
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 5000, **(security or {})})


def _partition_count(admin, topic):
    found = admin.list_topics(timeout=10).topics.get(topic)
    return len(found.partitions) if found else 0


def answers(bootstrap, seconds=1.0):
    """Whether a broker there gives its metadata."""
    try:
        return bool(_admin(bootstrap).list_topics(timeout=seconds).brokers)
    except KafkaException:
        return False


def partition_count(bootstrap, topic):
    """The number of the topic's partitions; 0 when there is no such topic."""
    return _partition_count(_admin(bootstrap), topic)


def ensure_topic(bootstrap, topic, partitions, security=None):
    """Makes the topic, kept for ever, unless it is there; refuses when it has another number of partitions.

    `security` holds librdkafka's security properties.
    """
    # The client has to outlive the futures that it gives.
    admin = _admin(bootstrap, security)
    failures = ["it does not appear"]

    def attempt():
        try:
            count = _partition_count(admin, topic)
            if count == 0:
                config = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
                replication = min(3, len(admin.list_topics(timeout=10).brokers))
                admin.create_topics([NewTopic(topic, partitions, replication, config=config)])[topic].result(10)
            return count
        except (KafkaException, concurrent.futures.TimeoutError) as error:
            failures.append(error)
            return 0

    # A topic appears in the metadata a moment after it was made, and a starting broker may refuse for a moment.
    count = wait_until(attempt, 20)
    if count is None:
        raise Trouble(f"could not create the topic {topic} at {bootstrap}: {failures[-1]}")
    if count != partitions:
        raise Trouble(f"the topic {topic} at {bootstrap} has {count} partitions, not {partitions}: the number is fixed "
                      f"for ever. Use PARTITIONS={count}, another KAFKA_TOPIC, or delete the topic")


def delete_topic(bootstrap, topic, security=None):
    """Deletes the topic and waits until it is gone; nothing when there is none."""
    admin = _admin(bootstrap, security)
    if _partition_count(admin, topic) == 0:
        return
    admin.delete_topics([topic])[topic].result(10)
    if not wait_until(lambda: _partition_count(admin, topic) == 0, 20):
        raise Trouble(f"the topic {topic} is still there 20 s after its deletion")


def prepare(libs, tools):
    """Kafka's jars in `libs`, with their class archive; `tools` is tools/kafka."""
    _fetch_jars(libs, tools / "pom.xml")
    _archive_classes(libs, tools / "log4j2.xml")


def _fetch_jars(libs, pom):
    """Copies Kafka's jars into `libs` with Maven, unless those that `pom` names are there."""
    stamp = libs / "pom.sha256"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    with locked(libs.parent / "libs.lock", "another ./dev is fetching Kafka: waiting for it"):
        if stamp.exists() and stamp.read_text() == digest:
            return
        fresh = libs.with_name("libs.new")
        shutil.rmtree(fresh, ignore_errors=True)
        with step("fetching Kafka (about 55 MB, once)"):
            done = subprocess.run(
                ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={fresh}",
                 "-DincludeScope=runtime"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not fresh.exists():
            raise Trouble("Maven could not fetch Kafka (does it reach its repository? a proxy or mirror belongs into "
                          f"~/.m2/settings.xml):\n{(done.stdout + done.stderr)[-2000:]}")
        (fresh / stamp.name).write_text(digest)
        shutil.rmtree(libs, ignore_errors=True)
        fresh.rename(libs)


def _archive_classes(libs, log_config):
    """Makes the jars' class archive by a broker that lives for a moment, unless it is there. Kafka runs without it too."""
    archive = libs / ARCHIVE
    with locked(libs.parent / "libs.lock"):
        if archive.exists():
            return
        with step("preparing Kafka's classes (once)"), tempfile.TemporaryDirectory() as home:
            home = pathlib.Path(home)
            fresh = home / ARCHIVE
            broker = KafkaBroker(home / "kafka", ports.free_port(), home, home, libs, log_config,
                                 [f"-XX:ArchiveClassesAtExit={fresh}"])
            try:
                broker.start()
            finally:
                broker.daemon.stop(ARCHIVE_SECONDS)
            if fresh.exists():
                shutil.copyfile(fresh, archive.with_suffix(".new"))
                archive.with_suffix(".new").rename(archive)


class KafkaBroker:
    """The broker whose data and configuration lie in `home`; `libs` holds the jars (see prepare)."""

    name = "kafka"

    def __init__(self, home, port, run, log, libs, log_config, jvm_options=()):
        self.home = home
        self.port = port
        self.libs = libs
        self.log_config = log_config
        self.jvm_options = jvm_options
        self.bootstrap = f"127.0.0.1:{port}"
        self.daemon = Daemon(self.name, run, log)
        self.more_settings = ""  # lines that hold from the next start on, also instead of those above

    def answers(self):
        return answers(self.bootstrap)

    def start(self):
        """Formats the storage when there is none, starts the broker, returns when it answers."""
        with self.daemon.lock():
            if self.daemon.pid() is None:
                ports.demand_free(self.port, self.name, "KAFKA_PORT")
                self.home.mkdir(parents=True, exist_ok=True)
                others = itertools.chain(range(self.port + 1, 65536), range(self.port - 1, 0, -1))
                controller_port = next(port for port in others if ports.is_free(port, "127.0.0.2"))
                self._settings_file.write_text(SETTINGS.format(port=self.port, controller_port=controller_port,
                                                               data=self.home / "data") + self.more_settings)
                if not (self.home / "data" / "meta.properties").exists():
                    self._format()
                self.daemon.spawn(self._java("kafka.Kafka", self._settings_file, options=self.jvm_options),
                                  env=self._environment(), shape=str(self.port))
            self.daemon.wait_ready(self.answers, READY_SECONDS)

    def stop(self):
        return self.daemon.stop(STOP_SECONDS)

    def kill(self):
        return self.daemon.kill()

    def wipe(self):
        """Forgets the data; the broker must be stopped."""
        shutil.rmtree(self.home / "data", ignore_errors=True)

    @property
    def _settings_file(self):
        return self.home / "server.properties"

    def _environment(self):
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8",
                **{name: os.environ[name] for name in ("JAVA_HOME", "HOME") if name in os.environ}}

    def _java(self, main, *arguments, options=()):
        archive = self.libs / ARCHIVE
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        return ["java", *JVM_OPTIONS, *shared, *options, f"-Dlog4j2.configurationFile={self.log_config}",
                "-cp", f"{self.libs}/*", main, *arguments]

    def _format(self):
        cluster_id = "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        done = subprocess.run([str(arg) for arg in self._java("kafka.tools.StorageTool", "format", "--cluster-id",
                                                              cluster_id, "--config", self._settings_file)],
                              env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"Kafka's storage could not be formatted:\n{(done.stdout + done.stderr)[-2000:]}")
