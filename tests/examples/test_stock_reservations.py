"""examples/node-stock-reservations against a real topic: what it shows is what the open carts hold."""

import collections
import shutil
import subprocess

import pytest
import requests

from devstack.ports import free_port
from examples import EXAMPLES, Program, make_topic_anew, send_junk
from shop import Shop, eventually, line, new_id

FOLDER = EXAMPLES / "node-stock-reservations"
pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm")


@pytest.fixture(name="program")
def _program(stack_factory, tmp_path):
    stack, port = stack_factory(), free_port()
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)
    subprocess.run(["npx", "tsc"], cwd=FOLDER, check=True)
    program = Program(["node", FOLDER / "build/reservations.js"], stack, tmp_path, PORT=port)
    program.stack, program.url = stack, f"http://127.0.0.1:{port}/reservations"
    yield program
    program.kill()


def test_given_every_kind_of_change_a_kill_and_everything_twice_then_it_shows_what_open_carts_hold(program):
    stack, shop = program.stack, Shop(program.stack.command_url, program.stack.query_url)
    carts = [new_id() for _ in range(8)]

    def versions():
        return {cart: shop.events(cartId=cart)[-1]["version"] for cart in carts}

    def wanted():
        reserved = collections.Counter()
        for cart, version in versions().items():
            view = shop.view(cart, min_version=version)
            if view["status"] == "open":
                reserved.update({item["sku"]: item["quantity"] for item in view["items"]})
        return dict(reserved)

    def agrees():
        shown = requests.get(program.url, timeout=5).json()
        return shown["reserved"] == wanted()

    for number, cart in enumerate(carts):
        shop.create(cart)
        shop.add(cart, line("tea", number + 1), line("cup", 2), line(f"own-{number}", 1))
    send_junk(stack)
    program.start()
    eventually(agrees)
    shop.set_quantity(carts[0], "tea", 50)
    shop.remove(carts[1], "cup")
    shop.remove(carts[2], "cup", 1)
    shop.clear(carts[3])
    assert shop.merge(carts[4], carts[5], "sum").status_code == 200
    assert shop.check_out(carts[6]).status_code == 200
    assert shop.cancel(carts[7]).status_code == 200
    eventually(agrees)
    assert stack.services["command-service"].run("--republish", "all").returncode == 0
    shop.add(carts[0], line("late", 3))
    eventually(agrees)
    program.kill()
    program.start()
    eventually(agrees)
    assert program.stop() == 0


def test_given_a_topic_that_was_made_anew_then_it_goes_on(program):
    stack, shop = program.stack, Shop(program.stack.command_url)

    def reserved():
        return requests.get(program.url, timeout=5).json()["reserved"]

    program.start()
    for number in range(1, 21):
        cart = new_id()
        shop.create(cart)
        shop.add(cart, line("tea", 1))
        if number == 10:
            eventually(lambda: reserved() == {"tea": 10})
            make_topic_anew(stack)
    eventually(lambda: reserved() == {"tea": 20}, 120)
    assert program.stop() == 0
