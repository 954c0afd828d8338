"""The HTTP server from outside, mostly by raw sockets: what it answers, refuses, cuts and survives.

Needs only http_test_server (tests/integration/http_test_server.c) from the build folder named by CARTLEDGER_BUILD.
"""

import contextlib
import json
import os
import pathlib
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from email.utils import parsedate_to_datetime

import pytest

from raw_http import Reader, get, post, receive_all

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARTLEDGER_BUILD", ROOT / "build"))
PROGRAM = BUILD / "tests" / "integration" / "http_test_server"
SOON = 10  # seconds until a test gives up

pytestmark = pytest.mark.tsan


class Server:
    def __init__(self, *options, address="127.0.0.1", port=0):
        self.address = address
        self.process = subprocess.Popen(
            [PROGRAM, address, str(port), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("port "), self.process.communicate()[1]
        self.port = int(line.split()[1])

    def connect(self):
        sock = socket.create_connection((self.address, self.port), timeout=SOON)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors


@contextlib.contextmanager
def serving(*options, **others):
    server = Server(*options, **others)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def exchange(server, raw, has_body=True):
    """One request, one answer."""
    with server.connect() as sock:
        sock.sendall(raw)
        return Reader(sock).answer(has_body)


def metric(server, name):
    body = exchange(server, get("/metrics", "Connection: close")).body.decode()
    for line in body.splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return None


def wait_until(condition, seconds=SOON):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# What every answer has


def test_every_answer_carries_the_standing_headers(server):
    ids = set()
    for path in ["/hello", "/nix", "//", "/later", "/woken", "/stream"]:
        headers = exchange(server, get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "date" in headers
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", headers["x-request-id"])
        ids.add(headers["x-request-id"])
    assert len(ids) == 6


def test_an_internal_error_names_its_request(server):
    answer = exchange(server, get("/fail"))
    assert answer.status == 500 and answer.problem() == "internal"
    assert json.loads(answer.body)["requestId"] == answer.headers["x-request-id"]


def test_requests_are_counted_by_route_and_status(server):
    before = metric(server, 'http_requests_total{route="/hello",status="200"}') or 0
    exchange(server, get("/hello"))
    assert metric(server, 'http_requests_total{route="/hello",status="200"}') == before + 1
    assert metric(server, 'http_request_seconds_count{route="/hello"}') >= 1


@pytest.mark.parametrize("raw, has_body", [
    (get("/hello"), True), (get("/later"), True), (get("/later?delay=20"), True), (get("/later?delay=20", method="HEAD"), False),
    (get("/woken?delay=20", method="HEAD"), False),
    (post("/later?delay=20", b"{}"), True), (get("/later?delay=20", "Content-Length: 3", method="DELETE") + b"abc", True),
    (get("/woken"), True), (get("/woken?delay=20"), True), (post("/woken?delay=20", b"{}"), True), (get("/woken?early=1"), True)],
    ids=["hello", "later", "much later", "HEAD", "HEAD, woken", "POST", "DELETE", "woken", "much later woken", "POST, woken", "early"])
def test_a_client_that_closes_its_sending_side_gets_its_answer(server, raw, has_body):
    for _ in range(30):
        with server.connect() as sock:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            reader = Reader(sock)
            answer = reader.answer(has_body)
            assert answer.status == 200 and answer.headers["x-request-id"] and answer.headers["cache-control"] == "no-store"
            assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < SOON
            assert not has_body or answer.body in (b"hello\n", b"later\n")
            assert receive_all(sock) == reader.data == b""


@pytest.mark.parametrize("path", ["/later", "/woken"])
def test_a_client_that_closes_its_sending_side_while_an_answer_is_due_gets_it(server, path):
    with server.connect() as sock:
        sock.sendall(get(f"{path}?delay=200"))
        time.sleep(0.1)
        sock.shutdown(socket.SHUT_WR)
        answer = Reader(sock).answer()
        assert answer.body == b"later\n" and answer.headers["connection"] == "close"


# Targets


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_a_ping_is_answered(server, body):
    with server.connect() as sock:
        reader = Reader(sock)
        for _ in range(2):
            sock.sendall(get("*", f"Content-Length: {len(body)}", method="OPTIONS") + body)
            answer = reader.answer()
            assert answer.status == 204 and not answer.body


@pytest.mark.parametrize("target,lines", [
    ("/echo/a%2Fb/%C3%A4", ["segment a/b", "segment ä"]),
    ("/echo/a+b?c+d=e+f%2Bg&x=%26", ["segment a+b", "parameter c d=e f+g", "parameter x=&"]),
    ("http://other:1/echo/a?b", ["segment a", "parameter b="]),
])
def test_targets_are_taken_apart(server, target, lines):
    body = exchange(server, get(target)).body.decode().splitlines()
    assert all(line in body for line in lines), body


@pytest.mark.parametrize("target,status,problem", [
    ("/echo/%00", 400, "malformed-request"), ("/echo/%0d%0aX:1", 400, "malformed-request"),
    ("/echo/%zz", 400, "malformed-request"), ("/echo/%ff", 400, "malformed-request"),
    ("/echo?a=%", 400, "malformed-request"), ("/echo#a", 400, "malformed-request"),
    ("*", 400, "malformed-request"), ("echo", 400, "malformed-request"),
    ("/echo?" + "&".join(f"p{i}" for i in range(17)), 400, "malformed-request"),
    ("/echo//a", 404, "no-such-resource"), ("/echo/", 404, "no-such-resource"),
    ("/1/2/3/4/5/6/7/8/9", 404, "no-such-resource"),
    ("/" + "a" * 8191, 404, "no-such-resource"), ("/" + "a" * 8192, 414, "uri-too-long"),
])
def test_targets_that_are_refused(server, target, status, problem):
    answer = exchange(server, get(target))
    assert (answer.status, answer.problem()) == (status, problem)


def test_headers_of_one_name_are_joined(server):
    body = exchange(server, get("/echo", "X-Tried: a", "x-tried:", "X-TRIED:  b ")).body
    assert b"x-tried a, , b\n" in body


# Bodies


@pytest.mark.parametrize("content_type,status", [
    ("application/json", 200), ("Application/JSON; charset=utf-8", 200), ("application/json ;x=y", 200),
    ("text/plain", 415), ("application/jsonx", 415), ("application/x-www-form-urlencoded", 415), (None, 415),
])
def test_a_body_must_be_json(server, content_type, status):
    for method in ["POST", "PUT", "PATCH"]:
        lines = ["Content-Length: 2"] + ([f"Content-Type: {content_type}"] if content_type else [])
        answer = exchange(server, get("/echo", *lines, method=method) + b"{}")
        assert answer.status == status
        assert status == 200 or answer.problem() == "unsupported-media-type"


def test_a_compressed_body_is_refused(server):
    assert exchange(server, post("/echo", b"{}", "Content-Encoding: gzip")).status == 415
    assert exchange(server, post("/echo", b"{}", "Content-Encoding: identity")).status == 200


def test_no_body_needs_no_type_and_other_methods_may_have_any(server):
    assert exchange(server, get("/echo", method="POST")).status == 200
    assert exchange(server, get("/echo", "Content-Length: 0", method="PUT")).status == 200
    assert exchange(server, get("/echo", "Content-Length: 3", method="DELETE") + b"abc").status == 200


def test_a_body_may_have_as_many_bytes_as_the_limit_says(server):
    body = b"x" * 65536
    assert exchange(server, post("/echo", body)).body.endswith(body + b"\n")
    answer = exchange(server, post("/echo", body + b"x"))
    assert answer.status == 413 and answer.problem() == "body-too-large"
    assert answer.headers["connection"] == "close"


def chunked(*pieces, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def post_chunked(path, *pieces, end=b"0\r\n\r\n"):
    return get(path, "Transfer-Encoding: chunked", "Content-Type: application/json", method="POST") + chunked(*pieces, end=end)


def test_a_chunked_body_is_put_together(server):
    assert b"body abcdef\n" in exchange(server, post_chunked("/echo", b"abc", b"d", b"ef")).body
    assert b"body abc\n" in exchange(server, post_chunked("/echo", b"abc", end=b"0\r\nX-After: 1\r\n\r\n")).body
    assert b"body abc\n" in exchange(server, get(
        "/echo", "Transfer-Encoding:\tCHUNKED", "Content-Type: application/json", method="POST") + chunked(b"abc")).body


def test_a_chunked_body_above_the_limit_is_refused_while_it_comes(server):
    assert exchange(server, post_chunked("/echo", b"x" * 65536)).status == 200
    with server.connect() as sock:
        sock.sendall(post_chunked("/echo", b"x" * 40000, b"x" * 40000, end=b""))
        reader = Reader(sock)
        answer = reader.answer()
        assert answer.status == 413 and answer.problem() == "body-too-large" and "date" in answer.headers
        assert receive_all(sock) == b""


def test_a_client_that_sends_it_all_before_it_reads_still_gets_its_413(server):
    body = b"x" * 3_000_000
    for raw in [post("/echo", body), post_chunked("/echo", *[body[:100_000]] * 30)]:
        with server.connect() as sock:
            sock.sendall(raw)
            assert Reader(sock).answer().status == 413


def test_expect_continue(server):
    with server.connect() as sock:
        sock.sendall(get("/echo", "Content-Length: 3", "Content-Type: application/json", "Expect: 100-continue", method="POST"))
        reader = Reader(sock)
        assert reader.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        sock.sendall(b"abc")
        assert b"body abc" in reader.answer().body
    with server.connect() as sock:
        sock.sendall(get("/echo", "Content-Length: 70000", "Content-Type: application/json", "Expect: 100-continue", method="POST"))
        assert Reader(sock).answer().status == 413


FIELDS_MAX = 10240  # HTTP_HEADERS_MAX
LONGEST_TARGET = "/echo?head=600&a&b&c&d&e&f&g&h&i&j&q=".ljust(8192, "x")  # the answer's head is long, too


def cost(name, value):
    return len(name) + len(value) + 64  # HTTP_FIELD_OVERHEAD


def large_post(target, total, count, cookies=0, between=";"):
    """With `count` fields beside the usual ones; all together are `total` bytes, as the server counts them."""
    body = b'"' + b"b" * 998 + b'"'
    left = total - cost("Host", "test") - cost("Content-Type", "application/json") - cost("Content-Length", "1000")
    if cookies:
        room = left - cost("Cookie", "") - 64 * cookies
        return post(target, body, "Cookie: " + between.join(["a"] * (cookies - 1) + ["b" * (room // 2 - 2 * (cookies - 1))]))
    sizes = [left // count] * (count - 1)
    sizes.append(left - sum(sizes))
    return post(target, body, *(f"{i:02x}: " + "v" * (size - cost("00", "")) for i, size in enumerate(sizes)))


@pytest.mark.parametrize("fields", [(1,), (2,), (50,), (100,), (151,), (0, 1), (0, 2), (0, 50), (0, 130), (0, 130, ",")])
def test_large_heads(server, fields):
    """The longest target with the most fields is answered, and what comes behind it is read."""
    raw = large_post(LONGEST_TARGET, FIELDS_MAX, *fields)
    with server.connect() as sock:
        sock.sendall(raw * 30)
        reader = Reader(sock)
        for _ in range(30):
            answer = reader.answer()
            assert answer.status == 200 and b"b" * 998 in answer.body and len(answer.headers["x-long"]) == 600
    for path in (LONGEST_TARGET, "/echo"):
        answer = exchange(server, large_post(path, FIELDS_MAX + 2, *fields))
        assert answer.status == 431 and answer.problem() == "header-too-large"


def test_heads_beyond_all_reason_are_refused_too(server):
    for raw, status in [(get("/" + "a" * 100_000), 414), (get("/echo", "X: " + "v" * 100_000), 431)]:
        with server.connect() as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(raw)
            assert receive_all(sock).startswith(b"HTTP/1.1 %d" % status)


# HEAD and 304


def test_head_has_the_length_of_get_and_no_body(server):
    with server.connect() as sock:
        reader = Reader(sock)
        for path in ["/hello", "/large?size=100000"]:
            sock.sendall(get(path))
            length = reader.answer().headers["content-length"]
            sock.sendall(get(path, method="HEAD"))
            assert reader.answer(has_body=False).headers["content-length"] == length
        sock.sendall(get("/not-modified"))
        answer = reader.answer(has_body=False)
        assert answer.status == 304 and answer.headers["content-length"] == "6"
        sock.sendall(get("/hello"))
        assert reader.answer().body == b"hello\n"


def test_head_of_a_stream_is_its_head(server):
    with server.connect() as sock:
        sock.sendall(get("/stream", method="HEAD"))
        data = receive_all(sock)
    assert data.startswith(b"HTTP/1.1 200 ") and data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1
    wait_until(lambda: metric(server, "streams_open") == 0)


# Pages in browsers

ORIGIN = "https://shop.example"
OTHERS = ["http://shop.example", "https://shop.example.evil.example", "https://shop.example:8443", "null", "*", "",
          f"{ORIGIN}, {ORIGIN}"]


@pytest.fixture(scope="module")
def shared():
    with serving(f"cors={ORIGIN},http://localhost:3000", "body=1000") as running:
        yield running


def cors_headers(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_a_page_of_a_known_origin_may_see_every_answer(shared):
    refused = [get("/nix"), get("/fail"), get("/a%zz"), get("/" + "a" * 8192), get("/echo", "Content-Length: 2", method="POST") + b"{}",
               post("/echo", b"x" * 1001), get("/methods", method="DELETE"), get("/echo", "X: " + "v" * 16400),
               get("/echo", "Content-Length: 3", "Transfer-Encoding: chunked", method="POST"),
               post_chunked("/echo", b"x" * 1001)]
    statuses = set()
    for raw in [get("/hello"), get("/later"), get("/stream"), get("/methods", method="OPTIONS"), *refused]:
        answer = exchange(shared, raw.replace(b"Host: test", b"Host: test\r\nOrigin: http://localhost:3000", 1))
        statuses.add(answer.status)
        if "x-request-id" not in answer.headers and b"Transfer-Encoding" in raw:
            continue  # this libmicrohttpd refuses it before our code sees it
        assert answer.headers["vary"] == "Origin"
        cors = cors_headers(answer)
        assert cors.pop("access-control-allow-origin") == "http://localhost:3000"
        exposed = cors.pop("access-control-expose-headers").split(", ")
        assert {"ETag", "Location", "Retry-After", "Allow", "X-Request-Id"} <= set(exposed) and not cors
    assert statuses == {200, 204, 400, 404, 405, 413, 414, 415, 431, 500}


def test_a_preflight_is_told_the_methods_of_the_path(shared):
    answer = exchange(shared, get("/methods", f"Origin: {ORIGIN}", "Access-Control-Request-Method: PUT",
                                  "Access-Control-Request-Headers: if-match", method="OPTIONS"))
    assert answer.status == 204 and answer.headers["allow"] == "GET, OPTIONS, PUT" and answer.headers["vary"] == "Origin"
    assert cors_headers(answer) == {
        "access-control-allow-origin": ORIGIN, "access-control-allow-methods": "GET, OPTIONS, PUT",
        "access-control-allow-headers": "Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Correlation-Id, "
                                        "traceparent",
        "access-control-max-age": "600"}


def test_pages_of_other_origins_are_told_nothing(shared, server):
    preflight = "Access-Control-Request-Method: PUT"
    for method in ["GET", "OPTIONS", "DELETE"]:
        for headers in [[f"Origin: {other}", preflight] for other in OTHERS] + [[], [preflight], ["Origin: x"] * 2,
                                                                              [f"Origin: {ORIGIN}"] * 2]:
            answer = exchange(shared, get("/methods", *headers, method=method))
            assert answer.headers["vary"] == "Origin" and not cors_headers(answer), headers
        answer = exchange(server, get("/methods", f"Origin: {ORIGIN}", preflight, method=method))
        assert "vary" not in answer.headers and not cors_headers(answer)


def test_origins_must_be_such_as_browsers_send():
    process = subprocess.run([PROGRAM, "127.0.0.1", "0", "cors=https://shop.example/"], capture_output=True, text=True, timeout=SOON)
    assert process.returncode == 1 and "CORS" in process.stderr


# Framing

HIDDEN = b"GET /echo/hidden HTTP/1.1\r\nHost: test\r\n\r\n"
JSON = b"Content-Type: application/json\r\n"


def attack(*lines, body=b"", start=b"POST /echo HTTP/1.1", host=b"Host: test"):
    return b"\r\n".join([start, *([host] if host else []), *lines]) + b"\r\n\r\n" + body


AMBIGUOUS = {
    "CL+TE": attack(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE+CL": attack(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "CL.CL equal": attack(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "CL.CL with a 0": attack(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN)),
    "CL.CL with a 0 last": attack(b"Content-Length: %d" % len(HIDDEN), b"Content-Length: 0"),
    "CL list": attack(b"Content-Length: 3, 3", body=b"abc"),
    "CL signed": attack(b"Content-Length: +3", body=b"abc"),
    "CL negative": attack(b"Content-Length: -3", body=b"abc"),
    "CL hexadecimal": attack(b"Content-Length: 0x3", body=b"abc"),
    "CL huge": attack(b"Content-Length: 99999999999999999999", body=b"abc"),
    "CL wraps": attack(b"Content-Length: 18446744073709551619", body=b"abc"),
    "CL empty": attack(b"Content-Length:", body=b"abc"),
    "CL and more": attack(b"Content-Length: 3 3", body=b"abc"),
    "CL blank colon": attack(b"Content-Length : 3", body=b"abc"),
    "CL tab colon": attack(b"Content-Length\t: 3", body=b"abc"),
    "CL folded": attack(b"Content-Length:\r\n 3", body=b"abc"),
    "CL continued": attack(b"Content-Length: 3\r\n 0", body=b"abc"),
    "TE.TE": attack(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE.TE identity": attack(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "TE identity": attack(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "TE xchunked": attack(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "TE list": attack(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "TE list end": attack(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "TE empty": attack(b"Transfer-Encoding:", body=b"0\r\n\r\n"),
    "TE quoted": attack(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "TE vertical tab": attack(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "TE blank colon": attack(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "TE tab colon": attack(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "TE folded": attack(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "TE folded by tab": attack(b"Transfer-Encoding:\r\n\tchunked", body=b"0\r\n\r\n"),
    "TE in a fold": attack(b"X: a\r\n Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE after an empty fold": attack(b"X: a\r\n \r\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE twice folded": attack(b"Transfer-Encoding:\r\n \r\n chunked", body=b"0\r\n\r\n"),
    "TE and a fold": attack(b"Transfer-Encoding: chunked\r\n ", body=b"0\r\n\r\n"),
    "TE with HTTP/1.0": attack(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", start=b"POST /echo HTTP/1.0"),
    "TE behind CR": attack(b"X: a\rTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE behind NUL": attack(b"X: a\0Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE behind LF": attack(b"X: a\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "name with NUL": attack(b"X\0Y: a"),
    "name with blank": attack(b"X Y: a"),
    "name with a slash": attack(b"X/Y: a"),
    "name missing": attack(b": a"),
    "name not ASCII": attack(b"X\xc3\xa4: a"),
    "value with BEL": attack(b"X: a\x07"),
    "colon missing": attack(b"X"),
    "first line folded": attack(b" X: a", host=None),
    "fold before all": attack(host=b" Host: test"),
    "LF after the request line": b"GET /echo HTTP/1.1\nHost: test\r\n\r\n",
    "LF after a field": b"GET /echo HTTP/1.1\r\nHost: test\nX: a\r\n\r\n",
    "LF at the end": b"GET /echo HTTP/1.1\r\nHost: test\r\n\n",
    "LF everywhere": b"GET /echo HTTP/1.1\nHost: test\n\n",
    "no Host": attack(host=None),
    "two Hosts": attack(b"Host: other"),
    "a blank in Host": attack(host=b"Host: test other"),
    "a path in Host": attack(host=b"Host: test/echo"),
    "UTF-8 in Host": attack(host="Host: tést".encode()),
    "target with NUL": attack(start=b"GET /echo\0/x HTTP/1.1"),
    "target with blank": attack(start=b"GET /echo /x HTTP/1.1"),
    "two blanks": attack(start=b"GET  /echo HTTP/1.1"),
    "blank at the end": attack(start=b"GET /echo HTTP/1.1 "),
    "tab": attack(start=b"GET\t/echo HTTP/1.1"),
    "no version": attack(start=b"GET /echo"),
    "no target": attack(start=b"GET HTTP/1.1"),
    "version 0.9": attack(start=b"GET /echo HTTP/0.9"),
    "version 2": attack(start=b"GET /echo HTTP/2.0"),
    "version small": attack(start=b"GET /echo http/1.1"),
}


def answers_in(data):
    return len(re.findall(rb"HTTP/1\.1 \d", data))


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_head_is_refused_and_nothing_behind_it_answered(server, name):
    for hidden in [HIDDEN, b"0\r\n\r\n" + HIDDEN]:
        with server.connect() as sock:
            sock.sendall(AMBIGUOUS[name] + hidden)
            answer = receive_all(sock)
        assert b"hidden" not in answer
        assert answers_in(answer) <= 1
        # What is not even a request line is cut without a word.
        assert answer == b"" and name in {"tab", "no target", "target with NUL"} or re.match(rb"HTTP/1.1 (400|413|505) ", answer), answer


@pytest.mark.parametrize("host", [b"Host:", b"Host: ", b"Host: test \t"])
def test_a_host_may_be_empty_or_have_blanks_behind_it(server, host):
    assert exchange(server, attack(start=b"GET /echo HTTP/1.1", host=host)).status == 200


@pytest.mark.parametrize("name", ["CL+TE", "CL.CL with a 0", "TE identity", "TE folded", "CL blank colon", "two Hosts", "LF at the end"])
def test_the_refusal_is_a_problem_and_says_why(server, name):
    with server.connect() as sock:
        sock.sendall(AMBIGUOUS[name])
        answer = Reader(sock).answer()
        assert receive_all(sock) == b""
    assert answer.status == 400 and answer.headers["connection"] == "close"
    if "x-request-id" not in answer.headers:
        pytest.skip("this libmicrohttpd refuses it before our code sees it")
    assert answer.problem() == "malformed-request" and json.loads(answer.body)["detail"]


@pytest.mark.parametrize("chunks", [
    b"3\nabc\n0\n\n", b"3;a\nabc\r\n0\r\n\r\n", b"3\r\nabc\n0\r\n\r\n", b"3\r\nabc\r\n0\n\r\n", b"3\r\nabc\r\n0\r\n\n",
    b"3\r\nabcX\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n", b"\r\nabc\r\n0\r\n\r\n", b"g\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nabc\r\n",
    b"3\r\nabc\r\n0\r\nX\r\n\r\n",
])
def test_nothing_behind_a_malformed_chunked_body_is_answered(server, chunks):
    with server.connect() as sock:
        sock.sendall(get("/echo", "Transfer-Encoding: chunked", "Content-Type: application/json", method="POST") + chunks + HIDDEN)
        answer = receive_all(sock)
    assert b"hidden" not in answer
    assert answers_in(answer) <= 1


def test_a_good_head_is_good_however_it_is_cut_into_packets(server):
    dice = random.Random(7)
    raw = post("/echo/a%20b?c=d&e=%26", b'{"a":1}', *(f"X-Field-{i}:{' ' * (i % 4)}{'v' * (i * 7 % 150)}" for i in range(50)))
    expected = exchange(server, raw).body
    assert b"segment a b" in expected
    for longest in [1, 2, 7, 100, 1500, 9000]:
        with server.connect() as sock:
            reader = Reader(sock)
            for _ in range(3):
                sent = 0
                while sent < len(raw):
                    count = dice.randint(1, longest)
                    sock.sendall(raw[sent:sent + count])
                    sent += count
                answer = reader.answer()
                assert answer.status == 200 and answer.body == expected


# Connections


def test_a_connection_serves_many_requests(server):
    with server.connect() as sock:
        reader = Reader(sock)
        for i in range(20):
            sock.sendall([get("/hello"), post("/echo", b"abc"), get("/later?delay=1"), get("/nix"), get("/woken?delay=1")][i % 5])
            assert reader.answer().status == [200, 200, 200, 404, 200][i % 5]


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as sock:
        reader = Reader(sock)
        paths = [f"/echo/{i}" if i % 3 else f"/{['later', 'woken'][i % 2]}?delay={i % 5}" for i in range(60)]
        sock.sendall(b"".join(post(path, b"abc") if i % 2 else get(path) for i, path in enumerate(paths)))
        for i, path in enumerate(paths):
            expected = b"later\n" if i % 3 == 0 else b"segment %d\n" % i
            assert expected in reader.answer().body, path


@pytest.mark.parametrize("path", ["/later", "/woken"])
def test_no_answer_is_lost_between_a_handler_and_the_thread_that_answers(server, path):
    """Each of these answers races with the suspension of its connection."""
    count, rounds = 500, 4
    socks = [server.connect() for _ in range(32)]
    for _ in range(rounds):
        received = {sock: b"" for sock in socks}
        for sock in socks:
            sock.sendall(get(path) * count)
        while received:
            ready, _, _ = select.select(list(received), [], [], 2)
            assert ready, f"{len(received)} connections wait for an answer"
            for sock in ready:
                received[sock] += sock.recv(65536)
                if received[sock].count(b"\nlater\n") == count:
                    del received[sock]
    for sock in socks:
        sock.close()


def test_http_1_0_closes_unless_asked(server):
    with server.connect() as sock:
        sock.sendall(get("/hello", "Connection: keep-alive", version="1.0"))
        reader = Reader(sock)
        assert reader.answer().status == 200
        sock.sendall(get("/hello", version="1.0"))
        assert reader.answer().status == 200
        assert receive_all(sock) == b""


def test_a_client_that_half_closes_gets_its_answer(server):
    with server.connect() as sock:
        sock.sendall(get("/hello"))
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock).endswith(b"hello\n")


@pytest.mark.parametrize("path", ["/hello", "/later?delay=20", "/later?spin=1", "/woken?delay=20", "/woken?spin=1"])
@pytest.mark.parametrize("count", [1, 64, 127, 128, 129, 256, 1024])
def test_many_connections_are_all_served_in_time(server, count, path):
    if "spin" in path and count > 129:
        pytest.skip("each holds a server thread for 2 ms")
    socks = [server.connect() for _ in range(count)]
    try:
        for round_number in range(3):
            start = time.monotonic()
            for sock in socks:
                sock.sendall(get(path))
            poller = select.poll()
            waiting = {sock.fileno(): sock for sock in socks}
            for descriptor in waiting:
                poller.register(descriptor, select.POLLIN)
            while waiting:
                ready = poller.poll(1000)
                assert ready, f"{len(waiting)} of {count} stall in round {round_number}"
                for descriptor, _ in ready:
                    answer = waiting.pop(descriptor).recv(4096)
                    poller.unregister(descriptor)
                    assert answer.startswith(b"HTTP/1.1 200")
            assert time.monotonic() - start < 3
    finally:
        for sock in socks:
            sock.close()


def test_too_many_connections_are_refused_at_once():
    with serving("connections=5") as server:
        socks = [server.connect() for _ in range(5)]
        for sock in socks:
            sock.sendall(get("/hello"))
            assert Reader(sock).answer().status == 200
        with server.connect() as sock:
            assert receive_all(sock) == b""
        socks.pop().close()
        assert metric_soon(server, "http_connections_refused_total") >= 1
        assert metric_soon(server, "http_connections_timed_out_total") == 0, "it was closed at once, not after its time"
        for sock in socks:
            sock.close()


def metric_soon(server, name):
    """As soon as there is room for a connection again."""
    found = []

    def asks():
        with contextlib.suppress(EOFError, ConnectionError):
            found.append(metric(server, name))
        return found

    wait_until(asks)
    return found[0]


def test_connections_of_one_address_have_a_limit():
    with serving("per-address=3") as server:
        socks = [server.connect() for _ in range(3)]
        for sock in socks:
            sock.sendall(get("/hello"))
            assert Reader(sock).answer().status == 200
        with server.connect() as sock:
            assert receive_all(sock) == b""
        socks.pop().close()
        assert metric_soon(server, "http_connections_refused_total") >= 1
        for sock in socks:
            sock.close()


# Slow and lost clients


@pytest.fixture(scope="module")
def impatient():
    with serving("head=1", "request=2", "write=1") as running:
        yield running


def closed_after(sock, seconds=SOON):
    start = time.monotonic()
    sock.settimeout(seconds)
    data = receive_all(sock)
    return time.monotonic() - start, data


def test_an_idle_connection_is_cut(impatient):
    with impatient.connect() as fresh, impatient.connect() as used:
        used.sendall(get("/hello"))
        assert Reader(used).answer().status == 200
        for sock in [fresh, used]:
            waited, data = closed_after(sock)
            assert data == b"" and waited < 2


@pytest.mark.parametrize("drip,raw,seconds", [
    ("head", get("/hello", "X: " + "a" * 100), 1),
    ("request line", get("/" + "a" * 100), 1),
    ("body", post("/echo", b"a" * 100), 2),
    ("chunks", post_chunked("/echo", *[b"a"] * 30), 2),
])
def test_dripping_does_not_keep_a_connection_open(impatient, drip, raw, seconds):
    """It is cut while bytes still come: all of them would take several times the time for them."""
    before, start = metric(impatient, "http_connections_timed_out_total"), time.monotonic()
    with impatient.connect() as sock:
        split = raw.index(b"\r\n\r\n") + 4 if drip in ("body", "chunks") else 1
        sock.sendall(raw[:split])
        sent = split
        with contextlib.suppress(ConnectionError):
            while sent < len(raw) and not select.select([sock], [], [], 0.05)[0]:
                sock.sendall(raw[sent:sent + 1])
                sent += 1
        assert receive_all(sock) == b""
        assert sent < len(raw)
        assert time.monotonic() - start >= seconds, f"{seconds} s are the client's"
    assert metric(impatient, "http_connections_timed_out_total") == before + 1


def test_a_request_that_waits_for_its_answer_is_never_cut(impatient):
    answer = exchange(impatient, get("/later?delay=3500"))
    assert answer.body == b"later\n"


def test_a_stream_that_waits_for_its_next_piece_is_never_cut(impatient):
    answer = exchange(impatient, get("/stream?pieces=1&size=10&delay=2600"))
    assert len(answer.body) == 10


@pytest.mark.parametrize("path", ["/stream?pieces=100000&size=60000&inline=1",
                                  "/stream?pieces=100000&size=60000&delay=1"])
def test_a_client_that_does_not_read_a_stream_is_cut(impatient, path):
    before = metric(impatient, "http_connections_timed_out_total")
    with impatient.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(get(path))
        wait_until(lambda: metric(impatient, "http_connections_timed_out_total") > before)
        wait_until(lambda: metric(impatient, "streams_open") == 0)


WRITE_RATE_MIN = 16384  # HTTP_WRITE_RATE_MIN


def test_a_client_that_does_not_read_an_answer_is_cut_when_the_time_for_its_bytes_is_over(impatient):
    """The kernel's buffers take the first answers; one that is asked for after them has to wait for the client."""
    size, answers = 5 * WRITE_RATE_MIN, 300
    before = metric(impatient, "http_connections_timed_out_total")
    with impatient.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        start = time.monotonic()
        sock.sendall(get(f"/large?size={size}") * answers)
        wait_until(lambda: metric(impatient, "http_connections_timed_out_total") > before, 2 * SOON)
        assert time.monotonic() - start >= 1 + size / WRITE_RATE_MIN


def test_a_client_that_reads_slowly_is_not_cut(impatient):
    """It takes more than the write time-out for all of it, but not for any piece."""
    with impatient.connect() as sock:
        sock.sendall(get("/stream?pieces=200&size=60000&inline=1"))
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            for _ in range(10):
                data += sock.recv(65536)
            time.sleep(0.04)
        assert len(data) > 200 * 60000


def test_a_client_that_leaves_a_waiting_stream_is_noticed(server):
    with server.connect() as sock:
        sock.sendall(get("/stream?delay=3000"))
        Reader(sock).until(b"\r\n\r\n")
        assert metric(server, "streams_open") == 1
    wait_until(lambda: metric(server, "http_connections") == 1)
    assert metric(server, "streams_open") == 1, "noticed before its source is done"
    wait_until(lambda: metric(server, "streams_open") == 0)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("raw", [
    b"", b"GET /hel", get("/hello")[:-2], post("/echo", b"a" * 60000)[:-100], post_chunked("/echo", b"abc")[:-9],
    get("/later?delay=100"), get("/later?spin=1"), get("/stream?delay=50&pieces=50"), get("/stream?inline=1&pieces=100000"),
    get("/large?size=20000000"), post("/echo", b"a" * 100_000), AMBIGUOUS["CL+TE"],
    get("/woken?delay=100"), get("/woken?spin=1"), get("/woken?early=1"),
], ids=range(15))
def test_clients_that_vanish_leave_nothing_behind(server, raw):
    for leave in [socket.socket.close, reset]:
        for pause in [0, 0.02]:
            socks = [server.connect() for _ in range(8)]
            for sock in socks:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(raw)
            time.sleep(pause)
            for sock in socks:
                leave(sock)
    for name, left in (("streams_open", 0), ("answers_due", 0), ("http_connections", 1)):
        wait_until(lambda name=name, left=left: metric(server, name) == left)


# The door: connections whose first head has not come


def drip(sock, raw):
    """All of it, a byte at a time."""
    for byte in raw:
        sock.sendall(bytes([byte]))
        time.sleep(0.001)


def test_a_connection_is_not_served_before_its_first_head_has_come(server):
    socks = [server.connect() for _ in range(40)]
    for sock in socks[:20]:
        sock.sendall(get("/hello")[:-1])
    wait_until(lambda: metric(server, "http_connections") == 41)
    assert metric(server, "http_connections_waiting") == 40
    for sock in socks[:20]:
        sock.sendall(b"\n")
        assert Reader(sock).answer().body == b"hello\n"
    assert metric(server, "http_connections_waiting") == 20
    for sock in socks[20:]:
        drip(sock, get("/hello"))
        assert Reader(sock).answer().body == b"hello\n"
    assert metric(server, "http_connections_waiting") == 0
    for sock in socks:
        sock.sendall(get("/hello"))
        assert Reader(sock).answer().body == b"hello\n"
        sock.close()


@pytest.mark.parametrize("size", [4000, 4095, 4096, 4097, 10000])
def test_a_long_head_may_come_in_pieces(server, size):
    head = get("/hello")
    head = get("/hello", "X: " + "a" * (size - len(head) - len("X: \r\n")))
    assert len(head) == size
    with server.connect() as sock:
        for start in range(0, size, 1000):
            sock.sendall(head[start:start + 1000])
            time.sleep(0.005)
        assert Reader(sock).answer().body == b"hello\n"


@pytest.mark.parametrize("raw", [b"", b"GET /hello HT", get("/hello")[:-2]])
def test_a_client_that_half_closes_before_its_head_has_come_is_let_go(server, raw):
    before = metric(server, "http_connections_timed_out_total")
    with server.connect() as sock:
        sock.sendall(raw)
        wait_until(lambda: metric(server, "http_connections_waiting") == 1)
        sock.shutdown(socket.SHUT_WR)
        receive_all(sock)
    wait_until(lambda: metric(server, "http_connections") == 1)
    assert metric(server, "http_connections_timed_out_total") == before, "its time was not waited for"


def test_those_who_wait_count_among_the_connections_of_their_address():
    with serving("per-address=3", "head=1") as server:
        socks = [server.connect() for _ in range(3)]
        time.sleep(0.1)
        with server.connect() as one_too_many:
            assert receive_all(one_too_many) == b""
        for sock in socks:
            assert closed_after(sock)[0] < 2
        assert metric(server, "http_connections_timed_out_total") == 3


def processor_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_files_to_accept_with_connections_wait_their_turn():
    with serving() as server:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, 40))
        socks = [server.connect() for _ in range(80)]
        before = processor_seconds(server)
        time.sleep(0.5)
        assert processor_seconds(server) - before < 0.1  # it does not ask again and again
        for sock in socks:
            sock.sendall(get("/hello"))
        answered = []
        while socks:
            served, _, _ = select.select(socks, [], [], SOON)
            assert served
            for sock in served:
                answered.append(Reader(sock).answer().body)
                sock.close()
                socks.remove(sock)
        assert answered == [b"hello\n"] * 80


def test_a_server_stops_while_connections_wait():
    with serving() as server:
        socks = [server.connect() for _ in range(30)]
        for sock in socks[10:]:
            sock.sendall(b"GET /hello HTTP/1.1\r\n")
        wait_until(lambda: metric(server, "http_connections_waiting") == 30)
    for sock in socks:
        assert receive_all(sock) == b""


# Streams


def test_a_stream_arrives_in_order_and_whole(server):
    for path in ["/stream?pieces=100&size=777", "/stream?pieces=100&size=777&inline=1", "/stream?pieces=5&size=100000&delay=5"]:
        answer = exchange(server, get(path))
        pieces, size = (int(re.search(rf"{name}=(\d+)", path)[1]) for name in ("pieces", "size"))
        assert answer.body == b"".join(bytes([ord("a") + i % 26]) * size for i in reversed(range(pieces)))
    assert exchange(server, get("/stream?pieces=0")).body == b""


def test_a_stream_comes_as_it_is_written(server):
    with server.connect() as sock:
        sock.sendall(get("/stream?pieces=2&size=5&delay=300"))
        reader = Reader(sock)
        reader.until(b"bbbbb")
        assert b"aaaaa" not in reader.data


@pytest.mark.parametrize("inline", [0, 1])
def test_an_aborted_stream_never_looks_complete(server, inline):
    with server.connect() as sock:
        sock.sendall(get(f"/stream?pieces=2&size=5&abort=1&inline={inline}"))
        answer = receive_all(sock)
        assert not answer.endswith(b"0\r\n\r\n")
    with server.connect() as sock:
        sock.sendall(get(f"/stream?pieces=2&size=5&delay=20&abort=1&inline={inline}", version="1.0"))
        with pytest.raises(ConnectionResetError):
            while sock.recv(4096):
                pass


def test_a_stream_to_http_1_0_ends_with_the_connection(server):
    with server.connect() as sock:
        sock.sendall(get("/stream?pieces=3&size=5&delay=5", version="1.0"))
        assert receive_all(sock).endswith(b"\r\n\r\ncccccbbbbbaaaaa")


# Start and end


def test_a_port_in_use_is_a_clear_error(server):
    result = subprocess.run([PROGRAM, "127.0.0.1", str(server.port)], capture_output=True, text=True, timeout=SOON, check=False)
    assert result.returncode == 1
    assert result.stderr == f"cannot listen on 127.0.0.1 port {server.port}: Address already in use\n"


def test_an_address_must_be_a_number():
    result = subprocess.run([PROGRAM, "localhost.invalid", "0"], capture_output=True, text=True, timeout=SOON, check=False)
    assert result.returncode == 1
    assert result.stderr == "cannot listen on localhost.invalid: not a numeric IP address\n"


@pytest.mark.parametrize("address", ["::1", "::", "0.0.0.0"])
def test_other_addresses_to_listen_on(address):
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(address=address) as server:
        assert exchange(server, get("/hello")).status == 200


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads(threads):
    with serving(f"threads={threads}") as server:
        for path in ["/hello", "/later", "/woken", "/stream"]:
            assert exchange(server, get(path)).status == 200


@pytest.mark.parametrize("path", ["/later", "/woken"])
def test_quiescing_finishes_what_is_under_way(path):
    with serving() as server:
        idle, busy = server.connect(), server.connect()
        idle.sendall(get("/hello"))
        readers = Reader(idle), Reader(busy)
        assert "connection" not in readers[0].answer().headers
        busy.sendall(get(f"{path}?delay=300"))
        time.sleep(0.05)
        server.process.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
        with pytest.raises(ConnectionError):
            server.connect()
        idle.sendall(get("/hello"))
        assert readers[0].answer().headers["connection"] == "close"
        answer = readers[1].answer()
        assert answer.body == b"later\n" and answer.headers["connection"] == "close"
        assert receive_all(idle) == receive_all(busy) == b""


def listens(server):
    try:
        server.connect().close()
        return True
    except ConnectionError:
        return False


def test_a_client_that_sends_on_gets_the_whole_of_the_last_answer():
    """A socket that is closed with bytes unread is reset, and what was not sent yet is lost: RFC 9112, 9.6."""
    with serving() as server, server.connect() as sock:
        sock.sendall(get("/hello"))
        reader = Reader(sock)
        assert "connection" not in reader.answer().headers
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: not listens(server))
        for path in ["/large?size=3000000", "/hello"]:
            sock.sendall(get(path))
            time.sleep(0.05)
        answer = reader.answer()
        assert answer.headers["connection"] == "close" and len(answer.body) == 3_000_000
        assert receive_all(sock) == reader.data == b""


def test_stopping_cuts_what_would_not_end():
    with serving() as server:
        socks = [server.connect() for _ in range(7)]
        for sock, raw in zip(socks, [b"", b"GET", post("/echo", b"abc")[:-1], get("/later?delay=60000"),
                                     get("/woken?delay=60000"), get("/stream?delay=60000"),
                                     get("/stream?pieces=1000&size=10&delay=5")]):
            sock.sendall(raw)
        time.sleep(0.1)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answers = [receive_all(sock) for sock in socks]
        assert time.monotonic() - start < 5
        assert answers[3].endswith(b"later\n") and answers[4].endswith(b"later\n")
        assert not answers[6].endswith(b"0\r\n\r\n")


def test_stopping_waits_for_answers_that_are_being_made():
    """Each takes a millisecond of the only server thread."""
    with serving("threads=1") as server:
        socks = [server.connect() for _ in range(1200)]
        for sock in socks:
            sock.sendall(get("/woken?delay=60000&work=1"))
        wait_until(lambda: metric(server, "answers_due") == len(socks))
        server.process.send_signal(signal.SIGTERM)
        assert all(receive_all(sock).endswith(b"later\n") for sock in socks)


def stop_while_clients_send():
    """What clients got that sent something every 30 ms while the server stopped."""
    with serving() as server:
        idle, half = [server.connect() for _ in range(60)], server.connect()
        for sock in idle:
            sock.sendall(get("/hello"))
            assert Reader(sock).answer().status == 200
        half.sendall(post("/echo", b"abc")[:-1])  # the server gives it a moment before it cuts it
        server.process.send_signal(signal.SIGTERM)
        for sock in idle:
            with contextlib.suppress(ConnectionError):
                sock.sendall(get("/hello"))
            time.sleep(0.03)
        return [receive_all(sock) for sock in idle]


def test_what_comes_while_it_stops_is_refused_and_nothing_breaks():
    for _ in range(5):  # a machine in a hurry stops it before or after all of them
        answers = stop_while_clients_send()
        assert all(answer == b"" or answer[:13] in (b"HTTP/1.1 200 ", b"HTTP/1.1 503 ") for answer in answers)
        refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
        assert all(b"Retry-After: 1\r\n" in answer and b"is stopping" in answer for answer in refused)
        if refused:
            return
    raise AssertionError("nothing was refused in five attempts")


def test_nothing_breaks_under_a_mix_of_clients():
    requests = [get("/hello"), post("/echo", b"abc"), get("/later?delay=3"), get("/stream?pieces=5&delay=1"),
                get("/large?size=300000"), get("/later?spin=1"), post_chunked("/echo", b"abc", b"def"),
                get("/woken?delay=3"), get("/woken?spin=1"), get("/woken?early=1")]
    with serving("threads=3") as server:
        end = time.monotonic() + 4
        failures = []

        def run(seed):
            dice = random.Random(seed)
            try:
                while time.monotonic() < end:
                    with server.connect() as sock:
                        reader = Reader(sock)
                        for _ in range(dice.randint(1, 5)):
                            sock.sendall(dice.choice(requests))
                            if dice.random() < 0.2:
                                reset(sock)
                                break
                            answer = reader.answer()
                            assert answer.status == 200
                            if answer.headers.get("connection") == "close":
                                break
            except Exception as failure:  # pylint: disable=broad-except
                failures.append(failure)

        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
