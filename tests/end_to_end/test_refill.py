"""What the topic does not have, the query service reads from the command service, as both are run."""

import requests

from invariants import check_log, check_views
from shop import Shop, eventually, line, new_id


def test_given_a_topic_that_has_forgotten_when_views_are_made_again_then_they_are_of_the_log(stack_factory):
    stack = stack_factory(partitions=1)
    query, shop = stack.process("query-service"), Shop(stack.command_url, stack.query_url)
    carts = [new_id() for _ in range(5)]
    for cart in carts:
        assert shop.create(cart).status_code == 201
        assert shop.add(cart, line()).status_code == 200
    check_views(stack.query_database_url, check_log(stack.command_database_url))

    query.stop()
    stack.infrastructure.kafka.delete_records(stack.topic, stack.partitions)
    assert query.run("--rebuild").returncode == 0
    query.start()
    assert shop.add(carts[0], line()).status_code == 200  # by this record it sees that others are missing
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    eventually(lambda: requests.get(query.url + "/readyz", timeout=5).json()["checks"]["projection"]["ok"])
