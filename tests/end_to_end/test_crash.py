"""SIGKILL of each process under load: every acknowledged command exists exactly once, each view equals the fold."""

import itertools
import random

import pytest

from invariants import check_log, check_topic, check_views
from load import Load
from shop import Shop, eventually, line, new_id, problem

RECOVERY_SECONDS = 4  # two are promised; sanitizers and two busy cores take their share
HOT_VIEW_SECONDS = 2.5  # hot_views.h, and a call
APPEND = b"\0append\0"  # the Bind message of an append names its statement
PROCESSES = ["postgres", "kafka", "command-service", "query-service"]


def check_everything(stack, load):
    log = check_log(stack.command_database_url)
    load.told.check(log)
    check_views(stack.query_database_url, log)
    check_topic(stack.kafka_servers, stack.topic, log, stack.partitions)
    return log


def shop_on(load, answers=200, seconds=30):
    """Waits until so many more requests were answered: the load goes on."""
    goal = load.answers + answers
    eventually(lambda: load.answers >= goal, seconds)


def is_ready_without(shop, base, check):
    answer = shop.get("/readyz", base=base)
    assert answer.status_code == 200, answer.text
    found = answer.json()["checks"][check]
    return not found["ok"] and not found["required"] and found["detail"]


@pytest.mark.parametrize("name", PROCESSES)
def test_given_load_when_a_process_is_killed_then_nothing_acknowledged_is_lost(stack_factory, name):
    stack = stack_factory()
    with Load(stack.command_url) as load:
        shop_on(load)
        for _ in range(2):
            stack.process(name).kill()
            load.stopping.wait(0.3)
            stack.process(name).start()
            shop_on(load)
    assert load.told.events
    check_everything(stack, load)


def test_given_load_when_pairs_of_processes_are_killed_then_nothing_acknowledged_is_lost(stack_factory):
    stack = stack_factory()
    with Load(stack.command_url) as load:
        shop_on(load)
        pairs = random.Random(7).sample(list(itertools.combinations(PROCESSES, 2)), 3)
        for pair in pairs:
            for name in pair:
                stack.process(name).kill()
            load.stopping.wait(0.2)
            for name in sorted(pair, key=PROCESSES.index):
                stack.process(name).start()
            shop_on(load, 100, 60)
    check_everything(stack, load)


def test_given_kafka_is_away_when_shopping_goes_on_then_the_view_catches_up_in_order(stack_factory):
    stack = stack_factory()
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    shop.view(cart, min_version=1)
    stack.process("kafka").stop()
    with Load(stack.command_url) as load:
        for _ in range(50):
            assert shop.add(cart, line()).status_code == 200
        load.stopping.wait(8)
    assert load.told.unknown == 0
    for base, check in ((stack.command_url, "relay"), (stack.query_url, "projection")):
        assert eventually(lambda: is_ready_without(shop, base, check)), "ready, and says what it lacks"
    behind = eventually(lambda: shop.get(f"/v1/carts/{cart}").json().get("version"))
    assert behind < 51
    stack.process("kafka").start()
    assert eventually(lambda: shop.view(cart, min_version=51)["itemCount"], 60) == 50
    check_everything(stack, load)


def test_given_kafka_is_frozen_for_longer_than_a_session_then_readyz_says_so_and_the_view_catches_up(stack_factory):
    """The query service loses its partitions then, but no connection breaks."""
    stack = stack_factory()
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    shop.view(cart, min_version=1)
    stack.process("kafka").pause()
    assert shop.add(cart, line()).status_code == 200
    eventually(lambda: not shop.get("/readyz", base=stack.query_url).json()["checks"]["projection"]["ok"], 30)
    assert is_ready_without(shop, stack.query_url, "projection")
    stack.process("kafka").cont()
    assert eventually(lambda: shop.view(cart, min_version=2)["itemCount"], 90) == 1


def test_given_postgres_is_away_then_503_within_two_seconds_and_it_recovers_by_itself(stack_factory):
    stack = stack_factory()
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    assert shop.create(cart).status_code == 201
    shop.view(cart, min_version=1)
    for stop, start in (("stop", "start"), ("kill", "start"), ("pause", "cont")):
        getattr(stack.process("postgres"), stop)()
        first = shop.add(cart, line())
        if stop == "kill" and first.status_code == 200:  # its session had not noticed yet that the postmaster is dead
            first = eventually(lambda: (again := shop.add(cart, line())).status_code != 200 and again, 1)
        assert first.status_code == 503 and first.elapsed.total_seconds() < 2.2, (stop, first.text, first.elapsed)
        assert problem(first) in ("event-store-unavailable", "outcome-unknown")
        eventually(lambda: shop.get(f"/v1/carts/{cart}").status_code == 503, HOT_VIEW_SECONDS)  # memory has it
        for _ in range(4):
            for kind, response in (("event", shop.add(cart, line())), ("view", shop.get(f"/v1/carts/{cart}")),
                                   ("event", shop.get("/v1/events", base=stack.command_url)), ("view", shop.get("/v1/carts"))):
                assert problem(response) == f"{kind}-store-unavailable" and response.status_code == 503, response.text
                assert "Retry-After" in response.headers and response.elapsed.total_seconds() < 2.2, (stop, response.elapsed)
        for base in (stack.command_url, stack.query_url):
            assert shop.get("/livez", base=base).status_code == 200
            eventually(lambda: shop.get("/readyz", base=base).status_code == 503, 5)
        getattr(stack.process("postgres"), start)()
        eventually(lambda: shop.add(cart, line()).status_code == 200, RECOVERY_SECONDS)
        eventually(lambda: shop.get(f"/v1/carts/{cart}").status_code == 200, RECOVERY_SECONDS)
    log = check_log(stack.command_database_url)
    check_views(stack.query_database_url, log)


def test_given_a_commit_without_an_answer_then_outcome_unknown_and_the_log_tells(stack_factory, proxy_factory):
    stack = stack_factory(command_services=0, query_services=0)
    proxy = proxy_factory(("127.0.0.1", stack.infrastructure.postgres.port))
    shop = Shop(stack.add_command_service(COMMAND_DATABASE_URL=proxy.instead_of(stack.command_database_url)).url)
    cart = new_id()
    assert shop.create(cart).status_code == 201
    proxy.stall_on(APPEND, when="after")
    answer = shop.add(cart, line())
    proxy.resume()
    assert answer.status_code == 503 and problem(answer) == "outcome-unknown" and answer.elapsed.total_seconds() < 2.2
    assert "Retry-After" in answer.headers
    version = eventually(lambda: shop.add(cart, line()).json().get("version"))
    assert [event["version"] for event in check_log(stack.command_database_url)] == list(range(1, version + 1))


def test_given_load_when_the_command_service_is_told_to_stop_then_it_answers_what_it_accepted(stack_factory):
    stack = stack_factory()
    with Load(stack.command_url, clients=20) as load:
        shop_on(load)
        assert stack.process("command-service").stop() == 0
        load.stopping.wait(0.2)
        stack.process("command-service").start()
        shop_on(load)
    check_everything(stack, load)
