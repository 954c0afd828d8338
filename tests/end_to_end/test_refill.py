"""What the topic does not have, the query service reads from the command service, as both are run."""

import requests

from invariants import check_log, check_views, read_topic
from shop import Shop, eventually, line, new_id


def forget(stack, before=-1):
    """Shops a little, ten events; then the topic has forgotten them (those before an offset), and so have the views."""
    query, shop = stack.process("query-service"), Shop(stack.command_url, stack.query_url)
    carts = [new_id() for _ in range(5)]
    for cart in carts:
        assert shop.create(cart).status_code == 201
        assert shop.add(cart, line()).status_code == 200
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    query.stop()
    stack.infrastructure.kafka.delete_records(stack.topic, stack.partitions, before)
    assert query.run("--rebuild").returncode == 0
    query.start()
    return carts, shop


def projection_goes_on(stack):
    return requests.get(stack.query_url + "/readyz", timeout=5).json()["checks"]["projection"]["ok"]


def test_given_a_topic_that_has_forgotten_when_views_are_made_again_then_they_are_of_the_log(stack_factory):
    stack = stack_factory(partitions=1)
    carts, shop = forget(stack)
    assert shop.add(carts[0], line()).status_code == 200  # by this record it sees that others are missing
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    eventually(lambda: projection_goes_on(stack))


def test_given_a_topic_that_has_forgotten_all_when_the_command_service_is_restarted_then_it_is_whole(stack_factory):
    stack = stack_factory(partitions=1)
    forget(stack)
    stack.process("command-service").restart()
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    eventually(lambda: projection_goes_on(stack))


def test_given_a_topic_that_has_forgotten_its_beginning_when_the_log_is_sent_again_then_it_is_whole(stack_factory):
    stack = stack_factory(partitions=1)
    forget(stack, before=7)
    again = stack.process("command-service").run("--republish", "all")
    assert again.stdout == "10 events published again\n", again.stderr
    positions = [int(dict(record.headers())["ce_position"])
                 for record in read_topic(stack.kafka_servers, stack.topic, 1)[0]]
    assert positions == [8, 9, 10, *range(1, 11)]
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    eventually(lambda: projection_goes_on(stack))
