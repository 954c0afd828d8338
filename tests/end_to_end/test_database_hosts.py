"""Several database servers in one URL: a first one that keeps silent, as a machine without power does, or a standby."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.parse

import psycopg2
import pytest

from devstack import postgres
from devstack.ports import free_port
from devstack.process import as_user
from shop import Shop, eventually, line, new_id


@pytest.fixture
def standby(private_infrastructure):
    """The port of a standby that follows until it is told to pause."""
    server = private_infrastructure.postgres.server
    port, user = free_port(), server.user
    folder = tempfile.mkdtemp(dir="/var/tmp")
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = os.path.join(folder, "data")
    subprocess.run([postgres.binary("pg_basebackup"), "-D", data, "-R", "-X", "stream", "-c", "fast", "-d",
                    server.url("postgres", "postgres")], check=True, cwd="/", **as_user(user))
    with open(os.path.join(data, "cartledger.conf"), "a", encoding="ascii") as config:
        config.write(f"port = {port}\nhot_standby = on\n")
    child = subprocess.Popen([postgres.binary("postgres"), "-D", data], cwd="/", stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, **as_user(user))
    try:
        yield port
    finally:
        child.kill()
        child.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_given_a_standby_that_lags_when_it_is_the_first_host_then_views_are_read_where_they_are_written(
        private_infrastructure, private_stack_factory, standby):
    stack = private_stack_factory(query_services=0)
    url = stack.query_database_url
    primary = urllib.parse.urlsplit(url).port
    both = url.replace(f"127.0.0.1:{primary}", f"127.0.0.1:{standby},127.0.0.1:{primary}")
    assert both != url
    there = urllib.parse.urlsplit(private_infrastructure.postgres.server.url("postgres", "postgres"))
    standby_url = there._replace(netloc=there.netloc.replace(str(primary), str(standby))).geturl()

    def follows():
        with contextlib.suppress(psycopg2.OperationalError), contextlib.closing(
                psycopg2.connect(url.replace(str(primary), str(standby)))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM schema_version")
            return cursor.fetchone() == (1,)
        return False

    eventually(follows, 30)
    service = stack.add_query_service(QUERY_DATABASE_URL=both)
    shop = Shop(stack.command_url, service.url)
    cart = new_id()
    assert shop.create(cart).status_code == 201
    assert shop.add(cart, line()).status_code == 200

    def version():
        answer = shop.get(f"/v1/carts/{cart}", base=service.url)
        return answer.json()["version"] if answer.status_code == 200 else 0

    eventually(lambda: version() == 2, 20)
    with contextlib.closing(psycopg2.connect(standby_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("SELECT pg_wal_replay_pause()")
    assert shop.add(cart, line()).status_code == 200
    written = "SELECT version FROM cart_views WHERE cart_id = %s"
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            def is_written():
                cursor.execute(written, (cart,))
                return cursor.fetchone() == (3,)
            eventually(is_written, 20)
    answer = shop.get(f"/v1/carts/{cart}", base=service.url, params={"minVersion": 3})
    assert (answer.status_code, version()) == (200, 3), answer.text


@pytest.mark.parametrize("kind, as_parameters", [("command", False), ("command", True), ("query", False)])
def test_given_a_first_host_that_keeps_silent_then_the_second_one_is_used(stack_factory, kind, as_parameters):
    stack = stack_factory(command_services=0, query_services=0)
    url = stack.command_database_url if kind == "command" else stack.query_database_url
    port = urllib.parse.urlsplit(url).port
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = f"{silent.getsockname()[1]},{port}"
        if as_parameters:
            both = url.replace(f"127.0.0.1:{port}", "") + f"?host=one,two&hostaddr=127.0.0.1,127.0.0.1&port={ports}"
        else:
            both = url.replace(f"127.0.0.1:{port}", "127.0.0.1:" + ports.replace(",", ",127.0.0.1:"))
        add = stack.add_command_service if kind == "command" else stack.add_query_service
        service = add(start=False, **{f"{kind.upper()}_DATABASE_URL": both})
        service.start(ready=False)
        service.wait_ready(25)
