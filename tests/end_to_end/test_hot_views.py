"""Views from memory: most GETs of a cart that is read a lot need no database, and none shows an older cart than before."""

import re
import time

from invariants import check_log, check_views
from repeating import Clients
from shop import Shop, line, new_id

SESSION_MS = 6000


def hits(url):
    text = Shop(url).get("/metrics", base=url).text
    return float(re.search(r"^cartledger_hot_views_hits_total (\S+)$", text, re.M).group(1))


def counted(read, url, least, seconds=10):
    """Reads until the service counts `least` hits more; it tells of them now and then."""
    begun, deadline = hits(url), time.monotonic() + seconds
    while hits(url) - begun < least:
        assert time.monotonic() < deadline, "the answers do not come from memory"
        read()


class Readers(Clients):
    """They read one cart through all services, by turns with and without a minVersion; what any of them has seen, none
    may see an older version than afterwards."""

    def __init__(self, stack, cart, count):
        super().__init__(count)
        self.stack, self.cart = stack, cart
        self.newest, self.answers, self.wrong = 1, 0, []

    def run(self, number):
        shops = [Shop(self.stack.command_url, url) for url in self.stack.query_urls]
        turn = number
        while not self.stopping.is_set():
            turn += 1
            with self.lock:
                newest = self.newest
            query = f"?minVersion={newest}" if turn % 3 == 0 else ""
            answer = shops[turn % len(shops)].get(f"/v1/carts/{self.cart}{query}")
            if answer.status_code == 503:  # a busy machine
                continue
            version = answer.json()["version"]
            with self.lock:
                self.answers += 1
                if answer.status_code != 200 or version < newest or answer.headers["ETag"] != f'"{version}"':
                    self.wrong.append((answer.status_code, version, newest))
                self.newest = max(self.newest, version)


def test_given_a_cart_that_changes_when_many_read_it_then_nobody_sees_it_go_back(stack_factory):
    stack = stack_factory(query_services=2)
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    shop.view(cart, min_version=1)
    with Readers(stack, cart, 6) as readers:
        for number in range(300):
            assert shop.add(cart, line("tea-01", 1)).status_code == 200
            time.sleep(0.002 * (number % 10))
    assert not readers.wrong and readers.answers > 100
    assert shop.view(cart, min_version=301)["itemCount"] == 300
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    assert sum(map(hits, stack.query_urls)) > 0


def test_given_a_cart_that_is_read_a_lot_then_memory_answers(stack):
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    shop.add(cart, line("tea-01", 2))
    first = shop.view(cart, min_version=2)
    counted(lambda: shop.get(f"/v1/carts/{cart}"), stack.query_url, 20)
    answer = shop.get(f"/v1/carts/{cart}")
    assert answer.json() == first and answer.headers["ETag"] == '"2"'
    assert shop.get(f"/v1/carts/{cart}", headers={"If-None-Match": '"2"'}).status_code == 304
    assert shop.get(f"/v1/carts/{cart}?version=1").json()["version"] == 1
    shop.add(cart, line("tea-01", 1))
    assert shop.view(cart, min_version=3)["itemCount"] == 3
    assert shop.view(cart)["itemCount"] == 3


def test_given_no_memory_for_views_then_all_is_answered_as_before(stack_factory):
    stack = stack_factory(query_env={"HOT_VIEWS_MIB": 0})
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    for _ in range(20):
        assert shop.view(cart, min_version=1)["version"] == 1
    time.sleep(1)
    assert hits(stack.query_url) == 0


def test_given_a_frozen_process_when_another_has_its_partitions_then_it_answers_nothing_old(stack_factory):
    stack = stack_factory(query_env={"KAFKA_SESSION_TIMEOUT_MS": SESSION_MS})
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    shop.view(cart, min_version=1)
    counted(lambda: shop.get(f"/v1/carts/{cart}"), stack.query_url, 5)
    frozen = stack.process("query-service")
    frozen.pause()
    try:
        other = stack.add_query_service()
        shop.add(cart, line("tea-01", 1))
        seen = Shop(stack.command_url, other.url)
        deadline = time.monotonic() + 60
        while seen.view(cart)["version"] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        frozen.cont()
    assert shop.view(cart)["version"] == 2
