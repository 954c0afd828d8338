"""examples/go-order-handover against a real topic and an order system that fails, answers and sees its caller die."""

import collections
import http.server
import json
import shutil
import subprocess
import threading

import pytest

from examples import EXAMPLES, Program, make_topic_anew, send_junk
from invariants import read_log
from shop import Shop, eventually, line, new_id

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")


class OrderSystem(http.server.ThreadingHTTPServer):
    """Keeps orders by Idempotency-Key. `plan` is what it does with the next requests: an answer, or a function."""

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), OrderRequest)
        self.orders, self.requests, self.plan = {}, collections.Counter(), []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/orders"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class OrderRequest(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        key, body = self.headers["Idempotency-Key"], self.rfile.read(int(self.headers["Content-Length"]))
        step = self.server.plan.pop(0) if self.server.plan else 201
        if step != 503:
            self.server.requests[key] += 1
            assert self.server.orders.setdefault(key, body) == body
        if callable(step):
            step()
            return
        self.send_response(step)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(name="orders")
def _orders():
    with OrderSystem() as system:
        yield system
        system.shutdown()


@pytest.fixture(name="program")
def _program(stack_factory, orders, tmp_path):
    stack = stack_factory(query_services=0)
    subprocess.run(["go", "build", "-o", tmp_path / "handover", "."], cwd=EXAMPLES / "go-order-handover", check=True)
    program = Program([tmp_path / "handover"], stack, tmp_path, ORDERS_URL=orders.url)
    program.stack = stack
    yield program
    program.kill()


def buy(stack, count):
    shop = Shop(stack.command_url)
    for _ in range(count):
        cart = new_id()
        shop.create(cart, customer="c")
        shop.add(cart, line())
        assert shop.check_out(cart).status_code == 200


def bought(stack):
    return {event["eventId"]: event["data"] for event in read_log(stack.command_database_url)
            if event["type"] == "CartCheckedOut"}


def test_given_kills_failures_and_everything_twice_then_each_order_is_there_once(program, orders):
    stack = program.stack
    buy(stack, 5)
    send_junk(stack)
    orders.plan = [503, 201, program.kill]
    program.start()
    eventually(lambda: not program.running())
    assert len(orders.orders) == 2
    program.start()
    buy(stack, 5)
    eventually(lambda: orders.orders.keys() == bought(stack).keys())
    assert max(orders.requests.values()) == 2, "the one whose answer was never seen came again"
    assert stack.services["command-service"].run("--republish", "all").returncode == 0
    before = dict(orders.requests)
    buy(stack, 1)
    eventually(lambda: orders.orders.keys() == bought(stack).keys())
    assert sum(orders.requests.values()) == sum(before.values()) + 1, "duplicates are known by their position"
    for key, data in bought(stack).items():
        order = json.loads(orders.orders[key])
        assert order["cart"] == json.loads(data) and order["cartId"] and order["placedAt"]
    assert program.stop() == 0


def test_given_a_refusal_then_it_ends_and_says_which_event(program, orders):
    shop, cart = Shop(program.stack.command_url), new_id()
    shop.create(cart)
    shop.add(cart, line())
    assert shop.check_out(cart).status_code == 200
    orders.plan = [400]
    program.start()
    assert program.wait(60) == 1
    assert "the order system refuses event" in program.output()


def test_given_a_topic_that_was_made_anew_then_it_goes_on(program, orders):
    def all_is_handed_over():
        program.keep()
        return orders.orders.keys() == bought(program.stack).keys()

    buy(program.stack, 10)
    eventually(all_is_handed_over)
    make_topic_anew(program.stack)
    buy(program.stack, 10)
    eventually(all_is_handed_over, 120)
    assert set(orders.requests.values()) == {1}
