"""A log of a million events: no question to it reads everything."""

import contextlib
import datetime
import json
import time
import urllib.parse

import psycopg2
import pytest

from shop import Shop
from statements import nodes, rows_read, statement

ROWS, PARTITIONS = 1_000_000, 6
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
SOURCE = "command-service/adapters/log_query.c"

# Every second event of a second is up to two seconds late: positions follow the clock, but not exactly.
LOAD = f"""
    INSERT INTO events
    SELECT n % {PARTITIONS}, n / {PARTITIONS} + 1, md5((n / 60 * 6 + n % 6)::text)::uuid, n / 6 % 10 + 1,
           md5('event' || n)::uuid, CASE n % 60 < 6 WHEN true THEN 'CartCreated' ELSE 'ItemAdded' END, 1,
           timestamptz '{START.isoformat()}' + n * interval '1 second' - n % 2 * (n % 5 * interval '0.4 second'),
           CASE n % 60 < 6 WHEN true THEN '{{"currency":"EUR","customerId":null}}'::json ELSE
           '{{"sku":"tea-01","name":"Green tea","quantity":1,"lineQuantity":1,'
           '"unitPrice":{{"amountMinor":1999,"currency":"EUR"}}}}' END,
           '{{"correlationId":"0198f0c2-7d1c-7aaa-8000-000000000000"}}'
    FROM generate_series(0, {ROWS} - 1) AS n"""


def moment(seconds):
    return (START + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@pytest.fixture(scope="module")
def log(infrastructure):
    """The owner's connection to a log with a million events, a second each on average."""
    made = infrastructure.fresh_databases(PARTITIONS)
    with contextlib.closing(psycopg2.connect(made.command_owner)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(LOAD)
            cursor.execute("UPDATE event_partitions SET last_position = (SELECT max(position) FROM events AS e"
                           " WHERE e.partition = event_partitions.partition)")
            cursor.execute("VACUUM ANALYZE events")
            yield made, cursor


def plan_of(cursor, name, parameters):
    """The plan with its counts, as `name` is planned once for all parameters, which is the harder case."""
    cursor.execute("SET plan_cache_mode = force_generic_plan")
    types = "int2, int8, int8, uuid, text, timestamptz, timestamptz, int4"
    cursor.execute(f"PREPARE {name} ({types}) AS {statement(SOURCE, name)}")
    try:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name} (%s, %s, %s, NULL, %s, %s, %s, %s)",
                       parameters)
        return cursor.fetchone()[0][0]["Plan"]
    finally:
        cursor.execute(f"DEALLOCATE {name}")


@pytest.mark.parametrize(("name", "after", "width", "most"), [
    ("SCAN_WINDOW", 0, 4096, 4096), ("SCAN_WINDOW", 150_000, 4096, 4096),
    ("LOOK_AHEAD", 0, 16384, 5000), ("LOOK_AHEAD", 50_000, 262_144, 20_000)])
@pytest.mark.parametrize("kind", [None, "ItemAdded"])
def test_given_a_million_events_when_an_hour_is_asked_for_then_an_index_is_used(log, name, after, width, most, kind):
    _, cursor = log
    plan = plan_of(cursor, name, (3, after, after + width, kind, moment(900_000), moment(903_600), 250))
    used = {node["Node Type"]: node.get("Index Name") for node in nodes(plan) if "Scan" in node["Node Type"]}
    print(f"{name} after {after}: {used}, {rows_read(plan, 'events')} rows,"
          f" {plan['Shared Hit Blocks'] + plan['Shared Read Blocks']} blocks, {plan['Actual Total Time']} ms")
    assert not any(node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "events" for node in nodes(plan))
    assert ("events_pkey" if name == "SCAN_WINDOW" else "events_time_position_multi_idx") in used.values()
    assert rows_read(plan, "events") <= most
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 2000


@pytest.mark.parametrize(("name", "most"), [("SCAN", 250), ("LOOK_FOR_TYPE", 16384)])
@pytest.mark.parametrize("after", [0, 150_000])
def test_given_a_million_events_when_no_time_is_asked_for_then_no_more_is_read_than_must_be(log, name, most, after):
    _, cursor = log
    plan = plan_of(cursor, name, (3, after, after + 16384, "CartExpired", None, None, 250))
    print(f"{name} after {after}: {[node['Node Type'] for node in nodes(plan)]}, {rows_read(plan, 'events')} rows,"
          f" {plan['Actual Total Time']} ms")
    assert "events_pkey" in [node.get("Index Name") for node in nodes(plan)]
    assert rows_read(plan, "events") <= most


def test_given_a_million_events_at_once_then_no_request_to_summarize_them_was_dropped(log, infrastructure):
    assert "summarization" not in infrastructure.postgres.log.read_text()


@pytest.fixture(scope="module")
def shop(log, stack_factory):
    stack = stack_factory(command_services=0, query_services=0)
    service = stack.add_command_service(COMMAND_DATABASE_URL=log[0].command, RELAY_ENABLED="false")
    return Shop(service.url)


def expected(cursor, start, end, condition="true"):
    cursor.execute(f"SELECT partition, position FROM events WHERE occurred_at >= %s AND occurred_at < %s AND {condition}"
                   " ORDER BY partition, position", (start, end))
    return cursor.fetchall()


@pytest.mark.parametrize(("first", "last", "filters", "condition"), [
    (900_000, 900_600, {}, "true"), (0, 600, {}, "true"), (999_500, 2_000_000, {}, "true"), (-100, 0, {}, "true"),
    (1_000_000, 1_000_100, {}, "true"), (500_000, 500_600, {"partition": 2}, "partition = 2"),
    (500_000, 500_600, {"type": "CartCreated"}, "type = 'CartCreated'"),
    (500_000, 506_000, {"partition": 5, "type": "CartCreated"}, "partition = 5 AND type = 'CartCreated'"),
    (400_000, 400_600, {"partition": 1, "after": 66_700}, "partition = 1 AND position > 66700")])
def test_given_two_times_then_exactly_the_events_between_them_come(log, shop, first, last, filters, condition):
    began = time.monotonic()
    found = shop.events(**{"from": moment(first), "to": moment(last)}, **filters)
    print(f"{len(found)} events in {time.monotonic() - began:.3f} s")
    assert [(event["partition"], event["position"]) for event in found] == \
        expected(log[1], moment(first), moment(last), condition)


def test_given_a_type_when_asked_for_at_any_time_then_each_page_comes_in_time(log, shop):
    _, cursor = log
    cursor.execute("SELECT last_position FROM event_partitions WHERE partition = 2")
    last = cursor.fetchone()[0]
    cursor.execute("INSERT INTO events SELECT partition, %s, md5('rare')::uuid, 1, md5('rare event')::uuid, 'CartCancelled', 1,"
                   " %s, '{}', metadata FROM events WHERE partition = 2 AND position = 1", (last + 1, moment(1_000_000)))
    cursor.execute("UPDATE event_partitions SET last_position = %s WHERE partition = 2", (last + 1,))
    assert [(event["partition"], event["position"]) for event in shop.events(type="CartCancelled")] == [(2, last + 1)]
    cursor.execute("SELECT position FROM events WHERE partition = 4 AND type = 'CartCreated' ORDER BY position")
    assert [event["position"] for event in shop.events(type="CartCreated", partition=4)] == \
        [position for position, in cursor.fetchall()]


def test_given_a_long_log_when_paged_then_each_page_comes_in_time_however_often(log, shop):
    for after in [0, 40_000, 80_000, 160_000] * 10:
        page = shop.get("/v1/events", base=shop.command_url, params={"partition": 3, "after": after, "limit": 1000})
        assert page.status_code == 200, (after, page.text, page.elapsed)
        assert [event["position"] for event in page.json()["events"]] == \
            list(range(after + 1, min(after + 1000, ROWS // PARTITIONS + 1) + 1))
        assert page.elapsed.total_seconds() < 1


def test_given_the_last_hours_when_streamed_then_every_event_comes_in_order(log, shop):
    answer = shop.get("/v1/events", base=shop.command_url, params={"from": moment(980_000)},
                      headers={"Accept": "application/x-ndjson"})
    places = [(event["partition"], event["position"]) for event in map(json.loads, answer.text.splitlines())]
    assert places == expected(log[1], moment(980_000), moment(10**7))


def test_given_events_that_come_behind_an_empty_answer_then_they_are_found(log, shop):
    _, cursor = log
    filters = {"from": moment(1_500_000), "partition": 4}
    assert shop.events(**filters) == []
    cursor.execute("SELECT last_position FROM event_partitions WHERE partition = 4")
    last = cursor.fetchone()[0]
    for number in (1, 2):
        cursor.execute("INSERT INTO events SELECT partition, %s, md5(%s)::uuid, 1, md5(%s)::uuid, 'CartCreated', 1, %s,"
                       " data, metadata FROM events WHERE partition = 4 AND position = 1",
                       (last + number, f"late {number}", f"late event {number}", moment(1_500_000 + number)))
    cursor.execute("UPDATE event_partitions SET last_position = %s WHERE partition = 4", (last + 2,))
    assert [event["position"] for event in shop.events(**filters)] == [last + 1, last + 2]


def test_given_small_events_of_today_on_old_pages_then_what_was_in_between_is_found_as_quickly(log):
    """The last test of this log, which it makes another one. They fill the holes that pages end with."""
    _, cursor = log

    def blocks_read():
        plan = plan_of(cursor, "LOOK_AHEAD", (3, 50_000, 50_000 + 262_144, None, moment(900_000), moment(900_010), 250))
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    cursor.execute("SELECT pg_relation_size('events') / 8192, (SELECT max(position) FROM events)")
    pages, last = cursor.fetchone()
    before = blocks_read()
    cursor.execute("INSERT INTO events SELECT 3, %s + n, md5('small' || n)::uuid, 1, md5('small event' || n)::uuid, 'Small',"
                   " 1, %s, '{}', '{}' FROM generate_series(1, 20000) AS n", (last, moment(10_000_000)))
    after = blocks_read()
    cursor.execute("SELECT count(DISTINCT (ctid::text::point)[0]::bigint / 32) FROM events"
                   " WHERE type = 'Small' AND (ctid::text::point)[0] < %s", (pages,))
    scattered = cursor.fetchone()[0]
    print(f"{before} blocks, then {after}; {scattered} of {pages // 32} block ranges have new events")
    assert scattered > pages // 64, "the new events are not where this test wants them"
    assert after < before + pages // 32


def test_given_a_slow_database_when_a_type_is_searched_then_each_page_goes_on_from_the_one_before(
        infrastructure, stack_factory, proxy_factory):
    made = infrastructure.fresh_databases(PARTITIONS)
    with contextlib.closing(psycopg2.connect(made.command_owner)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO events SELECT 0, n, md5(n::text)::uuid, 1, md5('e' || n)::uuid, 'CartCreated', 1, now(),"
                       " '{\"currency\":\"EUR\",\"customerId\":null}', '{}' FROM generate_series(1, 30000) AS n")
        cursor.execute("UPDATE event_partitions SET last_position = 30000 WHERE partition = 0")
    proxy = proxy_factory(("127.0.0.1", urllib.parse.urlsplit(made.command).port))
    stack = stack_factory(command_services=0, query_services=0)
    service = stack.add_command_service(COMMAND_DATABASE_URL=proxy.instead_of(made.command), RELAY_ENABLED="false",
                                        LOG_READERS="1")
    shop = Shop(service.url)

    def next_of(**place):
        answer = shop.get("/v1/events", base=service.url, params={"type": "CartCancelled", "partition": 0, **place})
        assert answer.status_code == 200 and answer.json()["events"] == [], answer.text
        return answer.json()["next"]

    assert next_of() is None  # its statements are prepared now
    proxy.delay = 0.48  # there, and back: more than a page may take to look further, less than it may take at all
    cursors = [next_of()]
    while cursors[-1] is not None and len(cursors) < 8:
        cursors.append(next_of(cursor=cursors[-1]))
    proxy.delay = 0
    assert len(set(cursors)) == len(cursors) and cursors[-1] is None, f"a page leads to itself: {cursors}"
