"""GET /v1/events: every filter alone and combined, pages and stream, against the same question asked in SQL."""

import contextlib
import itertools
import json
import random
import threading
import time

import psycopg2
import pytest

from shop import Shop, line, new_id, problem

MEMBERS = ["partition", "position", "cartId", "version", "eventId", "type", "schemaVersion", "occurredAt", "data",
           "metadata"]


@pytest.fixture(scope="module")
def filled(stack_factory):
    """A stack whose log holds a few hundred events, and that log as SQL sees it."""
    stack = stack_factory(query_services=0)
    shop, rng = Shop(stack.command_url), random.Random(3)
    for _ in range(40):
        cart = new_id()
        shop.create(cart)
        for n in range(rng.randrange(8)):
            shop.add(cart, line(f"s{n % 3}", 2))
        if rng.random() < 0.5:
            shop.remove(cart, "s0")
    with psycopg2.connect(stack.command_database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT partition, position, cart_id::text, type, occurred_at, to_char(occurred_at AT TIME ZONE "
                       "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM events ORDER BY partition, position")
        return shop, cursor.fetchall()


def expected(rows, partition=None, cartId=None, type=None, **times):
    return [(row[0], row[1]) for row in rows
            if (partition is None or row[0] == partition) and (cartId is None or row[2] == cartId)
            and (type is None or row[3] == type) and ("from" not in times or row[5] >= times["from"])
            and ("to" not in times or row[5] < times["to"])]


def places(events):
    return [(event["partition"], event["position"]) for event in events]


def filter_sets(rows):
    some = rows[len(rows) // 2]
    times = sorted(row[5] for row in rows)
    choices = {"partition": some[0], "cartId": some[2], "type": some[3], "from": times[len(times) // 4],
               "to": times[3 * len(times) // 4]}
    for size in range(len(choices) + 1):
        for names in itertools.combinations(choices, size):
            yield {name: choices[name] for name in names}


def read_pages(shop, filters, limit):
    events, cursor = [], None
    while True:
        parameters = {**filters, "limit": limit, **({"cursor": cursor} if cursor else {})}
        response = shop.get("/v1/events", base=shop.command_url, params=parameters)
        assert response.status_code == 200, response.text
        page = response.json()
        assert list(page) == ["events", "next"] and len(page["events"]) <= limit
        events += page["events"]
        cursor = page["next"]
        if cursor is None:
            return events


def test_given_every_combination_of_filters_then_pages_and_stream_equal_sql(filled):
    shop, rows = filled
    for filters in filter_sets(rows):
        wanted = expected(rows, **filters)
        assert places(read_pages(shop, filters, 1000)) == wanted, filters
        assert places(read_pages(shop, filters, 17)) == wanted, filters
        stream = shop.get("/v1/events", base=shop.command_url, params=filters,
                          headers={"Accept": "application/x-ndjson"})
        assert stream.status_code == 200 and stream.headers["Content-Type"].startswith("application/x-ndjson")
        assert places([json.loads(text) for text in stream.text.splitlines()]) == wanted, filters


def test_given_after_then_reading_goes_on_behind_it(filled):
    shop, rows = filled
    partition = rows[0][0]
    last = max(row[1] for row in rows if row[0] == partition)
    page = shop.get("/v1/events", base=shop.command_url, params={"partition": partition, "after": 2, "limit": 3}).json()
    assert [event["position"] for event in page["events"]] == [3, 4, 5] and page["next"] is not None
    end = shop.get("/v1/events", base=shop.command_url, params={"partition": partition, "after": last}).json()
    assert end == {"events": [], "next": None}


def test_given_an_event_then_it_has_exactly_the_members_of_the_contract(filled):
    shop, _ = filled
    response = shop.get("/v1/events", base=shop.command_url, params={"limit": 1})
    event = response.json()["events"][0]
    assert list(event) == MEMBERS and response.headers["Content-Type"] == "application/json"
    assert len(event["occurredAt"]) == 27 and event["occurredAt"].endswith("Z")
    assert len(shop.get("/v1/events", base=shop.command_url).json()["events"]) == 100


@pytest.mark.parametrize("query", [
    "partition=6", "partition=-1", "partition=x", "partition=", "after=1", "partition=0&after=-1", "partition=00",
    "partition=0&after=01", "limit=0100", "limit=0", "limit=1001",
    "limit=1.0", "limit=", "cartId=x", "type=Nothing", "type=", "from=yesterday", "to=2026-13-01T00:00:00Z", "colour=red",
    "partition=0&partition=1", "limit=1&limit=1", "cursor=x", "cursor=", "partition=0&after=1&cursor=AAAA"])
def test_given_a_bad_parameter_then_400_says_so(filled, query):
    shop, _ = filled
    response = shop.get(f"/v1/events?{query}", base=shop.command_url)
    assert response.status_code == 400 and problem(response) == "malformed-request", response.text
    assert response.json()["detail"]


def test_given_a_cursor_of_other_filters_then_it_is_refused(filled):
    shop, rows = filled
    cursor = shop.get("/v1/events?limit=1", base=shop.command_url).json()["next"]
    response = shop.get("/v1/events", base=shop.command_url, params={"cursor": cursor, "type": "ItemAdded"})
    assert response.status_code == 400


def test_given_time_offsets_then_they_mean_the_same_moment(filled):
    shop, rows = filled
    times = sorted(row[4] for row in rows)
    utc = times[len(times) // 2].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    from datetime import timedelta, timezone
    east = times[len(times) // 2].astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    assert places(read_pages(shop, {"from": utc}, 1000)) == places(read_pages(shop, {"from": east}, 1000))


def test_given_the_partitions_then_last_and_published_positions_agree_soon(filled):
    from shop import eventually
    shop, rows = filled

    def agree():
        body = shop.get("/v1/events/partitions", base=shop.command_url).json()
        assert list(body) == ["logId", "partitions"] and len(body["partitions"]) == 6
        for index, entry in enumerate(body["partitions"]):
            assert entry["partition"] == index
            assert entry["lastPosition"] == sum(1 for row in rows if row[0] == index)
            assert entry["publishedPosition"] == entry["lastPosition"]
        return True

    eventually(agree)


def test_given_accept_that_excludes_json_then_406(filled):
    shop, _ = filled
    response = shop.get("/v1/events", base=shop.command_url, headers={"Accept": "text/html"})
    assert response.status_code == 406 and problem(response) == "not-acceptable"


def test_given_a_log_that_does_not_answer_then_its_readers_leave_no_sessions_behind(stack_factory):
    readers = 2
    stack = stack_factory(query_services=0, command_env={"LOG_READERS": readers, "RELAY_ENABLED": "false"})
    database = stack.command_owner_url.rpartition("/")[2].partition("?")[0]
    end, counts = time.monotonic() + 8, []

    def ask():
        shop = Shop(stack.command_url)
        while time.monotonic() < end:
            shop.get("/v1/events", base=stack.command_url, params={"partition": 0})

    with contextlib.closing(psycopg2.connect(stack.command_owner_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        threads = [threading.Thread(target=ask) for _ in range(readers)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            counts.append(stack.infrastructure.postgres.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cartledger-log-reader' AND datname = %s",
                (database,))[0][0])
            time.sleep(0.1)
        other.rollback()
        for thread in threads:
            thread.join()
    assert max(counts) >= readers
    assert sorted(counts)[len(counts) * 3 // 4] <= readers and max(counts) <= 2 * readers, counts
