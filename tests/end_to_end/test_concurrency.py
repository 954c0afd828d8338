"""Many clients at once: nobody is refused, nothing is lost, two instances of each service agree."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from invariants import check_log, check_topic, check_views
from load import Load
from shop import Shop, line, new_id, problem


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
