"""Idempotency-Key: the same request again is answered as the first time, and done once."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from cart_model import Cart
from invariants import check_log
from shop import Shop, line, new_id, percent, problem, random_command
from test_model import SKUS, call

PER_REQUEST = ("Date", "X-Request-Id", "Content-Length")  # `true` is a byte shorter than `false`



def key(value):
    return {"headers": {"Idempotency-Key": value}}


def assert_replay(again, first):
    """Byte for byte the first answer, but for `replayed` and what is each request's own."""
    assert first.status_code in (200, 201), first.text
    assert again.status_code == first.status_code, again.text
    assert first.text.endswith('"replayed":false}')
    assert again.text == first.text.replace('"replayed":false}', '"replayed":true}')
    heads = [{name: value for name, value in response.headers.items() if name not in PER_REQUEST}
             for response in (first, again)]
    assert heads[0] == heads[1]


def commands(shop, cart):
    """Each kind of command that appends something, in an order in which all succeed; `cancel` is tried elsewhere."""
    source = new_id()
    assert shop.create(source).status_code == 201
    return [
        lambda **options: shop.create(cart, customer="c-1", **options),
        lambda **options: shop.add(cart, line("a", 2), **options),
        lambda **options: shop.add(cart, *[line(f"s{n % 60}", 1) for n in range(100)], **options),
        lambda **options: shop.set_quantity(cart, "a", 7, **options),
        lambda **options: shop.remove(cart, "a", 3, **options),
        lambda **options: shop.remove(cart, "a", **options),
        lambda **options: shop.clear(cart, **options),
        lambda **options: shop.add(cart, line("b"), **options),
        lambda **options: shop.assign_customer(cart, "c-2", **options),
        lambda **options: shop.apply_coupon(cart, percent("TEN"), **options),
        lambda **options: shop.apply_coupon(cart, percent("FIVE", 5), **options),
        lambda **options: shop.remove_coupon(cart, "TEN", **options),
        lambda **options: shop.merge(cart, source, **options),
        lambda **options: shop.check_out(cart, "order-1", **options),
    ]


def test_given_every_kind_of_command_when_repeated_then_the_first_answer_again_and_nothing_done(shop):
    cart = new_id()
    made = [(send, f"key-{number}", send(**key(f"key-{number}"))) for number, send in enumerate(commands(shop, cart))]
    events = shop.events(cartId=cart)
    for send, name, first in made:  # the cart is closed now
        assert_replay(send(**key(f'"{name}"')), first)
    assert shop.events(cartId=cart) == events and len(events) == 13 + 100
    assert problem(shop.check_out(cart, "order-1", **key("another"))) == "cart-closed"


def test_given_a_key_then_it_stands_in_the_metadata_of_all_its_events(shop, cart):
    shop.add(cart, line("a"), line("b"), headers={"Idempotency-Key": '"a \\"key\\""', "X-Correlation-Id": "c"})
    _, *added = shop.events(cartId=cart)
    assert len(added) == 2 and added[0]["metadata"] == added[1]["metadata"]
    assert added[0]["metadata"]["correlationId"] == "c"
    assert added[0]["metadata"]["commandKey"]["key"] == 'a "key"'
    assert len(bytes.fromhex(added[0]["metadata"]["commandKey"]["requestHash"])) == 32


def test_given_a_key_when_the_request_is_another_then_422(shop, cart):
    first = shop.add(cart, line("a", 2), **key("k"))
    for other in (shop.add(cart, line("a", 3), **key("k")), shop.set_quantity(cart, "a", 2, **key("k")),
                  shop.remove(cart, "a", **key("k")), shop.remove(cart, "a", 1, **key("k")),
                  shop.cancel(cart, **key("k")), shop.create(cart, **key("k"))):
        assert other.status_code == 422 and problem(other) == "idempotency-key-reused"
    assert shop.remove(cart, "a", 1, **key("r")).status_code == 200
    assert problem(shop.remove(cart, "a", **key("r"))) == "idempotency-key-reused"
    respelled = shop.send("POST", f"/v1/carts/{cart.upper()}/items", headers={
        "Idempotency-Key": "k", "Content-Type": "application/json"},
        data=json.dumps(dict(reversed(line("a", 2).items())), indent=2))
    assert_replay(respelled, first)


def test_given_a_key_when_used_on_another_cart_then_it_means_nothing_there(shop, cart):
    other = new_id()
    assert shop.create(other, **key("k")).status_code == 201
    assert shop.add(cart, line(), **key("k")).json()["replayed"] is False


def test_given_a_key_when_its_cart_is_merged_with_the_same_key_then_the_first_answer_is_still_the_first(shop, cart):
    target = new_id()
    assert shop.create(target).status_code == 201
    first = shop.add(cart, line("a"), **key("k"))
    merge = shop.merge(target, cart, **key("k"))
    assert_replay(shop.add(cart, line("a"), **key("k")), first)
    assert_replay(shop.merge(target, cart, **key("k")), merge)


@pytest.mark.parametrize("seed", range(4))
def test_given_few_keys_when_many_carts_are_changed_and_merged_then_each_means_one_request_on_each_cart(shop, seed):
    rng, carts, made = random.Random(seed), [], {}
    for step in range(400):
        if step % 10 == 0:
            carts = [*carts[-4:], Cart(new_id())]
            assert shop.create(carts[-1].cart_id).status_code == 201
        cart, name = rng.choice(carts), rng.choice("klmnop")
        known = made.get((cart.cart_id, name))
        if known and rng.random() < 0.5:
            request = known[0]
        elif rng.random() < 0.1:
            request = "merge", [rng.choice(carts), rng.choice(["sum", "max", "replace", "keep"])]
        else:
            request = random_command(rng, SKUS)
        answer = call(shop, cart.cart_id, *request, key(name)["headers"])
        if known and request == known[0]:
            assert_replay(answer, known[1])
        elif known:
            assert problem(answer) == "idempotency-key-reused"
        elif answer.status_code < 300 and answer.json()["events"]:
            made[cart.cart_id, name] = request, answer
    for (cart_id, name), (request, first) in made.items():
        assert_replay(call(shop, cart_id, *request, key(name)["headers"]), first)


def test_given_refusals_and_nothing_to_do_then_they_are_judged_again(shop, cart):
    assert problem(shop.remove(cart, "a", **key("k"))) == "item-not-in-cart"
    assert shop.set_quantity(cart, "b", 0, **key("n")).json()["events"] == []
    assert shop.add(cart, line("a"), line("b")).status_code == 200
    removed = shop.remove(cart, "a", **key("k"))
    assert removed.json()["replayed"] is False and len(removed.json()["events"]) == 1
    assert_replay(shop.remove(cart, "a", **key("k")), removed)
    assert len(shop.set_quantity(cart, "b", 0, **key("n")).json()["events"]) == 1


def test_given_if_match_when_repeated_then_the_answer_comes_before_the_condition(shop, cart):
    headers = {"Idempotency-Key": "k", "If-Match": '"1"'}
    first = shop.add(cart, line(), headers=headers)
    assert_replay(shop.add(cart, line(), headers=headers), first)
    assert_replay(shop.add(cart, line(), **key("k")), first)
    assert problem(shop.add(cart, line(), headers={**headers, "Idempotency-Key": "l"})) == "version-mismatch"


def test_given_a_create_then_its_key_decides_the_cart(shop):
    body, name = {"currency": "EUR", "customerId": "c-1"}, new_id()
    first = shop.send("POST", "/v1/carts", body, **key(name))
    cart = first.json()["cartId"]
    assert first.status_code == 201 and first.headers["Location"] == f"/v1/carts/{cart}" and cart[14] == "8"
    assert_replay(shop.send("POST", "/v1/carts", body, **key(f'"{name}"')), first)
    assert shop.add(cart, line()).status_code == 200
    assert_replay(shop.send("POST", "/v1/carts", body, **key(name)), first)
    other = shop.send("POST", "/v1/carts", {"currency": "USD"}, **key(name))
    assert other.status_code == 422 and problem(other) == "idempotency-key-reused"
    assert shop.send("POST", "/v1/carts", body, **key(new_id())).json()["cartId"] != cart
    named = new_id()
    assert shop.send("POST", "/v1/carts", {**body, "cartId": named}, **key(name)).json()["cartId"] == named


@pytest.mark.parametrize("value", ["", '""', '"', '"k', '"k"x', "k" * 256, '"' + "k" * 256 + '"', "k\tk", "\xe4",
                                   '"a\\b"'])
def test_given_a_malformed_key_then_400_and_nothing_happens(shop, cart, value):
    response = shop.add(cart, line(), **key(value.encode("latin-1")))
    assert response.status_code == 400 and problem(response) == "invalid-header"
    assert len(shop.events(cartId=cart)) == 1


def test_given_the_longest_key_then_it_works(shop, cart):
    first = shop.add(cart, line(), **key("~" * 255))
    assert_replay(shop.add(cart, line(), **key('"' + "~" * 255 + '"')), first)


def test_given_a_killed_service_when_repeated_then_the_first_answers_again(stack_factory):
    stack = stack_factory(query_services=0, command_env={"CART_CACHE_MIB": 1})
    shop, cart = Shop(stack.command_url), new_id()
    made = [(send, f"key-{number}", send(**key(f"key-{number}"))) for number, send in enumerate(commands(shop, cart))]
    stack.process("command-service").kill()
    stack.process("command-service").start()
    for send, name, first in made:
        assert_replay(send(**key(name)), first)
    assert len(check_log(stack.command_database_url)) == 13 + 100 + len(["created", "merged away"])


def test_given_a_cart_whose_keys_no_cache_has_room_for_then_it_takes_commands_and_knows_them(stack_factory):
    """Eight thousand of the longest keys: 2 MB."""
    stack = stack_factory(query_services=0, command_env={"CART_CACHE_MIB": 1})
    shop, cart = Shop(stack.command_url), new_id()
    assert shop.create(cart).status_code == 201 and shop.add(cart, line("a")).status_code == 200
    with psycopg2.connect(stack.command_database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "WITH cart AS (SELECT partition, cart_id FROM events WHERE cart_id = %s LIMIT 1), moved AS ("
            "  UPDATE event_partitions SET last_position = last_position + 8000 FROM cart"
            "  WHERE event_partitions.partition = cart.partition RETURNING last_position - 8000 AS base)"
            " INSERT INTO events SELECT partition, base + n, cart_id, 2 + n, gen_random_uuid(), 'ItemQuantityChanged', 1,"
            " now(), format('{\"sku\":\"a\",\"quantity\":%%s,\"previousQuantity\":%%s}', n %% 2 + 1, 2 - n %% 2)::json,"
            " format('{\"commandKey\":{\"key\":\"%%s\",\"requestHash\":\"%%s\"}}', lpad(n::text, 255, 'k'),"
            " repeat('0', 64))::json FROM cart, moved, generate_series(1, 8000) AS n", (cart,))
    answer = shop.set_quantity(cart, "a", 9)
    assert (answer.status_code, answer.json()["version"]) == (200, 8003), answer.text
    assert problem(shop.set_quantity(cart, "a", 5, **key("k" * 251 + "4000"))) == "idempotency-key-reused"


def test_given_two_instances_when_the_other_one_is_asked_again_then_it_knows(stack_factory):
    stack = stack_factory(command_services=2, query_services=0)
    one, other = (Shop(url) for url in stack.command_urls)
    cart = new_id()
    first = one.create(cart, **key("create"))
    assert_replay(other.create(cart, **key("create")), first)
    for number in range(5):  # the other's cache is older than the log each time
        first = one.add(cart, line("a"), **key(f"k{number}"))
        assert_replay(other.add(cart, line("a"), **key(f"k{number}")), first)
        assert problem(other.add(cart, line("b"), **key(f"k{number}"))) == "idempotency-key-reused"
    first = one.cancel(cart, **key("cancel"))
    assert_replay(other.cancel(cart, **key("cancel")), first)
    assert len(check_log(stack.command_database_url)) == 7


def test_given_two_instances_when_twenty_send_the_same_at_once_then_it_is_done_once(stack_factory):
    stack = stack_factory(command_services=2, query_services=0)
    cart, rounds = new_id(), 20
    assert Shop(stack.command_url).create(cart).status_code == 201
    shops = [Shop(stack.command_urls[number % 2]) for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        for number in range(rounds):
            answers = list(pool.map(lambda shop, name=f"k{number}": shop.add(cart, line("a"), line("b"), **key(name)),
                                    shops))
            firsts = [answer for answer in answers if not answer.json()["replayed"]]
            assert len(firsts) == 1, [answer.text for answer in answers]
            for answer in answers:
                if answer is not firsts[0]:
                    assert_replay(answer, firsts[0])
        created = list(pool.map(lambda shop: shop.send("POST", "/v1/carts", {"currency": "EUR"}, **key("new")), shops))
    assert sum(not answer.json()["replayed"] for answer in created) == 1
    assert len({answer.json()["cartId"] for answer in created}) == 1
    assert len(check_log(stack.command_database_url)) == 1 + 2 * rounds + 1
