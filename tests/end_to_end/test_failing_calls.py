"""Whichever call of a library fails once (memory, a thread, a socket, PostgreSQL's client, Kafka's), a service says so:
it ends with an error, or answers with one, and is whole again afterwards."""

import contextlib
import functools
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg2
import pytest
import requests

from failing_calls import FailingService
from invariants import check_log, check_views
from projector_driver import LogServer, MadeUpLog, Publisher
from service import COMPLAINTS
from shop import Shop, amount, eventually, line, new_id, percent, problem

AT_ONCE = 8  # processes
START_SECONDS, WHOLE_SECONDS = 180, 180  # it gives way to whatever else runs
LOOK_SECONDS = 0.2  # between two looks; AT_ONCE are looked at, and a look takes milliseconds of a processor
ORIGIN, NDJSON = {"Origin": "https://shop.example"}, {"Accept": "application/x-ndjson"}
ONCE_OR_ALWAYS = pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
MEMORY = {"malloc", "calloc", "realloc", "reallocarray", "strdup", "strndup"}
ENV = {"CORS_ORIGINS": "https://shop.example", "HTTP_THREADS": 1, "HTTP_CONNECTIONS_PER_ADDRESS_MAX": 1000}


@pytest.fixture(autouse=True)
def _no_service_is_left():
    """What runs when a test fails is ended."""
    yield
    while FailingService.made:
        service = FailingService.made.pop()
        if service.running():
            service.kill()


def in_parallel(work, items):
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        wrong = [text for found in pool.map(work, items) for text in found]
    finally:
        pool.shutdown(cancel_futures=True)
    assert not wrong, f"{len(wrong)} findings:\n" + "\n\n".join(wrong[:20])


def complaints(service, path):
    """What a service has done that no failed call excuses."""
    found = COMPLAINTS.search(service.stderr())
    code = service.child.poll() if service.child else None
    if found or (code is not None and code not in (0, 1, 2)):
        return [f"{service.describe(path)}: ended with {code}\n{service.tail(25)}"]
    return []


def live_through(service, path, work):
    """Starts the service with that path armed, lets it do its work if it starts, stops it; answers what was wrong."""
    service.log.unlink(missing_ok=True)
    service.calls.arm(path.id)
    service.start(ready=False)
    try:
        deadline = time.monotonic() + START_SECONDS
        while service.running():
            with contextlib.suppress(requests.RequestException):
                if requests.get(service.url + "/readyz", timeout=2).status_code == 200:
                    work(service)
                    break
            if time.monotonic() > deadline:
                raise AssertionError("neither ready nor ended")
            time.sleep(LOOK_SECONDS)
        if service.running():
            assert service.stop() == 0, "stopped with an error"
        else:
            assert service.child.returncode in (1, 2) and service.stderr(), f"ended with {service.child.returncode}"
    except (AssertionError, requests.RequestException) as error:
        return [f"{service.describe(path)}: {error}\n{service.tail(25)}"]
    finally:
        if service.running():
            service.kill()
    return complaints(service, path)


def each_start_fails(make, work, between=lambda service: None):
    """Starts a service once for each call that there was in a whole life, with that call failing."""
    first = make(0)
    first.start()
    work(first)
    assert first.stop() == 0
    idle = [first, *(make(number) for number in range(1, AT_ONCE))]

    def one(path):
        service = idle.pop()
        between(service)
        found = live_through(service, path, work)
        idle.append(service)
        return found

    paths = list(first.calls.seen().values())
    assert len(paths) > 50
    in_parallel(one, paths)


def test_given_a_call_that_fails_when_a_command_service_runs_then_it_ends_or_goes_on(stack_factory):
    stacks = [stack_factory(partitions=2, query_services=0, command_env={**ENV, "CART_GUEST_LIFETIME_S": 1})
              for _ in range(AT_ONCE)]
    for stack in stacks:
        assert Shop(stack.command_url).create(new_id()).status_code == 201
        stack.process("command-service").stop()

    def settled(ask):
        """The answer that another try would not change."""
        return eventually(lambda: [answer for answer in [ask()] if answer.status_code < 500], WHOLE_SECONDS, LOOK_SECONDS)[0]

    def shopped(shop):
        """A new cart with a line; None when it has expired before, as it may where others have the processors."""
        cart = new_id()
        if settled(lambda: shop.create(cart)).ok and settled(lambda: shop.add(cart, line())).ok:
            return cart
        assert problem(shop.add(cart, line())) == "cart-closed"
        return None

    def work(service):
        shop = Shop(service.url)
        cart = eventually(lambda: shopped(shop), WHOLE_SECONDS, LOOK_SECONDS)
        eventually(lambda: shop.events(cartId=cart, type="CartExpired"), WHOLE_SECONDS, LOOK_SECONDS)

        def published():
            places = shop.read("/v1/events/partitions", shop.command_url)["partitions"]
            return all(place["lastPosition"] == place["publishedPosition"] for place in places)

        eventually(published, WHOLE_SECONDS, LOOK_SECONDS)

    each_start_fails(lambda number: FailingService(stacks[number].process("command-service"), f"failing-command-{number}"),
                     work)
    for stack in stacks:
        check_log(stack.command_database_url)


class Refilled:
    """A made-up log of which the topic has only the later part, and in it a record that cannot be applied."""

    def __init__(self, infrastructure):
        self.infrastructure = infrastructure
        self.log = MadeUpLog(2)
        self.server = LogServer(self.log)
        self.topic, self.dead_topic = infrastructure.fresh_topics(2)
        self.log.make(100)
        publisher = Publisher(infrastructure.kafka.servers, self.topic)
        publisher.publish([event for event in self.log.all() if event["position"] > 8])
        unknown = self.log.create(partition=0)
        publisher.publish([unknown], ce_type="cartledger.cart.CartUnheardOf.v1")
        self.parked_cart = unknown["cartId"]
        self.databases = infrastructure.fresh_databases(kinds=["query"])

    def sql(self, statement):
        with psycopg2.connect(self.databases.query_owner) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def keep(self):
        """Remembers what is in the database now."""
        self.tables = [name for name, in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        self.sql("CREATE SCHEMA kept")
        for table in self.tables:
            self.sql(f"CREATE TABLE kept.{table} AS TABLE public.{table}")

    def bring_back(self):
        self.sql(f"TRUNCATE {', '.join(self.tables)}")
        for table in self.tables:
            self.sql(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept.{table}")

    def check(self, _):
        events = [event for event in self.log.all() if event["cartId"] != self.parked_cart]
        check_views(self.databases.query, events, WHOLE_SECONDS, LOOK_SECONDS)

    def close(self):
        self.server.close()
        self.infrastructure.drop_databases(self.databases)
        for topic in (self.topic, self.dead_topic):
            self.infrastructure.kafka.delete_topic(topic)


def test_given_a_call_that_fails_when_a_query_service_runs_then_it_ends_or_goes_on(infrastructure, stack_factory):
    stack = stack_factory(partitions=2, command_services=0, query_services=0)
    logs = [Refilled(infrastructure) for _ in range(AT_ONCE)]

    def make(number):
        log = logs[number]
        service = FailingService(stack.add_query_service(
            start=False, COMMAND_URL=log.server.url, KAFKA_TOPIC=log.topic, KAFKA_DEAD_LETTER_TOPIC=log.dead_topic,
            KAFKA_GROUP_ID=log.topic, QUERY_DATABASE_URL=log.databases.query, **ENV), f"failing-query-{number}")
        service.refilled = log
        return service

    try:
        each_start_fails(make, lambda service: service.refilled.check(service), lambda service: service.run("--rebuild"))
    finally:
        for log in logs:
            log.close()


def each_run_fails(make, arguments, between=lambda service: None):
    """Runs a service with arguments once for each call that it makes, with that call failing."""
    first = make(0)
    first.calls.forget()
    between(first)
    done = first.run(*arguments)
    assert done.returncode == 0, done.stderr
    idle = [first, *(make(number) for number in range(1, AT_ONCE))]

    def one(path):
        service = idle.pop()
        between(service)
        service.calls.arm(path.id)
        done = service.run(*arguments, timeout=60)
        fine = done.returncode in (0, 1, 2) and (done.stderr or done.returncode == 0) and not COMPLAINTS.search(done.stderr)
        idle.append(service)
        return [] if fine else [f"{service.describe(path)}: ended with {done.returncode}\n{done.stderr}"]

    paths = list(first.calls.seen().values())
    assert paths
    in_parallel(one, paths)


def test_given_a_call_that_fails_when_a_log_is_sent_again_then_it_says_so(stack_factory):
    stack = stack_factory(partitions=2, query_services=0)
    running, shop = stack.process("command-service"), Shop(stack.command_url)
    for _ in range(5):
        assert shop.create(new_id()).status_code == 201

    def make(number):
        service = FailingService(running, f"failing-verb-{number}")
        service.env["COMMAND_PORT"] = str(running.port)
        return service

    for arguments in (["--check-config"], ["--healthcheck"], ["--help"], ["--republish", "all"], ["--republish", "0:1"]):
        each_run_fails(make, arguments)
    for place in ("", "everything", ":1", "0", "0:", "x:1", "0:x", "-1:1", "2:1", "0:0", "0:1x", f"0:{10**30}"):
        done = running.run("--republish", place)
        assert done.returncode == 2 and "--republish takes" in done.stderr, (place, done.stderr)


def test_given_a_call_that_fails_when_parked_carts_are_replayed_then_none_is_lost(infrastructure, stack_factory):
    stack = stack_factory(partitions=2, command_services=0, query_services=0)
    logs = [Refilled(infrastructure) for _ in range(AT_ONCE)]

    @functools.cache
    def make(number):
        log = logs[number]
        service = FailingService(stack.add_query_service(
            start=False, COMMAND_URL=log.server.url, KAFKA_TOPIC=log.topic, KAFKA_DEAD_LETTER_TOPIC=log.dead_topic,
            KAFKA_GROUP_ID=log.topic, QUERY_DATABASE_URL=log.databases.query), f"failing-replay-{number}")
        service.refilled = log
        service.start()
        log.check(service)
        eventually(lambda: log.sql("SELECT 1 FROM parked_records"))
        assert service.stop() == 0
        log.sql("UPDATE parked_records SET headers = replace(headers::text, 'CartUnheardOf', 'CartCreated')::json")
        log.keep()
        return service

    try:
        for arguments in (["--replay-parked"], ["--replay-from", "0:5"], ["--rebuild"]):
            each_run_fails(make, arguments, lambda service: service.refilled.bring_back())
    finally:
        for log in logs:
            log.close()


def add_under_two_conditions(shop, cart):
    """With two If-Match fields, of which none holds: the cart has no such version."""
    connection = http.client.HTTPConnection(shop.command_url.removeprefix("http://"), timeout=10)
    body = json.dumps(line()).encode()
    try:
        connection.putrequest("POST", f"/v1/carts/{cart}/items")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", len(body)),
                            ("If-Match", '"998"'), ("If-Match", '"999"')):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        assert answer.status != 200, "the conditions were not heard"
        return SimpleNamespace(status_code=answer.status, text=answer.read().decode())
    except (OSError, http.client.HTTPException) as error:
        raise requests.ConnectionError(error) from error
    finally:
        connection.close()


def commands(shop):
    """Each kind of command, each way to be refused, and questions about the log, as scenarios of their own."""
    def open_cart(ask, *lines, **options):
        cart = new_id()
        ask(shop.create, cart, **options)
        if lines:
            ask(shop.add, cart, *lines)
        return cart

    def creating(ask):
        key, cart = {"Idempotency-Key": f'"{new_id()}"'}, new_id()
        for headers in (key, key):
            ask(shop.create, cart, customer="c-1", headers=headers)
        ask(shop.send, "POST", "/v1/carts", {"currency": "EUR"}, headers={"Idempotency-Key": new_id()})

    def adding(ask):
        key, cart = {"Idempotency-Key": f'"{new_id()}"'}, open_cart(ask)
        for _ in range(2):
            ask(shop.add, cart, line("c"), headers={"If-Match": '"1"'})
        ask(add_under_two_conditions, shop, cart)
        for headers in (key, {**key, "X-Correlation-Id": "c", "X-Actor": "me"}):
            ask(shop.add, cart, line("a", 3), line("b"), headers=headers)
        ask(shop.add, cart, line("d", 1000), headers=key)
        ask(shop.add, cart, line("d", 1000))

    def adding_nothing(ask):
        cart, headers = open_cart(ask), {"Content-Type": "application/json"}
        for body in ("{", json.dumps(line(name="n" * 70000))):
            ask(shop.send, "POST", f"/v1/carts/{cart}/items", data=body, headers=headers)

    def changing(ask):
        cart = open_cart(ask, line("a", 3), line("b"))
        ask(shop.set_quantity, cart, "a", 2, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        ask(shop.remove, cart, "a", 1)

    def couponing(ask):
        cart = open_cart(ask, line("a", 3))
        ask(shop.apply_coupon, cart, percent())
        ask(shop.apply_coupon, cart, amount())
        ask(shop.remove_coupon, cart, "TEN")

    def buying(ask):
        cart, other = open_cart(ask, line("a"), customer="c-1"), open_cart(ask, line("x"))
        ask(shop.apply_coupon, cart, amount())
        ask(shop.assign_customer, cart, "c-2")
        ask(shop.merge, cart, other)
        ask(shop.check_out, cart, headers=ORIGIN)
        ask(shop.add, cart, line())

    def leaving(ask):
        cart = open_cart(ask, line())
        ask(shop.clear, cart)
        ask(shop.cancel, cart)

    def nothing(ask):
        cart = new_id()
        ask(shop.send, "PATCH", f"/v1/carts/{cart}")
        ask(shop.send, "OPTIONS", f"/v1/carts/{cart}", headers={**ORIGIN, "Access-Control-Request-Method": "PUT"})
        ask(shop.send, "GET", "/v1/nowhere")

    def reading_the_log(ask):
        cart = open_cart(ask, line("a"), line("b"))
        ask(shop.clear, cart)
        for path, headers in ((f"/v1/events?cartId={cart}&limit=2", {}),
                              ("/v1/events?type=CartCreated&from=2020-01-01T00:00:00Z&limit=3", NDJSON),
                              ("/v1/events?partition=0&after=0&limit=2", {}), ("/v1/events?partition=x", {}),
                              ("/v1/events/partitions", {}), ("/metrics", {}), ("/openapi.json", {}), ("/readyz", {})):
            ask(shop.get, path, base=shop.command_url, headers=headers)
        ask(shop.send, "HEAD", "/v1/events", headers=NDJSON)

    return [creating, adding, adding_nothing, changing, couponing, buying, leaving, nothing, reading_the_log]


def questions(shop, cart, other):
    """Each kind of question, and of wrong one, as a scenario of its own."""
    def one(path, **headers):
        return lambda ask: ask(shop.get, path, headers=headers)

    def page_by_page(path):
        def scenario(ask):
            page = ask(shop.get, path)
            if page is not None and page.status_code == 200:
                ask(shop.get, f"{path}&cursor={page.json()['next']}")

        return scenario

    def unchanged(ask):
        answer = ask(shop.get, f"/v1/carts/{cart}")
        ask(shop.get, f"/v1/carts/{cart}", headers={**ORIGIN, "If-None-Match": answer.headers["ETag"] if answer else "*"})

    return [unchanged, page_by_page(f"/v1/carts/{cart}/history?limit=3"),
            page_by_page("/v1/carts?customerId=anna&status=open&limit=2"),
            one(f"/v1/carts/{cart}?minVersion=3", Prefer="wait=2"), one(f"/v1/carts/{other}?minVersion=30", Prefer="wait=0.1"),
            one(f"/v1/carts/{cart}?version=3"), one(f"/v1/carts/{cart}?at=2020-01-01T00:00:00Z"),
            one(f"/v1/carts/{cart}?version=3", **{"If-None-Match": "*"}),
            one("/v1/carts?customerId=anna&limit=x"), one("/v1/carts/no-cart"), one("/v1/nowhere/else"), one("/metrics"),
            one("/readyz"), one("/openapi.json"), lambda ask: ask(shop.send, "HEAD", f"/v1/carts/{cart}", base=shop.query_url),
            lambda ask: ask(shop.send, "POST", f"/v1/carts/{cart}", base=shop.query_url)]


class Enough(Exception):
    """The call has failed; what follows is of no interest."""


def each_call_fails(service, scenarios, always):
    """Has each scenario once for each call that is made in it, with that call failing; answers what was wrong."""
    def disturbed(call, *arguments, **options):
        """The answer, any that the contract allows; None when the connection was closed instead."""
        if service.calls.has_failed():
            raise Enough
        try:
            answer = call(*arguments, **options)
        except requests.RequestException:
            return None
        if path.name in MEMORY and answer.status_code == 500:
            wrong.append(f"{service.describe(path)}: {answer.text}")
        return answer

    def undisturbed(call, *arguments, **options):
        def answered():
            answer = call(*arguments, **options)
            assert answer.status_code < 500 or problem(answer) == "not-yet-visible", answer.text
            return [answer]

        return eventually(answered)[0]

    wrong, tried = [], set(service.calls.seen())
    at_start = len(tried)
    for scenario in scenarios:
        for _ in range(2):
            scenario(undisturbed)
        while paths := [seen for seen in service.calls.seen().values() if seen.id not in tried]:
            for path in paths:
                tried.add(path.id)
                service.calls.arm(path.id, always)
                with contextlib.suppress(Enough):
                    scenario(disturbed)
                service.calls.arm(0)
                if not service.running():
                    return [f"{service.describe(path)}: ended with {service.child.returncode}\n{service.tail(25)}"]
                service.wait_ready()
        scenario(undisturbed)
    assert len(tried) > at_start + 50
    return wrong + service.finish()


@ONCE_OR_ALWAYS
def test_given_a_call_that_fails_within_a_command_then_it_is_answered_and_the_log_is_whole(stack_factory, always):
    stack = stack_factory(partitions=2, query_services=0, command_env=ENV)
    stack.process("command-service").stop()
    service = FailingService(stack.process("command-service"), "failing-commands").start()
    wrong = each_call_fails(service, commands(Shop(service.url)), always)
    assert not wrong, "\n\n".join(wrong)
    check_log(stack.command_database_url)


@ONCE_OR_ALWAYS
def test_given_a_call_that_fails_within_a_question_then_it_is_answered(stack_factory, always):
    stack = stack_factory(partitions=2, query_env=ENV)
    shop = Shop(stack.command_url)
    carts = [new_id() for _ in range(5)]
    for cart in carts:
        shop.create(cart, customer="anna")
        for number in range(6):
            shop.add(cart, line(f"sku-{number}"))
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    stack.process("query-service").stop()
    service = FailingService(stack.process("query-service"), "failing-questions").start()
    shop.query_url = service.url
    time.sleep(2.5)  # what is in memory is forgotten
    wrong = each_call_fails(service, questions(shop, *carts[:2]), always)
    assert not wrong, "\n\n".join(wrong)
