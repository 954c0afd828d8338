"""A log that was written when every event type was at schema version 1, under the programs of today."""

import json
import random
import string
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest

import contract
from cart_model import fold
from invariants import check_log, check_topic, check_views, partition_of, read_log
from shop import Shop, eventually, line, new_id, problem

BEGIN = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
PRICE = {"amountMinor": 1999, "currency": "EUR"}
TEA = {"sku": "tea-01", "name": "Grüner Tee", "quantity": 2, "unitPrice": PRICE}
CUP = {"sku": "cup-01", "name": "Cup", "quantity": 1, "unitPrice": {"amountMinor": 900, "currency": "EUR"}}
EXPIRED, BOUGHT, MERGED, TARGET = (new_id() for _ in range(4))


def created(customer=None):
    return "CartCreated", {"currency": "EUR", "customerId": customer}


def added(item):
    return "ItemAdded", {**item, "lineQuantity": item["quantity"]}


def money(minor):
    return {"amountMinor": minor, "currency": "EUR"}


# As it lies in the log: never changed, whatever the programs learn. Every type once at least.
OLD_LOG = {
    EXPIRED: [created(), added(TEA), ("CustomerAssigned", {"customerId": "anna", "previousCustomerId": None}),
              ("CartExpired", {"lastChangedAt": "2026-01-02T03:04:07.678901Z"})],
    BOUGHT: [created("zoë"), added(TEA),
             ("ItemQuantityChanged", {"sku": "tea-01", "quantity": 3, "previousQuantity": 2}),
             ("CouponApplied", {"code": "TEN", "percentOff": 10}),
             ("CouponApplied", {"code": "ONE", "amountOff": money(100)}), ("CouponRemoved", {"code": "TEN"}),
             ("CartCheckedOut", {"orderId": "o-1", "customerId": "zoë",
                                 "items": [{**TEA, "quantity": 3, "lineTotal": money(5997)}],
                                 "coupons": [{"code": "ONE", "amountOff": money(100)}],
                                 "subtotal": money(5997), "discountTotal": money(100), "total": money(5897)})],
    MERGED: [created(), added(CUP), ("CustomerAssigned", {"customerId": "bert", "previousCustomerId": None}),
             ("CartMergedAway", {"targetCartId": TARGET})],
    TARGET: [created(), added(TEA), ("ItemRemoved", {"sku": "tea-01", "quantity": 1, "lineQuantity": 1}),
             ("CartMerged", {"sourceCartId": MERGED, "sourceVersion": 3, "strategy": "sum",
                             "items": [{**TEA, "quantity": 1}, CUP]}),
             ("CartCleared", {"lineCount": 2}), added(CUP)],
}


def texts_of(events):
    return [(kind, json.dumps(data, ensure_ascii=False, separators=(",", ":"))) for kind, data in events]


def written_then(owner_url, carts):
    """Puts carts, each a list of (type, JSON) or (type, JSON, metadata), into an empty log."""
    positions = [0] * 6
    with psycopg2.connect(owner_url) as connection, connection.cursor() as cursor:
        for cart, events in carts.items():
            partition = partition_of(cart, 6)
            for version, (kind, text, *metadata) in enumerate(events, 1):
                positions[partition] += 1
                cursor.execute("INSERT INTO events VALUES (%s, %s, %s, %s, %s, %s, 1, %s, %s, %s)", (
                    partition, positions[partition], cart, version, new_id(), kind,
                    BEGIN + timedelta(seconds=version), text, *(metadata or ["{}"])))
        for partition, position in enumerate(positions):
            cursor.execute("UPDATE event_partitions SET last_position = %s WHERE partition = %s", (position, partition))


def stack_with(stack_factory, carts):
    stack = stack_factory(command_services=0, query_services=0,
                          command_env={"CART_GUEST_LIFETIME_S": 0, "CART_CUSTOMER_LIFETIME_S": 0})
    written_then(stack.command_owner_url, carts)
    stack.add_command_service()
    stack.add_query_service()
    return stack


@pytest.fixture(name="stack", scope="module")
def _stack(stack_factory):
    return stack_with(stack_factory, {cart: texts_of(events) for cart, events in OLD_LOG.items()})


@pytest.fixture(name="shop", scope="module")
def _shop(stack):
    return Shop(stack.command_url, stack.query_url)


def view_of(cart, version):
    return fold([{"type": kind, "data": data} for kind, data in OLD_LOG[cart][:version]]).view(cart)


def without_times(view):
    return {name: value for name, value in view.items() if name not in ("createdAt", "updatedAt", "closedAt")}


def test_given_an_old_log_then_feed_and_topic_carry_it_as_it_was_written(stack, shop):
    for cart, events in OLD_LOG.items():
        fed = shop.events(cartId=cart)
        assert [(event["type"], event["data"]) for event in fed[:len(events)]] == events
        assert {event["schemaVersion"] for event in fed[:len(events)]} == {1}
    eventually(lambda: check_topic(stack.kafka_servers, stack.topic, read_log(stack.command_database_url), 6) or True)


def test_given_an_old_log_then_views_of_today_and_of_any_version_and_time_are_its_fold(stack, shop):
    check_views(stack.query_database_url, read_log(stack.command_database_url))
    for cart, events in OLD_LOG.items():
        for version in range(1, len(events) + 1):
            time = (BEGIN + timedelta(seconds=version)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            for query in (f"version={version}", f"at={time}"):
                assert without_times(shop.get(f"/v1/carts/{cart}?{query}").json()) == view_of(cart, version), query
        history = shop.get(f"/v1/carts/{cart}/history").json()["events"]
        assert [event["type"] for event in history] == [kind for kind, _ in events]
    assert shop.view(EXPIRED)["status"] == "expired"


def test_given_an_old_log_then_its_carts_are_rehydrated_and_go_on(shop):
    for cart, status in ((EXPIRED, "expired"), (BOUGHT, "checked_out"), (MERGED, "merged")):
        refused = shop.add(cart, line())
        assert problem(refused) == "cart-closed" and refused.json()["cartStatus"] == status
    answer = shop.add(TARGET, line("cup-01", 1, 900, "Cup"))
    assert answer.status_code == 200 and answer.json()["version"] == len(OLD_LOG[TARGET]) + 1
    assert shop.view(TARGET, min_version=answer.json()["version"])["items"][0]["quantity"] == 2


def test_given_an_old_log_when_everything_is_published_and_applied_again_then_views_are_the_same(stack, shop):
    before = {cart: shop.view(cart) for cart in OLD_LOG}
    assert stack.process("command-service").run("--republish", "all").returncode == 0
    done = stack.process("query-service").run("--rebuild", timeout=120)
    assert done.returncode == 0, done.stderr

    def made_again():
        assert {cart: shop.get(f"/v1/carts/{cart}").json() for cart in OLD_LOG} == before
        return True

    eventually(made_again, 120)
    check_log(stack.command_database_url)


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def with_another_byte(rng, events):
    """The events with one byte of a type, or of data that is JSON all the same, changed; and its version."""
    while True:
        version, part = rng.randint(1, len(events)), int(rng.random() < 0.9)
        event = list(events[version - 1])
        place = rng.randrange(len(event[part]))
        event[part] = event[part][:place] + rng.choice(string.printable[:95]) + event[part][place + 1:]
        if tuple(event) != events[version - 1] and is_json(event[1]):
            return [*events[:version - 1], tuple(event), *events[version:]], version


def test_given_an_old_log_with_a_byte_changed_in_each_cart_then_no_other_cart_notices(stack_factory):
    rng, carts, changed_at = random.Random(7), {}, {}
    for _ in range(100):
        cart = new_id()
        carts[cart], changed_at[cart] = with_another_byte(rng, texts_of(rng.choice(list(OLD_LOG.values()))))
    stack = stack_with(stack_factory, carts)
    shop, untouched = Shop(stack.command_url, stack.query_url), {}
    while len(untouched) < 6:  # one behind the others in each partition
        cart = new_id()
        untouched.setdefault(partition_of(cart, 6), cart)
    for cart in untouched.values():
        assert shop.create(cart).status_code == 201
        assert shop.view(cart, min_version=shop.add(cart, line()).json()["version"])["lineCount"] == 1
    failed = {}
    for cart, events in carts.items():
        view, history = shop.get(f"/v1/carts/{cart}"), shop.get(f"/v1/carts/{cart}/history")
        version = view.json()["version"] if view.status_code == 200 else 0
        assert changed_at[cart] - 1 <= version <= len(events) and history.status_code == (200 if version else 404)
        answer = shop.add(cart, line(), headers={"X-Correlation-Id": f"order of {cart}"})
        assert answer.status_code == 200 or problem(answer) in ("cart-closed", "internal"), answer.text
        if answer.status_code == 500:
            failed[answer.json()["requestId"]] = f"order of {cart}"
        assert answer.status_code != 500 or version < len(events), events
        fed = shop.events(cartId=cart)[:len(events)]
        assert [(event["type"], event["data"]) for event in fed] == [(kind, json.loads(text)) for kind, text in events]
    assert len(failed) > 50
    logged = map(json.loads, stack.process("command-service").stderr().splitlines())
    assert {entry["requestId"]: entry["correlationId"] for entry in logged if entry["message"] == "failed"} == failed
    eventually(lambda: check_topic(stack.kafka_servers, stack.topic, read_log(stack.command_database_url), 6,
                                   made_up=True) or True)
    contract.FINDINGS.take()  # what is in this log is not in contracts/


def cart_in(partition):
    return next(cart for cart in iter(new_id, None) if partition_of(cart, 6) == partition)


def test_given_an_old_log_with_escapes_that_are_no_text_then_only_their_carts_notice(stack_factory):
    """PostgreSQL keeps them as JSON, but makes no text of them, and Jansson refuses them."""
    odd_data, odd_metadata, sound = [cart_in(0), cart_in(0)], [cart_in(0), cart_in(0)], cart_in(0)
    begun, tea = texts_of([created(), added(TEA)])
    carts = {}
    for escape, in_data, in_metadata in zip(("\\u0000", "\\ud800"), odd_data, odd_metadata):
        carts[in_data] = [begun, (tea[0], tea[1].replace("Tee", escape))]
        carts[in_metadata] = [begun, (*tea, f'{{"actor":"{escape}","commandKey":{{"key":"k","requestHash":"h"}}}}')]
    stack = stack_with(stack_factory, {**carts, sound: [begun, tea]})
    shop, query = Shop(stack.command_url, stack.query_url), stack.process("query-service")

    def only_they_notice(sound_version):
        for cart, version in {**dict.fromkeys(odd_data, 1), **dict.fromkeys(odd_metadata, 2), sound: sound_version}.items():
            assert shop.view(cart, min_version=version)["version"] == version

    only_they_notice(2)
    with ThreadPoolExecutor() as pool:  # one batch of the lane, as a rule
        statuses = list(pool.map(lambda cart: Shop(stack.command_url).clear(cart).status_code, [*odd_data, sound]))
    assert statuses == [500, 500, 200]
    check_topic(stack.kafka_servers, stack.topic, read_log(stack.command_database_url), 6, made_up=True)
    query.stop()
    stack.infrastructure.kafka.delete_records(stack.topic, 6, -1)
    assert query.run("--rebuild").returncode == 0
    query.start()
    version = shop.add(sound, line()).json()["version"]  # by this record it sees that others are missing
    eventually(lambda: only_they_notice(version) or True)
    for cart in odd_metadata:
        assert shop.clear(cart).status_code == 200
    contract.FINDINGS.take()  # what is in this log is not in contracts/
