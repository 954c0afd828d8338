"""However large the events are, what is read at once has a limit in bytes."""

import json
import urllib.parse
import urllib.request

import psycopg2
import pytest

from postgres_trips import PostgresTrips
from relay_driver import RelayProcess
from service import run_criterion
from shop import eventually
from test_projector import Setting as ProjectorSetting

EVENT_BYTES, EVENTS = 360_000, 60  # about the largest there are
CHUNK_BYTES, PAGE_BYTES, PARKED_BYTES = 1 << 20, 4 << 20, 4 << 20  # LOG_CHUNK_, RELAY_PAGE_, PARKED_BYTES_MAX
LIST_BYTES, PAST_BYTES = 4 << 20, 1 << 20  # VIEW_LIST_, VIEW_EVENTS_BYTES_MAX
COMPRESSED_MOST = 6  # POSTGRES_SIZE()
AROUND = 50_000  # the other columns of a page
ZEROS, NOISE = f"repeat('0', {EVENT_BYTES})", (
    f"(SELECT string_agg(md5(i::text), '') FROM generate_series(1, {EVENT_BYTES // 32}) AS i)")


def fill(url, partition, text, count=EVENTS):
    """Appends events with this text (an SQL expression) in their data."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"""
            INSERT INTO events
            SELECT %s, n, md5(%s || '-' || n)::uuid, 1, md5(%s || '+' || n)::uuid, 'CartCreated', 1, now(),
                   json_build_object('currency', 'EUR', 'customerId', null, 'note', {text}), '{{}}'
            FROM generate_series(1, %s) AS n""",
                       (partition, partition, partition, count))
        cursor.execute("UPDATE event_partitions SET last_position = %s WHERE partition = %s", (count, partition))


@pytest.fixture(name="trips")
def _trips(infrastructure):
    with PostgresTrips(("127.0.0.1", infrastructure.postgres.port)) as proxy:
        yield proxy


@pytest.fixture(name="log")
def _log(stack_factory, trips):
    stack = stack_factory(command_services=0, query_services=0)
    fill(stack.command_owner_url, 0, NOISE)
    fill(stack.command_owner_url, 1, ZEROS)
    fill(stack.command_owner_url, 2, "'small'", 1000)
    return stack.add_command_service(COMMAND_DATABASE_URL=trips.instead_of(stack.command_database_url),
                                     RELAY_ENABLED="false").url


def ask(url, accept, **parameters):
    """The answer's lines. Not by `requests`, which compares with contracts/: these events are made up."""
    request = urllib.request.Request(f"{url}?{urllib.parse.urlencode(parameters)}", headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return [json.loads(text) for text in answer.read().splitlines()]


def pages(url, name, **parameters):
    [page] = ask(url, "application/json", **parameters)
    yield from page[name]
    while page["next"]:
        [page] = ask(url, "application/json", **parameters, cursor=page["next"])
        yield from page[name]


def log_pages(log, partition):
    return pages(log + "/v1/events", "events", partition=partition, limit=1000)


@pytest.mark.parametrize(("partition", "most"), [(0, CHUNK_BYTES), (1, COMPRESSED_MOST * CHUNK_BYTES)])
def test_given_large_events_when_the_log_is_asked_then_it_reads_few_at_a_time(log, trips, partition, most):
    for events in log_pages(log, partition), ask(log + "/v1/events", "application/x-ndjson", partition=partition):
        assert [event["position"] for event in events] == list(range(1, EVENTS + 1))
    assert EVENT_BYTES < trips.largest("log_scan") < most + EVENT_BYTES + AROUND


def test_given_small_events_when_the_log_is_asked_then_it_reads_as_many_as_before(log, trips):
    assert len(list(log_pages(log, 2))) == 1000
    assert [trip.rows for trip in trips.trips() if trip.statements == ["log_scan"]] == [250] * 4 + [0]


def test_given_many_partitions_then_the_relay_reads_few_of_their_events_at_a_time(infrastructure, trips, tmp_path):
    count = 64
    databases, topics = infrastructure.fresh_databases(count, ["command"]), infrastructure.fresh_topics(count)
    for partition in range(count):
        fill(databases.command_owner, partition, NOISE, 1)
    relay = RelayProcess(trips.instead_of(databases.command), infrastructure.kafka.servers, topics[0],
                         tmp_path / "relay.log", count).start()
    relay.wait_published([1] * count)
    relay.stop()
    assert EVENT_BYTES < trips.largest("relay_read") < PAGE_BYTES + EVENT_BYTES + AROUND
    for topic in topics:
        infrastructure.kafka.delete_topic(topic)
    infrastructure.drop_databases(databases)


def test_given_one_partition_with_large_events_then_the_others_are_read_as_well(infrastructure):
    databases = infrastructure.fresh_databases(kinds=["command"])
    run_criterion("test_relay_log", COMMAND_DATABASE_URL=databases.command,
                  COMMAND_OWNER_DATABASE_URL=databases.command_owner)
    infrastructure.drop_databases(databases)


@pytest.fixture(name="views")
def _views(stack_factory, trips):
    """A query service whose stored views and timeline are made up: as long as those of a log, and well compressed."""
    stack = stack_factory(command_services=0, query_services=0)
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"""
            WITH made AS (SELECT n, md5(n::text)::uuid AS cart_id, json_build_object('note', {ZEROS})::text AS body
                          FROM generate_series(1, {EVENTS}) AS n),
                 views AS (INSERT INTO cart_views SELECT cart_id, 0, %s, 'open', NULL, now(), body FROM made)
            INSERT INTO cart_timeline
            SELECT md5('1')::uuid, n, 0, n, cart_id, CASE n WHEN 1 THEN 'CartCreated' ELSE 'CustomerAssigned' END, 1, now(),
                   json_build_object('currency', 'EUR', 'customerId', 'c', 'previousCustomerId', 'c', 'note', {ZEROS}), '{{}}'
            FROM made""",
                       (EVENTS,))
    return stack.add_query_service(QUERY_DATABASE_URL=trips.instead_of(stack.query_database_url)).url


@pytest.mark.parametrize(("path", "name", "statement", "most"), [
    ("/v1/carts", "carts", "list_views", LIST_BYTES),
    ("/v1/carts/c4ca4238-a0b9-2382-0dcc-509a6f75849b/history", "events", "read_events", PAST_BYTES)])
def test_given_long_values_that_are_stored_compressed_then_few_are_read_at_a_time(views, trips, path, name, statement, most):
    assert len(list(pages(views + path, name, limit=EVENTS))) == EVENTS
    assert most - EVENT_BYTES < trips.largest(statement) < most + EVENT_BYTES + AROUND


@pytest.fixture(name="setting")
def _setting(infrastructure, tmp_path):
    made = ProjectorSetting(infrastructure, tmp_path)
    yield made
    made.close()


def test_given_large_parked_records_then_few_are_read_at_a_time(setting, trips):
    cart = setting.log.new_id()
    setting.sql("INSERT INTO parked_carts (cart_id, partition, version, reason) VALUES (%s, 0, 1, 'made up')", (cart,))
    setting.sql(f"""INSERT INTO parked_records (partition, position, cart_id, key, value, headers, reason)
                    SELECT 0, n, %s, %s::bytea, ({NOISE})::bytea, '[]', 'made up' FROM generate_series(1, %s) AS n""",
                (cart, cart, EVENTS))
    setting.projector(QUERY_DATABASE_URL=trips.instead_of(setting.database_url))
    eventually(lambda: setting.sql("SELECT count(*) FROM parked_records WHERE dead_lettered_at IS NULL") == [(0,)], 60)
    assert len(setting.dead_letters()) == EVENTS
    for statement in "read_parked", "read_dead_letters":
        assert EVENT_BYTES < trips.largest(statement) < PARKED_BYTES + EVENT_BYTES + AROUND
