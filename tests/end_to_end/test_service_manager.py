"""What a service manager hears: the protocol of sd_notify(3), at a socket of the test's own."""

import os
import socket
import time

import pytest
import requests

from shop import Shop, eventually, new_id

WATCHDOG_S = 12  # its half is longer than anything that a thread does in one turn


class Manager:
    """The socket of a service manager, and what was said to it."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.heard = []

    def listen(self, seconds):
        """What comes within so many seconds; all of it is in `heard` too."""
        deadline, heard = time.monotonic() + seconds, []
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                heard += self.socket.recv(4096).decode().splitlines()
            except TimeoutError:
                break
        self.heard += heard
        return heard

    def wait_for(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while not any(text in line for line in self.heard):
            assert time.monotonic() < deadline, (text, self.heard)
            self.listen(0.1)

    def forget(self):
        self.listen(0.1)
        self.heard = []


@pytest.fixture
def manager(tmp_path):
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def environment(manager):
    return {"NOTIFY_SOCKET": manager.socket.getsockname(), "WATCHDOG_USEC": WATCHDOG_S * 1000000}


@pytest.mark.parametrize("kind", ["command-service", "query-service"])
def test_given_a_start_and_a_stop_then_the_manager_hears_of_both_and_of_what_is_wrong(stack_factory, manager, kind):
    stack = stack_factory(query_services=0)
    add = stack.add_command_service if kind == "command-service" else stack.add_query_service
    service = add(start=False, **environment(manager)).start(ready=False)
    manager.wait_for("READY=1")
    assert requests.get(service.url + "/livez", timeout=5).status_code == 200, "ready means that it listens"
    manager.wait_for("STATUS=ready")
    manager.wait_for("WATCHDOG=1")
    service.stop()
    manager.listen(0.2)
    assert manager.heard[-1] == "STOPPING=1" and manager.heard.count("READY=1") == 1


def test_given_an_abstract_name_then_it_is_heard_there(stack_factory):
    manager = Manager(f"\0cartledger-test-{os.getpid()}")
    stack = stack_factory(command_services=0, query_services=0)
    stack.add_command_service(NOTIFY_SOCKET="@" + manager.socket.getsockname()[1:].decode())
    manager.wait_for("READY=1")
    assert not [line for line in manager.heard if line.startswith("WATCHDOG")], "nobody asked for it"
    manager.socket.close()


def test_given_a_service_that_does_not_start_then_it_never_says_ready(stack_factory, manager):
    stack = stack_factory(command_services=0, query_services=0)
    ended = stack.add_command_service(start=False, **environment(manager)).run(PARTITIONS="5")
    assert ended.returncode == 1 and manager.listen(0.2) == []


def test_given_postgres_and_kafka_that_answer_nothing_then_the_watchdog_is_content(private_stack_factory, manager):
    """What is away is waited for; only a service that hangs itself is to be ended."""
    stack = private_stack_factory(command_services=0, query_services=0)
    services = [stack.add_command_service(**environment(manager)), stack.add_query_service(**environment(manager))]
    Shop(stack.command_url).create(new_id())
    for name in ("kafka", "postgres"):
        stack.process(name).pause()
    manager.forget()
    heard = manager.listen(3 * WATCHDOG_S)
    for name in ("postgres", "kafka"):
        stack.process(name).cont()
    # Each says it every half: at least five times in three whole ones.
    assert heard.count("WATCHDOG=1") >= 5 * len(services), heard
    assert [line for line in heard if line.startswith("STATUS=not ready; event-store")], heard
    manager.wait_for("STATUS=ready")
    eventually(lambda: all(requests.get(service.url + "/readyz", timeout=5).ok for service in services))


def test_given_a_stopped_process_then_the_watchdog_hears_nothing(stack_factory, manager):
    stack = stack_factory(command_services=0, query_services=0)
    service = stack.add_command_service(**environment(manager))
    manager.wait_for("WATCHDOG=1")
    service.pause()
    manager.forget()
    assert manager.listen(WATCHDOG_S) == []
    service.cont()
    manager.wait_for("WATCHDOG=1")
