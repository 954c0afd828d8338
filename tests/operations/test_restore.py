"""Backups that are restored: what a restore lost is noticed by both services and repaired as documented."""

import pathlib
import re
import shutil
import subprocess

import pytest
import requests

from devstack import databases, postgres
from devstack.ports import free_port
from devstack.process import as_user, unprivileged_user
from invariants import check_log, check_topic, check_views, read_log
from load import Load
from shop import Shop, eventually, line, new_id

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/operations.md"
SETTINGS, RECOVERY = (re.search(rf"^( *)```\n( *{first} = .*?)^\1```", GUIDE.read_text(), re.M | re.S)[2]
                      for first in ("archive_mode", "restore_command"))


class Archive:
    """Continuous archiving as docs/operations.md sets it up, on the module's PostgreSQL."""

    def __init__(self, infrastructure):
        self.infrastructure = infrastructure
        self.server = infrastructure.postgres.server
        self.user = unprivileged_user()
        # Beside the data, where PostgreSQL's user may write.
        self.folder = self.server.home.resolve() / "archive"
        self.base, self.lost = (self.server.home.resolve() / name for name in ("base", "lost"))
        self.folder.mkdir()
        if self.user is not None:
            shutil.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.moment = None
        for name, value in re.findall("^(.*) = (.*)$", SETTINGS.replace("/archive/", f"{self.folder}/"), re.M):
            infrastructure.postgres.sql(f"ALTER SYSTEM SET {name} = {'1' if name == 'archive_timeout' else value}")
        infrastructure.postgres.stop()
        infrastructure.postgres.start()

    def take_base_backup(self):
        shutil.rmtree(self.base, ignore_errors=True)
        done = subprocess.run(
            ["pg_basebackup", "--pgdata", self.base, "--checkpoint=fast", "--wal-method=none", "--dbname",
             self.server.url(postgres.SUPERUSER, "postgres")], capture_output=True, text=True, check=False, cwd="/",
            **as_user(self.user))
        assert done.returncode == 0, done.stderr

    def mark(self):
        """What is committed now is what a restore will bring back."""
        self.moment, segment = self.infrastructure.postgres.sql(
            "SELECT clock_timestamp()::text, pg_walfile_name(pg_current_wal_lsn())")[0]
        eventually(lambda: (self.folder / segment).exists())

    def restore(self, to_the_mark=True):
        """The server's data is lost; it comes back from the base backup and the archive, up to the mark, or all of it, for
        the WAL was not lost."""
        self.infrastructure.postgres.stop()
        self.server.data.rename(self.lost)
        subprocess.run(["cp", "-a", self.base, self.server.data], check=True)
        if not to_the_mark:
            subprocess.run(["cp", "-a", f"{self.lost}/pg_wal/.", self.server.data / "pg_wal"], check=True)
        shutil.rmtree(self.lost)
        (self.server.data / "recovery.signal").touch()
        settings = RECOVERY.replace("/archive/", f"{self.folder}/")
        settings = re.sub("^( *recovery_target_time = ).*\n", rf"\1'{self.moment if to_the_mark else ''}'\n", settings, flags=re.M)
        with open(self.server.data / "postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write(settings)
        if self.user is not None:
            shutil.chown(self.server.data / "recovery.signal", self.user.pw_uid, self.user.pw_gid)
        self.infrastructure.postgres.start()
        eventually(lambda: self.infrastructure.postgres.sql("SELECT NOT pg_is_in_recovery()") == [(True,)])


@pytest.fixture(scope="module")
def archive(private_infrastructure):
    return Archive(private_infrastructure)


def check_of(service, name):
    return requests.get(service.url + "/readyz", timeout=5).json()["checks"][name]


def shop_for(stack, answers):
    with Load(stack.command_url, clients=4) as load:
        eventually(lambda: load.answers >= answers)
    return load.told


def keep_read_database(stack):
    """The read database as it is: on a server of its own it would not have been restored."""
    dump = subprocess.run(["pg_dump", "--format=custom", "--dbname", stack.query_owner_url], stdout=subprocess.PIPE,
                          check=True)
    return dump.stdout


def put_back_read_database(stack, dump):
    subprocess.run(["pg_restore", "--clean", "--if-exists", "--exit-on-error", "--dbname", stack.query_owner_url],
                   input=dump, check=True)


def go_back(archive, stack):
    """Stops both services once the views have everything, and restores the command database alone."""
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    views = keep_read_database(stack)
    for name in ("query-service", "command-service"):
        stack.process(name).stop()
    archive.restore()
    put_back_read_database(stack, views)


def test_given_a_restore_with_the_wal_that_was_in_no_archive_then_nothing_is_lost_and_all_goes_on(
        archive, private_stack_factory):
    stack = private_stack_factory()
    command, query = stack.process("command-service"), stack.process("query-service")
    archive.take_base_backup()
    told = shop_for(stack, 100)
    archive.infrastructure.postgres.kill()  # told to stop, it would archive the rest
    for service in (query, command):
        service.stop()
    archive.restore(to_the_mark=False)
    command.start()
    query.start()
    eventually(lambda: check_of(command, "relay")["detail"].startswith("publishing: "))
    more = shop_for(stack, 50)
    log = check_log(stack.command_database_url)
    told.check(log)
    more.check(log)
    check_views(stack.query_database_url, log)
    eventually(lambda: published(stack) == len(log))
    check_topic(stack.kafka_servers, stack.topic, log, stack.partitions)


def test_given_a_restore_that_lost_the_last_seconds_then_it_is_noticed_and_repaired(archive, private_stack_factory):
    stack = private_stack_factory()
    command, query = stack.process("command-service"), stack.process("query-service")
    archive.take_base_backup()
    kept = shop_for(stack, 200)
    archive.mark()
    lost = shop_for(stack, 100)
    go_back(archive, stack)
    restored = check_log(stack.command_database_url)
    kept.check(restored)
    stored = {event["eventId"] for event in restored}
    assert not stored & set(lost.events), "the restore has to lose something"

    # The log goes on differently, beyond the positions that were lost, before anybody could look.
    command.start(RELAY_ENABLED="false")
    fresh = shop_for(stack, 300)
    command.restart(RELAY_ENABLED="true")
    eventually(lambda: check_of(command, "relay")["detail"].startswith("diverged: "))
    assert not check_of(command, "relay")["ok"]

    # The topic is made again, and the relay by itself publishes the log into it; the views notice in their turn.
    make_topic_anew(stack)
    eventually(lambda: check_of(command, "relay")["ok"])
    log = check_log(stack.command_database_url)
    eventually(lambda: published(stack) == len(log))
    check_topic(stack.kafka_servers, stack.topic, log, stack.partitions)
    query.start()
    eventually(lambda: "took another course" in check_of(query, "projection")["detail"])
    assert not check_of(query, "projection")["ok"]

    forgotten = query.run("--rebuild")
    assert forgotten.returncode == 0, forgotten.stderr
    check_views(stack.query_database_url, log)
    eventually(lambda: check_of(query, "projection")["ok"])
    kept.check(log)
    fresh.check(log)


def make_topic_anew(stack):
    done = subprocess.run([ROOT / "tools/cartledger-topic", "recreate"], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_servers,
                               "KAFKA_TOPIC": stack.topic, "PARTITIONS": str(stack.partitions)})
    assert done.returncode == 0, done.stderr


def published(stack):
    """How many events the topic has, as the relay knows."""
    state = requests.get(stack.command_url + "/v1/events/partitions", timeout=5).json()
    return sum(partition["publishedPosition"] for partition in state["partitions"])


def test_given_a_restore_that_lost_the_last_seconds_and_nothing_new_then_it_is_noticed_too(archive,
                                                                                         private_stack_factory):
    stack = private_stack_factory()
    command, query = stack.process("command-service"), stack.process("query-service")
    archive.take_base_backup()
    shop_for(stack, 50)
    archive.mark()
    shop_for(stack, 50)
    go_back(archive, stack)
    command.start()
    query.start()
    eventually(lambda: check_of(command, "relay")["detail"].startswith("diverged: "))
    eventually(lambda: "the log took another course" in check_of(query, "projection")["detail"])


def test_given_a_restore_of_both_databases_together_then_what_the_views_took_of_the_lost_course_is_repaired(
        archive, private_stack_factory):
    stack = private_stack_factory()
    command, query = stack.process("command-service"), stack.process("query-service")
    archive.take_base_backup()
    kept = shop_for(stack, 100)
    archive.mark()
    shop_for(stack, 50)
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    for service in (query, command):
        service.stop()
    archive.restore()
    command.start()
    query.start()
    fresh = shop_for(stack, 100)
    eventually(lambda: check_of(command, "relay")["detail"].startswith("diverged: "))
    make_topic_anew(stack)
    eventually(lambda: check_of(command, "relay")["ok"])
    forgotten = query.run("--rebuild")
    assert forgotten.returncode == 0, forgotten.stderr
    log = check_log(stack.command_database_url)
    kept.check(log)
    fresh.check(log)
    check_views(stack.query_database_url, log)
    eventually(lambda: check_of(query, "projection")["ok"])


@pytest.fixture
def new_server(private_infrastructure):
    """An empty PostgreSQL."""
    folder = private_infrastructure.folder / "new"
    made = postgres.PostgresServer(folder / "postgres", free_port(), folder / "run", folder / "log", folder / "secrets")
    made.start()
    yield made
    made.stop()


def test_given_a_dump_then_a_log_that_is_made_of_it_on_a_new_server_goes_on(private_stack_factory, new_server, tmp_path):
    stack = private_stack_factory()
    shop_for(stack, 100)
    log = check_log(stack.command_database_url)
    dump = tmp_path / "command.dump"
    subprocess.run(["pg_dump", "--format=custom", "--file", dump, "--dbname", stack.command_owner_url], check=True)

    # Only roles and the empty database are there; the services are pointed to it.
    databases.bootstrap(new_server, ROOT / "migrations")
    owner = new_server.url("cartledger_command_owner", "cartledger_command")
    subprocess.run(["pg_restore", "--exit-on-error", "--no-owner", "--dbname", owner, dump], check=True)
    service_url = new_server.url("cartledger_command", "cartledger_command")
    assert read_log(service_url) == log
    stack.process("command-service").restart(COMMAND_DATABASE_URL=service_url)
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201 and shop.add(cart, line()).status_code == 200
    log = check_log(service_url)
    check_views(stack.query_database_url, log)
    eventually(lambda: published(stack) == len(log))
    check_topic(stack.kafka_servers, stack.topic, log, stack.partitions)
