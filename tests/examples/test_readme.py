"""The commands of examples/README.md, as they stand there, beside `./dev up`."""

import contextlib
import os
import re
import shutil
import signal
import subprocess

import pytest
import requests

from examples import EXAMPLES
from shop import Shop, eventually, line, new_id
from test_order_handover import OrderSystem

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("go", "npm"))), reason="needs Go, Node.js and npm")
SHELL, *PROGRAMS = re.search(r"```sh\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.S)[1].splitlines()
ORDERS_PORT = 9000  # where the line of the Go program looks for the other system


@contextlib.contextmanager
def running(checkout, command, output):
    """A line of the page in a shell of its own, until it is interrupted as by Ctrl-C."""
    with open(output, "wb") as file:
        child = subprocess.Popen(["bash", "-c", f"{SHELL}\n{command}"], cwd=checkout.folder, start_new_session=True,
                                 env=checkout.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield
        assert child.poll() is None, output.read_text()
    finally:
        os.killpg(child.pid, signal.SIGINT)
        child.wait(30)


def test_given_a_checkout_that_is_up_then_each_program_of_the_page_follows_its_shopping(checkout, tmp_path_factory):
    shutil.copytree(EXAMPLES, checkout.folder / "examples", ignore=shutil.ignore_patterns("node_modules", "build"))
    assert checkout.run("./dev up").returncode == 0
    shop, folder = Shop(*(f"http://127.0.0.1:{checkout.ports[name]}" for name in ("command-service", "query-service"))), \
        tmp_path_factory.mktemp("output")
    left, bought = new_id(), new_id()
    for cart in left, bought:
        shop.create(cart, customer="c")
        shop.add(cart, line("tea", 3))
    assert shop.check_out(bought).status_code == 200

    def reminded():
        assert left in (folder / "0").read_text()
        return True

    def reserved():
        return requests.get("http://127.0.0.1:9100/reservations", timeout=5).json()["reserved"] == {"tea": 3}

    def ordered():
        return [bought.encode() in order for order in orders.orders.values()] == [True]

    with OrderSystem(ORDERS_PORT) as orders, contextlib.ExitStack() as stack:
        for number, (command, has_followed) in enumerate(zip(PROGRAMS, (reminded, reserved, ordered), strict=True)):
            stack.enter_context(running(checkout, command, folder / str(number)))
            eventually(has_followed, 180, every=0.5)
        orders.shutdown()
