"""Random commands, one cart at a time: every answer, every event and every view against the independent model."""

import random

import pytest

from cart_model import Cart, fold
from shop import Shop, line, new_id, problem, random_command

CARTS, STEPS = 12, 40
SKUS = ["tea-01", "a", "sku with spaces", "grün/eins?x=1", "%2F"]


def call(shop, cart_id, name, arguments, headers):
    from urllib.parse import quote

    arguments = list(arguments)
    if name == "add":
        arguments = [line(sku, quantity, amount, label, currency)
                     for sku, label, quantity, amount, currency in arguments[0]]
    elif name in ("set_quantity", "remove"):
        arguments[0] = quote(arguments[0], safe="")
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


@pytest.mark.parametrize("seed", range(CARTS))
@pytest.mark.tsan
def test_given_random_commands_then_service_and_model_agree(stack, seed):
    shop, rng = Shop(stack.command_url, stack.query_url), random.Random(seed)
    cart_id, cart, seen = new_id(), Cart(), []
    check_answer(shop.create(cart_id, "EUR", rng.choice([None, "customer-7"])),
                 cart.create("EUR", shop_customer(shop, cart_id)), cart_id, cart, seen)

    for _ in range(STEPS):
        name, arguments = random_command(rng, SKUS)
        if_match = rng.choice([None, None, None, "*", [cart.version], [cart.version + 1],
                               [cart.version, cart.version + 3]])
        headers = {}
        if if_match is not None and name != "create":
            headers["If-Match"] = "*" if if_match == "*" else ", ".join(f'"{v}"' for v in if_match)
            expected = getattr(cart, name)(*arguments, if_match=if_match)
        else:
            expected = getattr(cart, name)(*arguments)
        check_answer(call(shop, cart_id, name, arguments, headers), expected, cart_id, cart, seen)

    log = shop.events(cartId=cart_id)
    assert [(e["eventId"], e["version"], e["type"], e["data"]) for e in log] == seen
    view = shop.view(cart_id, min_version=cart.version)
    times = {key: view.pop(key) for key in ("createdAt", "updatedAt", "closedAt")}
    assert view == cart.view(cart_id)
    assert view == fold(log).view(cart_id)
    assert times["createdAt"] == log[0]["occurredAt"] and times["updatedAt"] == log[-1]["occurredAt"]
    assert (times["closedAt"] is not None) == (cart.status != "open")


def shop_customer(shop, cart_id):
    """The customer that the cart was created with, as its first event says."""
    return shop.events(cartId=cart_id)[0]["data"]["customerId"]
