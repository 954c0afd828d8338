"""This checkout's own instance, what `./dev up` runs: its settings, its four processes, `.dev/env`."""
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import urllib.error
import urllib.request

from . import databases, kafka, ports
from .files import write_private
from .postgres import PostgresServer, forget_other_servers
from .process import Daemon
from .report import Trouble

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = ROOT / ".dev"
BUILD = STATE / "build/release"
NAMES = ("postgres", "kafka", "command-service", "query-service")
SERVICES = NAMES[2:]

DEFAULTS = {
    "COMMAND_PORT": "8081",
    "QUERY_PORT": "8082",
    "POSTGRES_PORT": "5442",  # not 5432, which is a system's own PostgreSQL
    "KAFKA_PORT": "9092",
    "PARTITIONS": "6",
    "KAFKA_TOPIC": "cart-events",
    "KAFKA_DEAD_LETTER_TOPIC": "cart-events-dead",
    "KAFKA_GROUP_ID": "cartledger-views",
}
# Given from outside, these are used instead of starting one's own.
EXTERNAL = ("KAFKA_BOOTSTRAP_SERVERS", "COMMAND_DATABASE_URL", "COMMAND_OWNER_DATABASE_URL", "QUERY_DATABASE_URL",
            "QUERY_OWNER_DATABASE_URL")

READY_SECONDS = 120
STOP_SECONDS = 12  # the services promise 10


class Settings:
    """From the environment, else as remembered from the last `up` or `start` (until `down`), else the default."""

    remembered_file = STATE / "settings.json"
    # Digests of what .dev/env has ever said: a shell that has sourced it does not give these from outside.
    own_file = STATE / "own-values"

    def __init__(self):
        remembered = json.loads(self.remembered_file.read_text()) if self.remembered_file.exists() else {}
        own = self.own_file.read_text().split() if self.own_file.exists() else []

        def value(name, default):
            given = os.environ.get(name)
            if given and not (name in EXTERNAL and self._digest(given) in own):
                return given
            return remembered.get(name, default)

        self.values = {name: value(name, default) for name, default in DEFAULTS.items()}
        self.values |= {name: value(name, None) for name in EXTERNAL}
        for name in ("COMMAND_PORT", "QUERY_PORT", "POSTGRES_PORT", "KAFKA_PORT"):
            self._demand_number(name, 1, 65535)
        self._demand_number("PARTITIONS", 1, 1024)

    def __getitem__(self, name):
        return self.values[name]

    def number(self, name):
        return int(self.values[name])

    def remember(self):
        write_private(self.remembered_file, json.dumps(self.values, indent=1) + "\n")

    def forget(self):
        self.remembered_file.unlink(missing_ok=True)

    def note_own(self, values):
        known = self.own_file.read_text().split() if self.own_file.exists() else []
        fresh = [digest for digest in map(self._digest, values) if digest not in known]
        if fresh:
            write_private(self.own_file, "\n".join((known + fresh)[-1000:]) + "\n")

    def _demand_number(self, name, low, high):
        text = self.values[name]
        if not text.isdecimal() or not low <= int(text) <= high:
            raise Trouble(f"{name}={text}: a number from {low} to {high} is wanted")

    @staticmethod
    def _digest(value):
        return hashlib.sha256(value.encode()).hexdigest()


class Service:
    """One of the two services as a background process."""

    def __init__(self, name, instance):
        self.name = name
        self.kind = name.partition("-")[0]
        self.instance = instance
        self.variable = f"{self.kind.upper()}_PORT"
        self.port = instance.settings.number(self.variable)
        self.url = f"http://127.0.0.1:{self.port}"
        self.executable = BUILD / name / name
        self.daemon = Daemon(name, STATE / "run", STATE / "log")

    def answers(self):
        return self.readiness() == (True, "")

    def readiness(self):
        """(whether /readyz says 200, else why not)."""
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2):
                return True, ""
        except urllib.error.HTTPError as error:
            return False, f"{error.code} {error.read(500).decode(errors='replace')}"
        except OSError as error:
            return False, str(error)

    def environment(self):
        settings, url_name = self.instance.settings, f"{self.kind.upper()}_DATABASE_URL"
        environment = {name: value for name, value in os.environ.items()
                       if name not in EXTERNAL and not name.endswith("_DATABASE_URL_FILE")}
        secret = STATE / "secrets" / f"{self.kind}-database-url"
        write_private(secret, self.instance.database_url(self.kind) + "\n")
        environment |= {name: settings[name] for name in DEFAULTS if name not in ("POSTGRES_PORT", "KAFKA_PORT")}
        environment |= {f"{url_name}_FILE": str(secret), "KAFKA_BOOTSTRAP_SERVERS": self.instance.bootstrap_servers,
                        "COMMAND_URL": self.instance.services["command-service"].url
                        if self.kind == "query" else self.url}
        return environment

    def _shape(self, environment):
        """Changes when the executable or its settings do."""
        found = self.executable.stat()
        names = sorted(set(DEFAULTS) | {"COMMAND_URL", "KAFKA_BOOTSTRAP_SERVERS"})
        facts = [str(found.st_mtime_ns), str(found.st_ino), self.instance.database_url(self.kind)]
        facts += [f"{name}={environment.get(name)}" for name in names]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def start(self):
        """Starts it and waits until it is ready; starts it anew when it runs with other settings or an older build."""
        if not self.executable.exists():
            raise Trouble(f"{self.executable} does not exist: ./dev up builds it")
        with self.daemon.lock():
            environment = self.environment()
            shape = self._shape(environment)
            if self.daemon.pid() is not None and self.daemon.shape() != shape:
                self.daemon.stop(STOP_SECONDS)
            if self.daemon.pid() is None:
                ports.demand_free(self.port, self.name, self.variable)
                self.daemon.spawn([self.executable], env=environment, shape=shape)
            self.daemon.wait_ready(self.answers, READY_SECONDS)

    def stop(self):
        return self.daemon.stop(STOP_SECONDS)

    def kill(self):
        return self.daemon.kill()


class Instance:
    """Everything that `.dev/` holds."""

    def __init__(self):
        self.settings = Settings()
        if all(self.settings[name] is None for name in EXTERNAL[1:]):
            forget_other_servers()
        run, log = STATE / "run", STATE / "log"
        self.postgres = PostgresServer(STATE / "postgres", self.settings.number("POSTGRES_PORT"), run, log,
                                       STATE / "secrets")
        self.kafka = kafka.KafkaBroker(STATE / "kafka", self.settings.number("KAFKA_PORT"), run, log,
                                       STATE / "kafka/libs", ROOT / "tools/kafka/log4j2.xml")
        self.services = {}
        for name in SERVICES:
            self.services[name] = Service(name, self)
        self.parts = {"postgres": self.postgres, "kafka": self.kafka, **self.services}

    def is_external(self, name):
        """Whether this part was given from outside, so that there is nothing to start."""
        if name == "kafka":
            return self.settings["KAFKA_BOOTSTRAP_SERVERS"] is not None
        return name == "postgres" and all(self.settings[f"{kind.upper()}_DATABASE_URL"] for kind in databases.KINDS)

    @property
    def bootstrap_servers(self):
        return self.settings["KAFKA_BOOTSTRAP_SERVERS"] or self.kafka.bootstrap

    def database_url(self, kind):
        return self.settings[f"{kind.upper()}_DATABASE_URL"] or self.postgres.url(f"cartledger_{kind}",
                                                                                  f"cartledger_{kind}")

    def owner_url(self, kind):
        """The URL for migrations: the owner's when known, else the service's."""
        outside = self.settings[f"{kind.upper()}_DATABASE_URL"]
        owner = self.settings[f"{kind.upper()}_OWNER_DATABASE_URL"]
        return owner or outside or self.postgres.url(f"cartledger_{kind}_owner", f"cartledger_{kind}")

    def prepare_databases(self):
        """Roles, databases, migrations, the log's partitions: what is not there yet."""
        if not self.is_external("postgres"):
            databases.bootstrap(self.postgres, ROOT / "migrations")
        for kind in databases.KINDS:
            databases.migrate(kind, self.owner_url(kind), ROOT / "migrations", STATE / "sql-migrate.yml")
        databases.initialise_event_log(self.owner_url("command"), self.settings.number("PARTITIONS"))

    def prepare_topics(self):
        kafka.ensure_topic(self.bootstrap_servers, self.settings["KAFKA_TOPIC"], self.settings.number("PARTITIONS"))
        kafka.ensure_topic(self.bootstrap_servers, self.settings["KAFKA_DEAD_LETTER_TOPIC"], 1)

    def write_env(self):
        """.dev/env, to be sourced by a shell."""
        values = {
            "COMMAND_URL": self.services["command-service"].url,
            "QUERY_URL": self.services["query-service"].url,
            "COMMAND_DATABASE_URL": self.database_url("command"),
            "QUERY_DATABASE_URL": self.database_url("query"),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "KAFKA_TOPIC": self.settings["KAFKA_TOPIC"],
        }
        self.settings.note_own(value for name, value in values.items()
                               if name in EXTERNAL and self.settings[name] is None)
        write_private(STATE / "env", "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))

    def wipe(self):
        """Forgets all data; everything must be stopped. What was built and fetched stays."""
        self.postgres.wipe()
        self.kafka.wipe()
        for folder in ("log", "secrets", "run"):
            shutil.rmtree(STATE / folder, ignore_errors=True)
        for file in ("env", "sql-migrate.yml"):
            (STATE / file).unlink(missing_ok=True)
