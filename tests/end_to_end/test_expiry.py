"""Open carts that nobody touches end as CartExpired events; a cart that is touched never does."""

import json
import random
import re
import threading
import time
from datetime import datetime, timedelta, timezone

import psycopg2
import psycopg2.extras
import pytest

from invariants import check_log, partition_of
from shop import Shop, eventually, line, new_id, problem

NEVER, DAY = 0, timedelta(days=1)
TYPES = {"CartCreated": '{"currency":"EUR","customerId":%s}', "CartCancelled": "{}"}


def lifetimes(guest, customer):
    return {"CART_GUEST_LIFETIME_S": guest, "CART_CUSTOMER_LIFETIME_S": customer}


def metric(shop, name):
    value = re.search(rf"^{name} (\S+)$", shop.get("/metrics", base=shop.command_url).text, re.M)
    return float(value.group(1))


def when(event):
    return datetime.fromisoformat(event["occurredAt"].replace("Z", "+00:00"))


@pytest.mark.parametrize("customer, env", [(None, lifetimes(1, NEVER)), ("c-1", lifetimes(NEVER, 1))])
def test_given_an_untouched_cart_then_it_expires_and_others_stay(stack_factory, customer, env):
    stack = stack_factory(command_env=env)
    shop, cart, other = Shop(stack.command_url, stack.query_url), new_id(), new_id()
    create = {"headers": {"Idempotency-Key": "create"}}
    assert shop.create(other, customer=None if customer else "c-2").status_code == 201
    created = shop.create(cart, customer=customer, **create)
    assert created.status_code == 201
    shop.add(cart, line("tea-01", 2))  # may come late on a slow machine
    eventually(lambda: shop.events(cartId=cart, type="CartExpired"))
    *earlier, expired = shop.events(cartId=cart)
    assert expired["schemaVersion"] == 2
    assert expired["data"] == {"lastChangedAt": earlier[-1]["occurredAt"], "policy": "customer" if customer else "guest"}
    assert expired["metadata"] == {"actor": "expiry-sweep"}
    assert when(expired) - when(earlier[-1]) >= timedelta(seconds=1)
    view = eventually(lambda: shop.view(cart, min_version=expired["version"]))
    assert view["status"] == "expired" and view["closedAt"] == expired["occurredAt"]
    assert view["lineCount"] == len(earlier) - 1
    assert cart in [listed["cartId"] for listed in shop.read("/v1/carts")["carts"]]
    assert shop.read(f"/v1/carts/{cart}/history")["events"][-1]["actor"] == "expiry-sweep"
    refused = shop.add(cart, line())
    assert problem(refused) == "cart-closed" and refused.json()["cartStatus"] == "expired"
    again = shop.create(cart, customer=customer, **create)
    assert again.status_code == 201 and again.json() == {**created.json(), "replayed": True}
    eventually(lambda: metric(shop, "cartledger_expired_carts_total") == 1)
    assert metric(shop, "cartledger_expiry_errors_total") == 0
    assert eventually(lambda: shop.view(other))["status"] == "open"
    assert shop.cancel(other).status_code == 200
    check_log(stack.command_database_url)


def test_given_carts_that_are_touched_at_the_last_moment_then_none_expires_too_early(stack_factory):
    stack = stack_factory(command_services=2, query_services=0, command_env=lifetimes(1, 1))
    wrong, end = [], time.monotonic() + 20

    def shopper(number):
        rng, shop = random.Random(number), Shop(stack.command_urls[number % 2])
        while time.monotonic() < end:
            cart, version = new_id(), 1
            answer = shop.create(cart, customer=rng.choice([None, "c-1"]))
            while answer.status_code in (200, 201) and time.monotonic() < end:
                if answer.json()["version"] != version:
                    wrong.append(answer.text)
                version += 1
                time.sleep(rng.choice([0, 0.9, 1, 1.1, 1.5, 2, 2.2]))
                answer = shop.add(cart, line())
            if answer.status_code >= 400 and problem(answer) != "cart-closed":
                wrong.append(answer.text)

    threads = [threading.Thread(target=shopper, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    carts = {}
    for event in check_log(stack.command_database_url):
        carts.setdefault(event["cartId"], []).append(event)
    expired = [events for events in carts.values() if events[-1]["type"] == "CartExpired"]
    assert expired
    for *_, last, expiry in expired:
        assert json.loads(expiry["data"])["lastChangedAt"] == last["occurredAt"]
        assert when(expiry) - when(last) >= timedelta(seconds=1)


def write_log(owner_url, carts, partitions=6):
    """Puts carts into an empty log: each a list of (type, customer, age), in the order of their times. A negative age
    is that of an event whose time is as far ahead instead."""
    now = datetime.now(timezone.utc)
    events = sorted(((now - abs(age), cart, version, kind, customer, now - age) for cart, history in carts.items()
                     for version, (kind, customer, age) in enumerate(history, 1)))
    positions, rows = [0] * partitions, []
    for _, cart, version, kind, customer, time_ in events:
        partition = partition_of(cart, partitions)
        positions[partition] += 1
        data = TYPES[kind].replace("%s", "null" if customer is None else f'"{customer}"')
        rows.append((partition, positions[partition], cart, version, new_id(), kind, 1, time_, data, "{}"))
    with psycopg2.connect(owner_url) as connection, connection.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "INSERT INTO events VALUES %s", rows, page_size=5000)
        cursor.executemany("UPDATE event_partitions SET last_position = %s WHERE partition = %s",
                           [(position, partition) for partition, position in enumerate(positions)])


def test_given_an_old_log_and_the_default_lifetimes_then_what_is_due_expires_by_index(stack_factory):
    stack = stack_factory(command_services=0, query_services=0)
    due, stay = set(), set()
    carts = {}

    def add(group, count, *history):
        for _ in range(count):
            cart = new_id()
            carts[cart] = history
            group.add(cart)

    add(stay, 15000, ("CartCreated", None, 100 * DAY), ("CartCancelled", None, 99 * DAY))
    add(stay, 12, ("CartCreated", None, -95 * DAY))  # by a clock that was wrong: no other cart waits for these
    add(due, 200, ("CartCreated", None, 31 * DAY))
    add(due, 30, ("CartCreated", "c-1", 91 * DAY))
    add(stay, 30, ("CartCreated", "c-1", 89 * DAY))
    add(stay, 30, ("CartCreated", None, 29 * DAY))
    with psycopg2.connect(stack.command_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events SET (autovacuum_enabled = off)")  # it would read block ranges: more scans
    write_log(stack.command_owner_url, carts)
    shop = Shop(stack.add_command_service().url)
    eventually(lambda: metric(shop, "cartledger_expired_carts_total") == len(due), 120)
    time.sleep(3)  # for what should not happen
    log = check_log(stack.command_database_url)
    assert {event["cartId"] for event in log if event["type"] == "CartExpired"} == due
    assert len(log) == sum(map(len, carts.values())) + len(due)
    assert metric(shop, "cartledger_expiry_errors_total") == 0
    stack.process("command-service").stop()  # a session's statistics are complete when it has ended
    with psycopg2.connect(stack.command_owner_url) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def scans():
            cursor.execute("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'events'")
            return cursor.fetchone()

        eventually(lambda: scans()[1] > 2 * len(due))
        # This test itself and its checks read the log without an index twice at most.
        assert scans()[0] <= 2, scans()


def test_given_two_instances_when_the_one_that_sweeps_is_killed_then_the_other_does(stack_factory):
    stack = stack_factory(command_services=2, query_services=0, command_env=lifetimes(1, 1))
    shops = {name: Shop(service.url) for name, service in stack.services.items()}

    def leaders():
        return [name for name, shop in shops.items() if metric(shop, "cartledger_expiry_leading") == 1]

    first = eventually(lambda: leaders() or None)
    assert len(first) == 1
    stack.process(first[0]).kill()
    del shops[first[0]]
    (shop,), cart = shops.values(), new_id()
    assert shop.create(cart).status_code == 201
    eventually(lambda: shop.events(cartId=cart, type="CartExpired"))
    assert leaders() == list(shops)
