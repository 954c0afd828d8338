"""examples/python-abandoned-carts against a real topic, killed again and again, and told everything twice."""

import contextlib
import random
import sqlite3
import time

import pytest

from examples import EXAMPLES, Program, is_published, make_topic_anew, send_junk
from invariants import read_log
from shop import Shop, eventually, line, new_id

MINUTES = 0.05


@pytest.fixture(name="stack", scope="module")
def _stack(stack_factory):
    return stack_factory(query_services=0)


@pytest.fixture(name="program")
def _program(stack, tmp_path):
    script = EXAMPLES / "python-abandoned-carts/abandoned_carts.py"
    program = Program([script, "--database", tmp_path / "reminders.sqlite", "--minutes", MINUTES], stack, tmp_path)
    yield program
    program.kill()


def ask(folder, question):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{folder}/reminders.sqlite?mode=ro", uri=True)) as database:
            return database.execute(question).fetchall()
    except sqlite3.OperationalError:  # it does not exist yet
        return []


def has_read(folder, log):
    ends = {}
    for event in log:
        ends[event["partition"]] = max(event["position"], ends.get(event["partition"], 0))
    return dict(ask(folder, "SELECT partition, position FROM partitions")) == ends


def test_given_kills_and_everything_twice_then_each_abandoned_cart_is_reminded_of_once(stack, program, tmp_path):
    shop, left, bought = Shop(stack.command_url), [new_id() for _ in range(8)], [new_id() for _ in range(4)]
    for cart in left + bought:
        shop.create(cart, customer=f"customer of {cart}")
        shop.add(cart, line())
    for cart in bought:
        shop.check_out(cart)
    send_junk(stack)
    for _ in range(6):
        program.start()
        shop.add(random.choice(left), line())
        time.sleep(random.uniform(0.2, 2))
        program.kill()
    assert stack.services["command-service"].run("--republish", "all").returncode == 0
    program.start()
    eventually(lambda: has_read(tmp_path, read_log(stack.command_database_url)))
    eventually(lambda: len(ask(tmp_path, "SELECT * FROM reminders")) == len(left), 120)
    shop.add(left[0], line())  # and left again
    eventually(lambda: has_read(tmp_path, read_log(stack.command_database_url)))
    time.sleep(60 * MINUTES + 2)
    reminders = dict(ask(tmp_path, "SELECT cart_id, customer_id FROM reminders"))
    assert reminders == {cart: f"customer of {cart}" for cart in left}
    printed = [text for text in program.output().splitlines() if text.startswith("reminder")]
    assert len(printed) == len(set(printed)), "none was made twice"
    assert not {cart for cart in bought if any(cart in text for text in printed)}
    assert program.stop() == 0


def test_given_a_hole_in_what_it_gets_then_it_says_so_and_ends(stack, program, tmp_path):
    shop, cart = Shop(stack.command_url), new_id()
    shop.create(cart)
    program.start()
    eventually(lambda: has_read(tmp_path, read_log(stack.command_database_url)))
    assert program.stop() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "reminders.sqlite")) as database, database:
        database.execute("UPDATE partitions SET position = position - 2")
    for _ in range(30):
        shop.create(new_id())
    program.start()
    assert program.wait(60) != 0
    assert "what is missing can be read from GET /v1/events" in program.output()


@pytest.mark.parametrize("meanwhile", ["stopped", "running"])
def test_given_a_topic_that_was_made_anew_then_it_goes_on(stack, program, tmp_path, meanwhile):
    def log():
        return read_log(stack.command_database_url)

    def all_is_read():
        program.keep()
        return has_read(tmp_path, log())

    shop = Shop(stack.command_url)
    shop.create(new_id())
    assert stack.services["command-service"].run("--republish", "all").returncode == 0
    for _ in range(40):  # behind what came twice: their offsets are far beyond their positions
        shop.create(new_id())
    eventually(all_is_read)
    if meanwhile == "stopped":
        program.stop()
    make_topic_anew(stack)
    for _ in range(2 * len(log())):
        shop.create(new_id())
    eventually(lambda: is_published(stack))
    eventually(all_is_read)


def test_given_no_topic_then_it_ends_with_an_error(stack, program):
    program.environment["KAFKA_TOPIC"] = "no-such-topic"
    program.start()
    assert program.wait(60) != 0
    assert "there is no topic no-such-topic" in program.output()
