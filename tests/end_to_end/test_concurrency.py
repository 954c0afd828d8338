"""Many clients at once: nobody is refused, nothing is lost, two instances of each service agree."""

import random
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from invariants import Acknowledged, check_log, check_topic, check_views
from load import Load
from shop import Shop, eventually, line, new_id, percent, problem


@pytest.mark.tsan
def test_given_one_cart_when_forty_clients_add_at_once_then_none_is_refused(stack):
    cart, clients, adds = new_id(), 40, 10
    assert Shop(stack.command_url).create(cart).status_code == 201

    def shopper(_):
        shop = Shop(stack.command_url)
        return [shop.add(cart, line("tea-01", 1)).status_code for _ in range(adds)]

    with ThreadPoolExecutor(clients) as pool:
        statuses = [status for result in pool.map(shopper, range(clients)) for status in result]
    assert statuses == [200] * clients * adds
    view = Shop(stack.command_url, stack.query_url).view(cart, min_version=1 + clients * adds)
    assert view["items"][0]["quantity"] == clients * adds and view["version"] == 1 + clients * adds


def test_given_if_match_when_twenty_clients_race_then_exactly_one_wins(stack):
    cart = new_id()
    assert Shop(stack.command_url).create(cart).status_code == 201

    def shopper(_):
        return Shop(stack.command_url).add(cart, line(), headers={"If-Match": '"1"'})

    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(shopper, range(20)))
    assert sorted(response.status_code for response in responses) == [200] + [412] * 19
    for response in responses:
        if response.status_code == 412:
            assert problem(response) == "version-mismatch" and response.json()["currentVersion"] == 2


def test_given_two_instances_of_each_service_when_clients_use_all_then_they_agree(stack_factory):
    stack = stack_factory(command_services=2, query_services=2)
    cart = new_id()
    assert Shop(stack.command_urls[0]).create(cart).status_code == 201

    def shopper(index):
        shop = Shop(stack.command_urls[index % 2])
        return [shop.add(cart, line("tea-01", 1)).status_code for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        statuses = [status for result in pool.map(shopper, range(20)) for status in result]
    assert statuses == [200] * 200
    for query_url in stack.query_urls:
        assert Shop(stack.command_url, query_url).view(cart, min_version=201)["itemCount"] == 200

    with Load(stack.command_urls) as load:
        load.stopping.wait(5)
    log = check_log(stack.command_database_url)
    load.told.check(log)
    assert load.told.unknown == 0 and load.told.refused < load.answers
    check_views(stack.query_database_url, log)
    check_topic(stack.kafka_servers, stack.topic, log, stack.partitions)


def test_given_stale_caches_when_another_instance_changed_the_cart_then_refusals_are_true(stack_factory):
    stack = stack_factory(command_services=2, query_services=0)
    first, second = (Shop(url) for url in stack.command_urls)
    cart = new_id()
    assert first.create(cart).status_code == 201
    assert second.add(cart, line("tea-01", 2)).status_code == 200
    assert first.remove(cart, "tea-01").status_code == 200
    assert problem(second.remove(cart, "tea-01")) == "item-not-in-cart"
    assert first.add(cart, line("tea-01", 5)).status_code == 200
    same = second.set_quantity(cart, "tea-01", 5)
    assert same.status_code == 200 and same.json()["events"] == [] and same.json()["version"] == 4
    assert second.set_quantity(cart, "tea-01", 4).status_code == 200
    mismatch = first.add(cart, line(), headers={"If-Match": '"4"'})
    assert mismatch.status_code == 412 and mismatch.json()["currentVersion"] == 5
    assert second.cancel(cart).status_code == 200
    assert problem(first.add(cart, line())) == "cart-closed"


def test_given_carts_of_another_instance_when_they_are_created_again_beside_new_ones_then_each_answer_is_true(stack_factory):
    """The second instance takes them for new at first: it has none of them in memory."""
    stack = stack_factory(command_services=2, query_services=0)
    first = Shop(stack.command_urls[0])
    told, old, closed, new = Acknowledged(), new_id(), new_id(), [new_id() for _ in range(40)]
    for answer in (first.create(old, customer="ann"), first.create(closed), first.cancel(closed)):
        told.note(answer)

    def create(cart, **options):
        return Shop(stack.command_urls[1]).create(cart, **options)

    with ThreadPoolExecutor(20) as pool:
        firsts = [pool.submit(create, cart) for cart in new[:8]]
        again = pool.submit(create, old, customer="ann")
        other, late = pool.submit(create, old), pool.submit(create, closed)
        created = [*(first.result() for first in firsts), *pool.map(create, new[8:]), *pool.map(create, new)]
        again, other, late = again.result(), other.result(), late.result()
    assert [answer.status_code for answer in created] == [201] * 40 + [200] * 40
    assert again.status_code == 200 and again.json()["version"] == 1 and again.json()["events"] == []
    assert problem(other) == "cart-exists" and problem(late) == "cart-closed"
    for answer in created:
        told.note(answer)
    log = check_log(stack.command_database_url)
    told.check(log)
    assert len(log) == 43


def test_given_merges_across_lanes_and_instances_when_their_carts_change_then_each_is_whole(stack_factory):
    """Twelve clients merge, change and close the same few carts, in both directions at once."""
    stack = stack_factory(command_services=2, command_env={"LANES": 3})
    told, carts = Acknowledged(), [new_id() for _ in range(6)]
    for cart in carts:
        told.note(Shop(stack.command_url).create(cart))

    def step(shop, rng):
        target, source = rng.sample(range(len(carts)), 2)
        if rng.random() < 0.3:
            return source, shop.merge(carts[target], carts[source], rng.choice(["sum", "max", "replace", "keep"]))
        if rng.random() < 0.1:
            return target, shop.cancel(carts[target])
        if rng.random() < 0.1:
            return target, shop.apply_coupon(carts[target], percent(f"c{rng.randrange(3)}", rng.choice([5, 10])))
        return target, shop.add(carts[target], line(f"sku-{rng.randrange(4)}", rng.randint(1, 3)))

    def shopper(index):
        rng, shop, answers = random.Random(index), Shop(stack.command_urls[index % 2]), []
        for _ in range(60):
            place, response = step(shop, rng)
            answers.append(response)
            if response.status_code == 409 or rng.random() < 0.1:
                carts[place] = new_id()
                answers.append(shop.create(carts[place]))
        return answers

    with ThreadPoolExecutor(12) as pool:
        answers = [answer for result in pool.map(shopper, range(12)) for answer in result]
    for answer in answers:
        assert answer.status_code in (200, 201, 404, 409, 503), (answer.status_code, answer.text)
        told.note(answer)
    log = check_log(stack.command_database_url)
    told.check(log)
    assert sum(event["type"] == "CartMerged" for event in log) > 20
    with psycopg2.connect(stack.command_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert cursor.fetchone() == (0,)
    check_views(stack.query_database_url, log)


def test_given_two_carts_when_each_is_merged_into_the_other_at_once_then_one_merge_holds(stack_factory):
    stack = stack_factory(command_services=2, query_services=0, command_env={"LANES": 3})
    first, second = (Shop(url) for url in stack.command_urls)

    def until_decided(command, *arguments):
        return eventually(lambda: [a for a in [command(*arguments)] if a.status_code != 503])[0]

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            one, other = new_id(), new_id()
            until_decided(first.create, one)
            until_decided(second.create, other)
            answers = [pool.submit(until_decided, first.merge, one, other),
                       pool.submit(until_decided, second.merge, other, one)]
            refused = [answer for answer in (each.result() for each in answers) if answer.status_code != 200]
            assert refused, "both carts took the other's lines and are gone"
            for answer in refused:
                assert problem(answer) == "cart-closed" and answer.json()["cartStatus"] == "merged"
    log = check_log(stack.command_database_url)
    assert sum(event["type"] == "CartMerged" for event in log) == 20
