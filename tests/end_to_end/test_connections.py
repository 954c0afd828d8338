"""Many connections to each service at once, with real commands and real views: nobody waits for somebody else to call."""

import json
import select
import socket

import pytest

from shop import Shop, line, new_id

STALL_SECONDS = 10  # libmicrohttpd's stall (pitfall: 128 ready at once) lasts until something else wakes it


def request(method, path, body=None):
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    body = json.dumps(body)
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def answers(socks, raw):
    """Sends the request on every connection, then reads all the answers; these have Content-Length."""
    for sock in socks:
        sock.sendall(raw)
    poller, data = select.poll(), {sock.fileno(): b"" for sock in socks}
    waiting = {sock.fileno(): sock for sock in socks}
    for descriptor in waiting:
        poller.register(descriptor, select.POLLIN)
    while waiting:
        ready = poller.poll(STALL_SECONDS * 1000)
        assert ready, f"{len(waiting)} of {len(socks)} connections stall"
        for descriptor, _ in ready:
            piece = waiting[descriptor].recv(65536)
            assert piece, "closed"
            data[descriptor] += piece
            head, end, body = data[descriptor].partition(b"\r\n\r\n")
            length = [int(field.partition(b":")[2]) for field in head.split(b"\r\n")
                      if field.lower().startswith(b"content-length:")]
            if end and len(body) == length[0]:
                poller.unregister(descriptor)
                del waiting[descriptor]
    return list(data.values())


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1024])
def test_given_many_connections_then_each_command_and_each_query_is_answered(stack, count):
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    assert shop.add(cart, line("tea-01", 9)).status_code == 200
    set_quantity = [request("PATCH", f"/v1/carts/{cart}/items/tea-01", {"quantity": quantity}) for quantity in (1, 2, 3)]
    look = [request("GET", f"/v1/carts/{cart}?minVersion=5")] * 3
    for kind, rounds in (("command-service", set_quantity), ("query-service", look)):
        if kind == "query-service":
            assert shop.view(cart, min_version=5)["version"] == 5, "a round's first changed it, the others found it so"
        socks = [socket.create_connection(("127.0.0.1", stack.process(kind).port)) for _ in range(count)]
        try:
            for raw in rounds:
                assert {answer[:13] for answer in answers(socks, raw)} == {b"HTTP/1.1 200 "}
        finally:
            for sock in socks:
                sock.close()
