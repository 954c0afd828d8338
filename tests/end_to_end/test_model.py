"""Random commands on a few carts: every answer, every event and every view against the independent model."""

import random
from unittest.mock import ANY
from urllib.parse import quote

import pytest

from cart_model import Cart, fold
from shop import Shop, eventually, line, new_id, problem, random_command

WORLDS, STEPS, CARTS = 12, 60, 3
SKUS = ["tea-01", "a", "sku with spaces", "grün/eins?x=1", "%2F"]


def call(shop, cart_id, name, arguments, headers):
    arguments = list(arguments)
    if name == "add":
        arguments = [line(sku, quantity, amount, label, currency)
                     for sku, label, quantity, amount, currency in arguments[0]]
    elif name in ("set_quantity", "remove", "remove_coupon"):
        arguments[0] = quote(arguments[0], safe="")
    elif name == "merge":
        arguments[0] = arguments[0].cart_id
    return getattr(shop, name)(cart_id, *arguments, headers=headers)


def check_answer(response, expected, cart_id, cart, seen_events):
    assert response.status_code == expected.status, (response.text, expected)
    body = response.json()
    if expected.problem:
        assert problem(response) == expected.problem
        for member, value in expected.extra.items():
            assert body[member] == value
        return
    assert body["cartId"] == cart_id and body["version"] == cart.version and body["replayed"] is False
    assert response.headers["ETag"] == f'"{cart.version}"'
    assert [event["type"] for event in body["events"]] == [kind for kind, _ in expected.events]
    first = cart.version - len(expected.events) + 1
    assert [event["version"] for event in body["events"]] == list(range(first, cart.version + 1))
    if expected.events:
        assert body["position"] > 0
    else:
        assert body["position"] is None
    if response.status_code == 201:
        assert response.headers["Location"] == f"/v1/carts/{cart_id}"
    seen_events += [(event["eventId"], event["version"], kind, data)
                    for event, (kind, data) in zip(body["events"], expected.events)]


class World:
    """Carts, each with its model and the events that it must have; CARTS of them are open at the beginning."""

    def __init__(self, shop, rng):
        self.shop, self.rng, self.carts, self.seen = shop, rng, [], {}
        self.all_carts = []
        for _ in range(CARTS):
            self.add_cart()

    def add_cart(self):
        cart = Cart(new_id())
        self.carts.append(cart)
        self.all_carts.append(cart)
        self.seen[cart.cart_id] = []
        currency, customer = self.rng.choice(["EUR"] * 9 + ["USD"]), self.rng.choice([None, "customer-7"])
        self.check(cart, self.shop.create(cart.cart_id, currency, customer), cart.create(currency, customer))

    def check(self, cart, response, expected):
        check_answer(response, expected, cart.cart_id, cart, self.seen[cart.cart_id])

    def choose_command(self):
        if self.rng.random() < 0.08:
            return "merge", [self.rng.choice(self.carts + [Cart(new_id())]),
                             self.rng.choice(["sum", "max", "replace", "keep"])]
        return random_command(self.rng, SKUS)

    def step(self):
        cart = self.rng.choice(self.carts)
        if cart.status != "open" and self.rng.random() < 0.8:
            self.carts.remove(cart)
            self.add_cart()
            return
        name, arguments = self.choose_command()
        if_match = self.rng.choice([None, None, None, "*", [cart.version], [cart.version + 1],
                                    [cart.version, cart.version + 3]])
        headers, options = {}, {}
        if if_match is not None and name != "create":
            headers["If-Match"] = "*" if if_match == "*" else ", ".join(f'"{v}"' for v in if_match)
            options["if_match"] = if_match
        expected = getattr(cart, name)(*arguments, **options)
        self.check(cart, call(self.shop, cart.cart_id, name, arguments, headers), expected)
        if name == "merge" and expected.status == 200:
            source = arguments[0]
            self.seen[source.cart_id].append((ANY, source.version, "CartMergedAway", {"targetCartId": cart.cart_id}))

    def check_cart(self, cart):
        log = eventually(lambda: self.shop.events(cartId=cart.cart_id))
        assert [(e["eventId"], e["version"], e["type"], e["data"]) for e in log] == self.seen[cart.cart_id]
        view = self.shop.view(cart.cart_id, min_version=cart.version)
        times = {key: view.pop(key) for key in ("createdAt", "updatedAt", "closedAt")}
        assert view == cart.view(cart.cart_id)
        assert view == fold(log).view(cart.cart_id)
        assert times["createdAt"] == log[0]["occurredAt"] and times["updatedAt"] == log[-1]["occurredAt"]
        assert times["closedAt"] == (None if cart.status == "open" else log[-1]["occurredAt"])


@pytest.mark.parametrize("seed", range(WORLDS))
@pytest.mark.tsan
def test_given_random_commands_then_service_and_model_agree(stack, seed):
    world = World(Shop(stack.command_url, stack.query_url), random.Random(seed))
    for _ in range(STEPS):
        world.step()
    for cart in world.all_carts:
        world.check_cart(cart)
