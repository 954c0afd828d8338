"""Both services as a stranger meets them: what is not HTTP, too long, too slow, too much, or from a browser's page.

tests/integration/test_http.py tries the server itself in every way; here it's seen that the services have it around them.
"""

import contextlib
import json
import re
import socket
import struct
import time

import psycopg2
import pytest
import requests

import contract
from raw_http import Reader, get, post, receive_all
from shop import Shop, eventually, line, new_id, problem

KINDS = ["command-service", "query-service"]
ORIGIN, OTHER = "https://shop.example", "https://evil.example"
LIMITS = {"CORS_ORIGINS": f"http://localhost:3000, {ORIGIN}", "HTTP_HEAD_TIMEOUT_S": 1, "HTTP_REQUEST_TIMEOUT_S": 2,
          "HTTP_CONNECTIONS_MAX": 12, "HTTP_CONNECTIONS_PER_ADDRESS_MAX": 8}
# What must never be seen outside: SQL, libraries, files, stacks.
INSIDE = re.compile(r"SELECT |INSERT |UPDATE |unnest|pg_|libpq|postgres|relation \"|constraint|jansson|rdkafka|"
                    r"\.c:\d|0x[0-9a-f]{6}|/usr/|/home/|stack|LINE \d|SQLSTATE", re.I)


@pytest.fixture(scope="module")
def tight(stack_factory):
    """A stack with small limits that knows two origins."""
    return stack_factory(command_env=LIMITS, query_env=LIMITS)


@pytest.fixture(params=KINDS)
def service(request, stack):
    return stack.process(request.param)


@pytest.fixture(params=KINDS)
def tight_service(request, tight):
    return tight.process(request.param)


def connect(service):
    sock = socket.create_connection(("127.0.0.1", service.port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exchange(service, raw):
    """Everything that comes back until the service closes."""
    with connect(service) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(raw)
        return receive_all(sock)


def paths_of(kind):
    """The paths of the service's document, with something in place of each variable."""
    return {path: re.sub(r"\{[^}]+\}", "tea-01", path.replace("{id}", new_id()))
            for path in contract.contract_of(kind).document["paths"]}


# -- framing and lengths -------------------------------------------------------------------------------------------

HIDDEN = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.mark.parametrize("lines", [
    ("Content-Length: 5", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ("Content-Length: 5", "Content-Length: 5"), ("Content-Length: 0", "Content-Length: 39"),
    ("Transfer-Encoding:\r\n chunked",), ("X: a\r\n b", "Content-Length: 5"), ("X: a\nContent-Length: 5",),
    ("Transfer-Encoding : chunked",), ("Transfer-Encoding: identity",), ("Content-Length: -1",),
    ("Content-Length: 99999999999999999999",)])
def test_given_a_head_of_two_meanings_then_400_and_nothing_behind_it_is_a_request(service, lines):
    raw = get(f"/v1/carts/{new_id()}/items", "Content-Type: application/json", *lines, method="POST")
    data = exchange(service, raw + b"0\r\n\r\n" + HIDDEN)
    assert data.startswith(b"HTTP/1.1 400 ") and data.count(b"HTTP/1.1 ") == 1 and b"alive" not in data, data


@pytest.mark.parametrize("raw, status, kind", [
    (get("/" + "a" * 8192), 414, "uri-too-long"), (get("/livez", "X: " + "v" * 16400), 431, "header-too-large"),
    (get("/livez", *(f"X-{i}: 1" for i in range(160))), 431, "header-too-large"),
    (post(f"/v1/carts/{new_id()}/items", b"x" * 65537), 413, "body-too-large"),
    (get("/v1/carts/" + "%41" * 2000), None, None), (get("/v1/carts?" + "&".join(f"p{i}" for i in range(17))), 400, None),
    (get("/livez", "Cookie: " + "c" * 4900), 200, None), (get("/livez", "Cookie: " + "c" * 5100), 431, "header-too-large"),
    (get("/livez", *(f"X-{i}: 1" for i in range(140))), 200, None)], ids=range(9))
def test_given_what_is_too_long_then_it_is_said_so(service, raw, status, kind):
    with connect(service) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(raw)
        answer = Reader(sock).answer()
    assert status is None and 400 <= answer.status < 500 or answer.status == status
    assert kind is None or answer.problem() == kind


@pytest.mark.parametrize("body", [
    b"", b"{", b"\0", b"[" * 5000, b'{"a":' * 5000, b'{"a":"' + b"\\u0000" * 1000 + b'"}', b"\xff\xfe{}",
    b'{"currency":1e400}',
    b'{"currency":"EUR","currency":"EUR"}', b'{"currency":"' + b"E" * 60000 + b'"}', b'"' + b"\\" * 60000,
    b'{"currency":"EUR","customerId":"\';DROP TABLE events;--"}'])
def test_given_a_strange_body_then_the_answer_tells_nothing_of_the_inside(stack, body):
    shop = Shop(stack.command_url)
    for method, path in (("POST", "/v1/carts"), ("PUT", f"/v1/carts/{new_id()}"), ("POST", f"/v1/carts/{new_id()}/items"),
                         ("PATCH", f"/v1/carts/{new_id()}/items/%27%3B--"), ("POST", f"/v1/carts/{new_id()}/merge")):
        answer = shop.send(method, path, data=body, body=b"")
        assert answer.status_code < 500 and not INSIDE.search(answer.text.replace(body.decode("latin-1"), "")), answer.text


@pytest.mark.parametrize("path", [
    "/v1/carts/%27", "/v1/carts?cursor=%27", "/v1/carts/{id}?at=%27", "/v1/carts/{id}?version=1e9",
    "/v1/carts/{id}/history?cursor=AAAA", "/v1/events?partition=99999999999", "/v1/events?type=%27", "/v1/events?cursor=%27",
    "/v1/events?from=0000", "/v1/events?cartId=%00", "/v1/carts/{id}?minVersion=2147483648", "/v1/%5C..%2F", "/etc/passwd"])
def test_given_a_strange_target_then_the_answer_tells_nothing_of_the_inside(service, path):
    answer = requests.get(service.url + path.format(id=new_id()), timeout=10)
    assert 400 <= answer.status_code < 500 and not INSIDE.search(answer.text), answer.text


def test_given_stores_that_are_away_then_the_answers_tell_nothing_of_the_inside(stack_factory):
    """Only /readyz and the log say what is wrong with them."""
    stack = stack_factory()
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    stack.process("postgres").pause()
    try:
        answers = [shop.add(cart, line()), shop.send("GET", "/v1/events?partition=0"),
                   shop.send("GET", f"/v1/carts/{cart}", base=stack.query_url),
                   shop.send("GET", "/v1/carts", base=stack.query_url)]
    finally:
        stack.process("postgres").cont()
    for answer in answers:
        assert answer.status_code == 503 and "Retry-After" in answer.headers
        assert not INSIDE.search(answer.text.replace("event-store", "").replace("view-store", "")), answer.text


# -- methods -------------------------------------------------------------------------------------------------------


def test_given_a_path_when_options_are_asked_for_then_exactly_these_methods_are_taken(service):
    for path, target in paths_of(service.kind).items():
        answer = requests.options(service.url + target, timeout=10)
        assert answer.status_code == 204 and not answer.content, path
        allowed = set(answer.headers["Allow"].split(", "))
        here = {method.upper() for method in contract.contract_of(service.kind).operations[path]}
        assert here | {"OPTIONS"} == allowed - {"HEAD"} and ("GET" in allowed) == ("HEAD" in allowed), path
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "PROPFIND"} - here:
            refused = requests.request(method, service.url + target, timeout=10)
            assert refused.status_code == 405 and refused.headers["Allow"] == answer.headers["Allow"], (method, path)
    for nothing in ("/nothing/here", f"/v1/carts/{new_id()}/live"):
        assert problem(requests.options(service.url + nothing, timeout=10)) == "no-such-resource"


def test_given_head_then_it_is_get_without_a_body(stack, service):
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    shop.view(cart, min_version=1)
    for path, target in paths_of(service.kind).items():
        if "get" not in contract.contract_of(service.kind).operations[path] or path == "/metrics":
            continue  # metrics count, also these
        target = re.sub("[0-9a-f-]{36}", cart, target)
        got, head = (requests.request(method, service.url + target, timeout=10) for method in ("GET", "HEAD"))
        assert got.status_code == head.status_code and head.content == b"", path
        for name in ("ETag", "Cache-Control", "Content-Type"):
            assert head.headers.get(name) == got.headers.get(name), path
        assert int(head.headers["Content-Length"]) == len(got.content), path


# -- connections ---------------------------------------------------------------------------------------------------


def test_given_requests_sent_all_at_once_then_they_are_answered_in_order(stack):
    shop, cart = Shop(stack.command_url), new_id()
    assert shop.create(cart).status_code == 201
    body = json.dumps(line()).encode()
    with connect(stack.process("command-service")) as sock:
        sock.sendall(b"".join(post(f"/v1/carts/{cart}/items", body) + get("/livez") for _ in range(20)))
        reader = Reader(sock)
        for number in range(20):
            assert json.loads(reader.answer().body)["version"] == number + 2
            assert reader.answer().body == b'{"status":"alive"}'
    with connect(stack.process("query-service")) as sock:
        sock.sendall(b"".join(get(f"/v1/carts/{new_id()}") + get("/livez") for _ in range(20)))
        reader = Reader(sock)
        assert [reader.answer().status for _ in range(40)] == [404, 200] * 20


def test_given_clients_that_reset_at_any_moment_then_each_command_happened_whole_or_not_at_all(stack):
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    raw = post(f"/v1/carts/{cart}/items", json.dumps({"items": [line("a"), line("b")]}).encode())
    for cut in [*range(1, len(raw), 23), len(raw), len(raw), len(raw)]:
        sock = connect(stack.process("command-service"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(raw[:cut])
        sock.close()  # sends RST
    last = shop.add(cart, line("c")).json()
    assert last["version"] % 2 == 0 and last["version"] <= 2 * 3 + 2
    items = {item["sku"]: item["quantity"] for item in shop.view(cart, min_version=last["version"])["items"]}
    assert items.get("a") == items.get("b") and items["c"] == 1


@pytest.mark.parametrize("raw, most", [
    (b"GET /livez HTTP/1.1\r\nHost: t" + b"e" * 200, 1.6),
    (get("/v1/carts", "Content-Length: 200", "Content-Type: application/json", method="POST") + b" " * 200, 2.6)])
def test_given_a_client_that_drips_then_it_is_cut_at_the_deadline_all_the_same(tight_service, raw, most):
    head = raw.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in raw else 20
    with connect(tight_service) as sock:
        began = time.monotonic()
        sock.sendall(raw[:head])
        with contextlib.suppress(ConnectionError):
            for byte in raw[head:]:
                sock.sendall(bytes([byte]))
                sock.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if sock.recv(1) == b"":
                        break
        took = time.monotonic() - began
    assert most - 1 < took < most + 1


def test_given_as_many_connections_as_one_address_may_have_then_another_is_closed_at_once(tight_service):
    limit = LIMITS["HTTP_CONNECTIONS_PER_ADDRESS_MAX"]
    socks = [connect(tight_service) for _ in range(limit)]
    try:
        for sock in socks:
            sock.sendall(get("/livez"))
            assert Reader(sock).answer().status == 200
        began = time.monotonic()
        assert exchange(tight_service, get("/livez")) == b"" and time.monotonic() - began < 1
    finally:
        for sock in socks:
            sock.close()
    tight_service.wait_ready(10)


def test_given_clients_that_take_nothing_then_what_waits_for_them_has_a_limit(stack_factory):
    stack = stack_factory(query_services=0, command_env={"RELAY_ENABLED": "false"})
    with psycopg2.connect(stack.command_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("""INSERT INTO events SELECT 0, n, gen_random_uuid(), 1, gen_random_uuid(), 'CartCreated', 1, now(),
            json_build_object('customerId', repeat('x', 8000)), '{}' FROM generate_series(1, 1000) AS n""")
        cursor.execute("UPDATE event_partitions SET last_position = 1000 WHERE partition = 0")
    service, page = stack.process("command-service"), get("/v1/events?limit=1000")  # of 8 MB

    def read_page():
        with connect(service) as sock:
            sock.sendall(page)
            return Reader(sock).answer()

    with contextlib.ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(connect(service)).sendall(page)
        eventually(lambda: (answer := read_page()).status == 503 and answer.problem() == "overloaded")
        stream = exchange(service, get("/v1/events", "Accept: application/x-ndjson"))
        assert stream.startswith(b"HTTP/1.1 200 ") and not stream.endswith(b"0\r\n\r\n")
        assert Shop(service.url).create(new_id()).status_code == 201
    eventually(lambda: read_page().status == 200)
    with connect(service) as sock:
        sock.sendall(get("/v1/events", "Accept: application/x-ndjson", "Connection: close"))
        assert Reader(sock).answer().body.count(b"CartCreated") == 1001


# -- pages in browsers ---------------------------------------------------------------------------------------------


def cors_headers(answer):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


def test_given_a_preflight_then_the_page_may_do_what_the_path_takes(tight_service):
    for target in paths_of(tight_service.kind).values():
        answer = requests.options(tight_service.url + target, timeout=10, headers={
            "Origin": ORIGIN, "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type,idempotency-key,if-match"})
        said = cors_headers(answer)
        assert answer.status_code == 204 and answer.headers["Vary"] == "Origin"
        assert said["access-control-allow-origin"] == ORIGIN and int(said["access-control-max-age"]) > 0
        assert said["access-control-allow-methods"] == answer.headers["Allow"]
        assert {name.lower() for name in said["access-control-allow-headers"].split(", ")} == {
            "content-type", "idempotency-key", "if-match", "if-none-match", "prefer", "traceparent", "x-correlation-id"}
        assert "access-control-allow-credentials" not in said


def test_given_a_page_of_a_known_origin_then_it_may_see_every_answer_and_others_none(tight_service):
    cart = new_id()
    calls = [("GET", "/livez", 200), ("GET", "/nothing", 404), ("PATCH", "/livez", 405), ("GET", "/v1/carts/x", None),
             ("PUT", f"/v1/carts/{cart}", None), ("DELETE", f"/v1/carts/{cart}?x=1", None), ("GET", f"/v1/carts/{cart}", None)]
    origins = {ORIGIN: True, "http://localhost:3000": True, OTHER: False, "null": False, None: False}
    for method, path, status in calls:
        for origin, known in origins.items():
            body = {"currency": "EUR"} if method == "PUT" else None
            answer = requests.request(method, tight_service.url + path, timeout=10, json=body,
                                      headers={"Origin": origin} if origin else {})
            assert status is None or answer.status_code == status, answer.text
            assert answer.headers["Vary"] == "Origin"
            assert cors_headers(answer).get("access-control-allow-origin") == (origin if known else None)
            assert ("access-control-expose-headers" in cors_headers(answer)) == known


def test_given_no_configured_origin_then_nothing_is_said_of_it(service):
    for method in ("GET", "OPTIONS"):
        answer = requests.request(method, service.url + "/livez", timeout=10,
                                  headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"})
        assert "Vary" not in answer.headers and not cors_headers(answer)


@pytest.mark.parametrize("origins", ["*", "https://shop.example/", "shop.example", "https://a,,https://b"])
def test_given_origins_that_no_browser_sends_then_the_configuration_is_wrong(service, origins):
    checked = service.run("--check-config", CORS_ORIGINS=origins)
    assert checked.returncode == 2 and checked.stderr.startswith("CORS_ORIGINS (environment): "), checked.stderr
    assert service.run("--check-config", CORS_ORIGINS=LIMITS["CORS_ORIGINS"]).returncode == 0
