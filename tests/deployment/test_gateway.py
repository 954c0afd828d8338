"""The gateway by itself: in front of nobody, and of services made here that stream, or hang up without an answer."""

import os

import pytest
import requests

from compose import ROOT, Compose, docker
from devstack.ports import free_port
from shop import eventually, new_id, problem

# Both services: whatever is asked gets the first part of a stream and nothing more; ?hang-up gets no answer.
SERVICES = """
import http.server, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        print(self.command, self.path, flush=True)
        self.close_connection = True
        if self.path.endswith("?hang-up"):
            return
        self.send_response(200)
        self.send_header("X-Request-Id", "theirs")
        self.end_headers()
        self.wfile.write(b"the first part\\n")
        time.sleep(60)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

for port in (8081, 8082):
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Handler).serve_forever).start()
"""


class Gateway:
    def __init__(self):
        self.name, self.port = f"cartledger-gateway-{os.getpid()}", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.instances = [f"{self.name}-{number}" for number in (1, 2)]

    def run(self, name, *arguments):
        docker("run", "--detach", "--name", name, "--network", self.name, "--read-only", *arguments)

    def start(self):
        docker("network", "create", self.name)
        self.run(self.name, "--publish", f"127.0.0.1:{self.port}:8080", "--tmpfs", "/tmp", "--volume",
                 f"{ROOT}/deploy/gateway/nginx.conf:/etc/cartledger/nginx.conf:ro", "nginx:1.28", "nginx", "-c",
                 "/etc/cartledger/nginx.conf", "-g", "daemon off;")
        eventually(lambda: requests.get(self.url + "/healthz", timeout=5).ok)

    def start_services(self):
        docker("build", "--quiet", "--target", "jobs", "--tag", "cartledger/jobs:test", ROOT, env=Compose().environment)
        for name in self.instances:
            self.run(name, "--network-alias", "command", "--network-alias", "query", "cartledger/jobs:test", "python3", "-c",
                     SERVICES)
        eventually(self.both_answer)

    def both_answer(self):
        with requests.get(self.url + "/v1/live", stream=True, timeout=5):
            return all("GET /v1/live" in self.logged(name) for name in self.instances)

    def logged(self, *names):
        return "".join(docker("logs", name) for name in names)

    def close(self):
        docker("rm", "--force", "--volumes", self.name, *self.instances, check=False)
        docker("network", "rm", self.name, check=False)


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("method, path, kind", [
    ("GET", "/v1/carts", "view-store-unavailable"), ("HEAD", f"/v1/carts/{new_id()}", None),
    ("GET", "/v1/events", "event-store-unavailable"), ("POST", "/v1/carts", "outcome-unknown"),
    ("DELETE", f"/v1/carts/{new_id()}", "outcome-unknown"), ("GET", "/elsewhere", "no-such-resource"),
    pytest.param("GET", f"/v1/carts?x={'y' * 20000}", "uri-too-long", id="GET-long")])
def test_given_no_service_then_the_gateways_own_answer_has_an_id_that_is_in_its_log(gateway, method, path, kind):
    answer = requests.request(method, gateway.url + path, headers={"X-Correlation-Id": "the-callers"}, timeout=10)
    assert kind is None or problem(answer) == kind
    assert answer.status_code != 503 or answer.headers["Retry-After"] == "1"
    own = answer.headers["X-Request-Id"]
    assert kind is None or answer.json()["requestId"] == own
    eventually(lambda: f'"requestId":"{own}"' in gateway.logged(gateway.name))


@pytest.fixture(scope="module")
def services(gateway):
    gateway.start_services()
    return gateway


@pytest.mark.parametrize("path", ["/v1/events", f"/v1/carts/{new_id()}/live", "/v1/live"])
def test_given_a_stream_then_what_there_is_of_it_goes_through_at_once(services, path):
    with requests.get(services.url + path, stream=True, timeout=5) as answer:
        assert next(answer.iter_lines()) == b"the first part"
        assert answer.raw.headers.getlist("X-Request-Id") == ["theirs"]


@pytest.mark.parametrize("method, headers, sent", [
    ("GET", {}, 2), ("PUT", {}, 2), ("PUT", {"If-Match": '"1"', "Idempotency-Key": "k"}, 2), ("PUT", {"If-Match": '"1"'}, 1),
    ("DELETE", {"Idempotency-Key": "k"}, 2), ("DELETE", {}, 1), ("POST", {}, 1), ("PATCH", {"Idempotency-Key": "k"}, 1)])
def test_given_an_instance_that_hangs_up_then_what_may_not_happen_twice_is_not_sent_again(services, method, headers, sent):
    path = f"/v1/carts/{new_id()}?hang-up"
    answer = requests.request(method, services.url + path, headers=headers, timeout=10)
    assert problem(answer) == ("view-store-unavailable" if method == "GET" else "outcome-unknown")
    assert services.logged(*services.instances).count(f"{method} {path}\n") == sent
