"""What docs/operations.md says of connections and sizes, and docs/alerts.md of who publishes."""

import pathlib
import re
import threading

import pytest

from shop import Shop, eventually, line, new_id

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
GUIDE, ALERTS = DOCS / "operations.md", DOCS / "alerts.md"


@pytest.mark.parametrize("lanes, log_readers, readers", [(1, 2, 2), (3, 1, 4)])
def test_given_an_instance_under_load_then_it_opens_the_connections_that_are_documented(stack_factory, lanes, log_readers,
                                                                                       readers):
    stack = stack_factory(command_env={"LANES": lanes, "LOG_READERS": log_readers},
                          query_env={"QUERY_READERS": readers})
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    shop.add(cart, line())
    shop.view(cart, min_version=2)

    def read_the_log():  # a reader connects when it first has something to do
        for _ in range(20):
            Shop(stack.command_url).events(cartId=cart)

    threads = [threading.Thread(target=read_the_log) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def connections(url):
        return stack.infrastructure.postgres.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (url.rpartition("/")[2],))[0][0]

    holders = "SELECT pid " + re.search(r"`SELECT pg_terminate_backend\(pid\) (FROM pg_locks [^`]*)`",
                                        ALERTS.read_text()).group(1)
    database = stack.command_database_url.rpartition("/")[2]
    eventually(lambda: len(stack.infrastructure.postgres.sql(
        f"{holders} AND database = (SELECT oid FROM pg_database WHERE datname = '{database}')")) == 1)
    eventually(lambda: connections(stack.command_database_url) == lanes + log_readers + 2, seconds=20)
    eventually(lambda: connections(stack.query_database_url) == readers + 2, seconds=20)


def test_given_shopping_then_the_guides_questions_tell_what_an_event_and_a_cart_take(stack_factory):
    stack = stack_factory()
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    shop.view(cart, min_version=1)
    command, query = re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
    for url, block in ((stack.command_database_url, command), (stack.query_database_url, query)):
        for question in block.strip().splitlines():
            ((answer,),) = stack.infrastructure.postgres.sql(question, database=url.rpartition("/")[2])
            assert answer > 0, question
