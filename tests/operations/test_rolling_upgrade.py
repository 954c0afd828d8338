"""Two instances of each service behind a load balancer are replaced one after the other, and no request fails."""

import contextlib
import pathlib
import re
import subprocess
import threading
import time

import psycopg2
import pytest
import requests

from devstack import databases
from devstack.ports import free_port
from infrastructure import MIGRATIONS
from invariants import Acknowledged, check_log, check_views
from repeating import Clients
from shop import Shop, eventually, line, new_id

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/operations.md"
# What the guide shows of a backend, but for its servers.
SETTINGS = re.search(r"^backend command\n((?:    (?!server ).*\n)+)", GUIDE.read_text(), re.M)[1]
BALANCER = """\
global
    maxconn 200
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend carts
    bind 127.0.0.1:{port}
    use_backend query if METH_GET {{ path_beg /v1/carts }}
    default_backend command
backend command
{settings}{command}
backend query
{settings}{query}
"""


class Balancer:
    """haproxy in front of a stack's services."""

    def __init__(self, stack, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        servers = {kind: "\n".join(f"    server {name} 127.0.0.1:{service.port}"
                                   for name, service in stack.services.items() if service.kind == f"{kind}-service")
                   for kind in ("command", "query")}
        config = folder / "haproxy.cfg"
        config.write_text(BALANCER.format(port=self.port, settings=SETTINGS, **servers))
        self.log = open(folder / "haproxy.log", "wb")
        self.child = subprocess.Popen(["haproxy", "-db", "-f", config], stdin=subprocess.DEVNULL, stdout=self.log,
                                      stderr=self.log)
        eventually(lambda: requests.get(self.url + "/v1/events/partitions", timeout=5).ok)

    def close(self):
        self.child.terminate()
        self.child.wait(10)
        self.log.close()


@pytest.fixture
def balanced(stack_factory, tmp_path):
    """A stack of two and two, and its load balancer."""
    stack = stack_factory(command_services=2, query_services=2)
    balancer = Balancer(stack, tmp_path)
    yield stack, balancer
    balancer.close()


class Shoppers(Clients):
    """Shop through the load balancer and remember each answer that is not a success."""

    def __init__(self, url, count=4):
        super().__init__(count)
        self.url, self.told, self.failed, self.answers = url, Acknowledged(), [], 0

    def run(self, _):
        shop, cart, version = Shop(self.url, self.url), None, 0
        while not self.stopping.is_set():
            try:
                if cart is None or version > 20:
                    cart = new_id()
                    answer = shop.create(cart)
                else:
                    answer = shop.add(cart, line())
                version = answer.json().get("version", 0)
                self.note(answer)
                if answer.ok:
                    self.note(shop.get(f"/v1/carts/{cart}?minVersion={version}", base=self.url,
                                       headers={"Prefer": "wait=10"}), seen=True)
            except requests.RequestException as error:
                self.note(None, repr(error))

    def note(self, answer, error=None, seen=False):
        with self.lock:
            self.answers += 1
            if error is not None or not answer.ok:
                self.failed.append((time.monotonic(), error or (answer.status_code, answer.text[:200])))
            elif not seen:
                self.told.note(answer)


def test_given_two_of_each_when_they_are_replaced_in_turn_then_no_request_fails(balanced):
    stack, balancer = balanced
    with Shoppers(balancer.url) as shoppers:
        eventually(lambda: shoppers.answers > 40)
        for service in list(stack.services.values()):
            before = shoppers.answers
            assert service.stop() == 0
            eventually(lambda before=before: shoppers.answers > before + 20)
            service.start(**({"LANES": 3} if service.kind == "command-service" else {}))  # more than beside it
            time.sleep(1)  # the load balancer finds it within 100 ms
    assert not shoppers.failed, (len(shoppers.failed), shoppers.answers, shoppers.failed[:5])
    log = check_log(stack.command_database_url)
    shoppers.told.check(log)
    check_views(stack.query_database_url, log)


@pytest.mark.parametrize("kind, table", [("command", "events"), ("query", "cart_views")])
def test_given_a_schema_that_is_behind_when_it_is_migrated_under_load_then_no_request_fails(balanced, tmp_path, kind, table):
    stack, balancer = balanced
    owner, service = {"command": (stack.command_owner_url, stack.command_database_url),
                      "query": (stack.query_owner_url, stack.query_database_url)}[kind]
    config = tmp_path / "sql-migrate.yml"
    config.write_text(f"{kind}:\n  dialect: postgres\n  datasource: {owner}?sslmode=disable\n"
                      f"  dir: {MIGRATIONS / kind}\n  table: applied_migrations\n")
    # To the first one, before the indexes that the others make.
    newer = len(list((MIGRATIONS / kind).glob("*.sql"))) - 1
    subprocess.run(["sql-migrate", "down", f"-config={config}", f"-env={kind}", f"-limit={newer}"], check=True,
                   capture_output=True)
    said = []

    def migrate():
        said.append(databases.migrate(kind, owner, MIGRATIONS, tmp_path / "up.yml"))

    migration = threading.Thread(target=migrate)
    with Shoppers(balancer.url) as shoppers, contextlib.closing(psycopg2.connect(service)) as slow:
        eventually(lambda: shoppers.answers > 40)
        # A migration that locks the table against writes waits for this one, and all later writes wait for it.
        slow.cursor().execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        migration.start()
        eventually(lambda: is_waiting(owner))
        before = shoppers.answers
        eventually(lambda: shoppers.answers > before + 100)
        assert not said
        slow.rollback()
        migration.join(60)
        before = shoppers.answers
        eventually(lambda: shoppers.answers > before + 40)
    assert f"Applied {newer} migrations" in said[0]
    assert not shoppers.failed, shoppers.failed[:5]
    log = check_log(stack.command_database_url)
    shoppers.told.check(log)
    check_views(stack.query_database_url, log)


def is_waiting(url):
    """Whether a session of the owner waits for another one's lock."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND wait_event_type = 'Lock'")
        return cursor.fetchone()[0] > 0
