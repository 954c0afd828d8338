"""The test harness itself: fresh databases with the right walls, processes that come back, a proxy that cuts."""

import contextlib
import socket
import threading
import time

import psycopg2
import pytest

from devstack.ports import free_port


def rows(url, statement):
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture(scope="module", name="fresh")
def _fresh(infrastructure):
    return infrastructure.fresh_databases()


def test_given_fresh_databases_then_each_service_role_has_its_own_and_no_more(infrastructure, fresh):
    first, second = fresh, infrastructure.fresh_databases(partitions=3)
    assert rows(first.command, "SELECT partition_count FROM event_log") == [(6,)]
    assert rows(second.command, "SELECT count(*) FROM event_partitions") == [(3,)]
    logs = [rows(made.command, "SELECT log_id FROM event_log") for made in (first, second)]
    assert logs[0] != logs[1]
    for url in (first.command, first.query):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(url, "CREATE TABLE mine (number int)")
    name = first.query.rpartition("/")[2]
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(first.command.rpartition("/")[0] + "/" + name)


@pytest.mark.parametrize("statement", [
    "UPDATE events SET type = 'x'", "DELETE FROM events", "TRUNCATE events",
    "DELETE FROM event_log", "UPDATE event_partitions SET partition = 9", "DELETE FROM event_partitions",
    "UPDATE event_partitions SET last_position = 5; UPDATE event_partitions SET last_position = 4",
    "INSERT INTO event_log (partition_count) VALUES (1)", "SELECT initialise_event_log(6::smallint)"])
def test_given_the_command_role_then_it_can_only_append_and_advance(fresh, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(fresh.command, statement)


@pytest.mark.parametrize("name", ["postgres", "kafka"])
def test_given_a_killed_or_frozen_process_then_it_comes_back(infrastructure, name):
    process = getattr(infrastructure, name)
    answers = (process.server if name == "postgres" else process.broker).answers
    assert answers()
    process.pause()
    assert not answers()
    process.cont()
    assert answers()
    for _ in range(2):
        process.kill()
        assert not process.running() and not answers()
        process.start()
        assert answers()


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_given_a_proxy_when_it_cuts_on_commit_then_the_row_is_there_only_after(
        infrastructure, fresh, proxy_factory, when, kept):
    rows(fresh.command_owner, "DROP TABLE IF EXISTS numbers; CREATE TABLE numbers (number int)")
    proxy = proxy_factory(("127.0.0.1", infrastructure.postgres.port))
    connection = psycopg2.connect(proxy.instead_of(fresh.command_owner))
    connection.cursor().execute("INSERT INTO numbers VALUES (1)")
    proxy.cut_on(b"COMMIT", when=when)
    with pytest.raises(psycopg2.OperationalError):
        connection.commit()
    assert proxy.seen.wait(5)
    deadline = time.monotonic() + 5
    while len(rows(fresh.command_owner, "SELECT * FROM numbers")) != kept and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(rows(fresh.command_owner, "SELECT * FROM numbers")) == kept


def test_given_a_proxy_when_it_stalls_then_nothing_passes_until_it_resumes(infrastructure, fresh, proxy_factory):
    proxy = proxy_factory(("127.0.0.1", infrastructure.postgres.port))
    connection = psycopg2.connect(proxy.instead_of(fresh.query))
    cursor = connection.cursor()
    proxy.stall_on(b"first")
    threading.Timer(0.6, proxy.resume).start()
    began = time.monotonic()
    cursor.execute("SELECT 'first'")
    assert time.monotonic() - began > 0.5
    proxy.cut_on(b"second", direction="down")
    with pytest.raises(psycopg2.OperationalError):
        cursor.execute("SELECT 'second'")


@pytest.mark.parametrize("action", ["cut_on", "stall_on"])
def test_given_a_proxy_when_it_acts_after_a_pattern_then_no_answer_is_quicker(proxy_factory, monkeypatch, action):
    """Also when its thread has to wait for the processor in between."""
    send = socket.socket.sendall

    def send_and_wait(self, data):
        send(self, data)
        time.sleep(0.3)

    def answer(listener):
        peer, _ = listener.accept()
        peer.send(peer.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        proxy = proxy_factory(listener.getsockname())
        getattr(proxy, action)(b"pattern", when="after")
        with socket.create_connection(("127.0.0.1", proxy.port), 1) as client:
            monkeypatch.setattr(socket.socket, "sendall", send_and_wait)
            client.send(b"the pattern")
            with contextlib.suppress(OSError):
                assert client.recv(100) == b""


def test_given_services_that_do_not_listen_yet_then_no_two_have_one_port():
    assert len({free_port() for _ in range(400)}) == 400
