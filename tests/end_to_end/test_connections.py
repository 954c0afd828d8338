"""Many connections to each service at once, with real commands and real views: nobody waits for somebody else to call."""

import http.client
import json

import pytest

from shop import Shop, line, new_id

STALL_SECONDS = 10  # with epoll, libmicrohttpd stalls at 128 ready connections until something else wakes it


def statuses(connections, method, path, body=None):
    """Sends the request on every connection before any answer is read."""
    for connection in connections:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answers = [connection.getresponse() for connection in connections]
    for answer in answers:
        answer.read()
    return [answer.status for answer in answers]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1024])
def test_given_many_connections_then_each_command_and_each_query_is_answered(stack, count):
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    assert shop.add(cart, line("tea-01", 9)).status_code == 200
    set_quantity = [("PATCH", f"/v1/carts/{cart}/items/tea-01", json.dumps({"quantity": quantity}))
                    for quantity in (1, 2, 3)]
    look = [("GET", f"/v1/carts/{cart}?minVersion=5")] * 3
    for kind, rounds in (("command-service", set_quantity), ("query-service", look)):
        if kind == "query-service":
            assert shop.view(cart, min_version=5)["version"] == 5, "a round's first changed it, the others found it so"
        connections = [http.client.HTTPConnection("127.0.0.1", stack.process(kind).port, timeout=STALL_SECONDS)
                       for _ in range(count)]
        try:
            for connection in connections:
                connection.connect()
            for request in rounds:
                assert statuses(connections, *request) == [200] * count
        finally:
            for connection in connections:
                connection.close()


@pytest.fixture(scope="module", name="with_one_thread")
def _with_one_thread(stack_factory):
    return stack_factory(command_env={"HTTP_THREADS": "1"}, query_env={"HTTP_THREADS": "1"})


@pytest.mark.parametrize("count", [127, 128, 129, 256])
def test_given_connections_that_are_all_ready_in_one_round_then_each_is_answered(with_one_thread, count):
    """A process that stood still finds them so."""
    for kind in ("command-service", "query-service"):
        service = with_one_thread.process(kind)
        connections = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=STALL_SECONDS)
                       for _ in range(count)]
        try:
            assert statuses(connections, "GET", "/livez") == [200] * count
            service.pause()
            for connection in connections:
                connection.request("GET", "/livez")
            service.cont()
            assert [connection.getresponse().status for connection in connections] == [200] * count
        finally:
            service.cont()
            for connection in connections:
                connection.close()
