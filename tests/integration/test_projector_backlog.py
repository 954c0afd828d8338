"""A projector with much to catch up: one transaction for several batches, and its views written once."""

import time

import pytest

from projector_setting import PARTITIONS, Setting
from shop import eventually

CARTS, ROUNDS = 4000, 4  # more carts than two writes have views, more events than a transaction takes
EVENTS = CARTS * ROUNDS
BATCH_EVENTS = 1500
TRANSACTION_SECONDS = 0.5


@pytest.fixture
def setting(infrastructure, tmp_path):
    made = Setting(infrastructure, tmp_path)
    yield made
    made.close()


@pytest.fixture
def backlog(setting):
    """Events of many carts in turn, in the topic before anybody reads it."""
    created = [setting.log.create() for _ in range(CARTS)]
    added = [setting.log.add(cart["cartId"], f"tea-{n}") for n in range(ROUNDS - 1) for cart in created]
    setting.publish(created + added)


def moment(setting):
    """How many events everybody sees applied, which positions, timeline and views agree on."""
    positions, timeline, views = setting.sql("SELECT (SELECT sum(position) FROM projection_positions)::bigint,"
                                             " (SELECT count(*) FROM cart_timeline),"
                                             " (SELECT sum(version) FROM cart_views)::bigint")[0]
    assert (positions or 0) == timeline == (views or 0)
    return timeline


def written_views(setting):
    return setting.sql("SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'cart_views'")[0][0]


def test_given_a_backlog_then_each_moment_is_of_one_state_and_views_are_written_once_for_many_events(setting, backlog):
    setting.slow_down(0.15, "STATEMENT")
    projector = setting.projector()
    moments = []
    eventually(lambda: moments.append(moment(setting)) or moments[-1] == EVENTS)
    assert len(set(moments) - {0, EVENTS}) >= 1, "it was not all one transaction"
    setting.check()
    projector.stop()
    transactions = setting.sql("SELECT count(DISTINCT xmin::text) FROM cart_timeline")[0][0]
    assert 2 <= transactions < EVENTS / BATCH_EVENTS
    eventually(lambda: written_views(setting) >= CARTS)
    assert written_views(setting) < EVENTS * 0.8


def test_given_a_backlog_when_the_projector_is_killed_then_nothing_of_a_transaction_stays(setting, backlog):
    setting.slow_down(0.15, "STATEMENT")
    projector = setting.projector()
    for _ in range(2):
        before = moment(setting)
        eventually(lambda: moment(setting) > before)
        time.sleep(TRANSACTION_SECONDS / 2)
        projector.kill()
        assert moment(setting) < EVENTS
        projector.start()
    setting.check()
    projector.wait(parked=0)


@pytest.mark.parametrize(("statement", "when"), [(b"begin", "before"), (b"commit", "before"), (b"commit", "after")])
def test_given_a_backlog_when_the_connection_is_cut_around_its_transaction_then_all_is_done_once(setting, backlog, proxy_factory,
                                                                                                statement, when):
    proxy = proxy_factory(("127.0.0.1", setting.infrastructure.postgres.port))
    proxy.cut_on(statement, when=when)
    projector = setting.projector(QUERY_DATABASE_URL=proxy.instead_of(setting.database_url))
    assert proxy.seen.wait(30)
    setting.check()
    projector.wait(parked=0, stale=0)
    assert projector.status["storeFailures"] in ((0, 1) if when == "after" else (1,))


def test_given_a_backlog_when_two_believe_to_own_everything_then_each_event_is_applied_once(setting, backlog):
    setting.slow_down(0.02, "STATEMENT")
    first, second = setting.projector(), setting.projector(KAFKA_GROUP_ID="another")
    setting.check(120)
    assert first.status["storeFailures"] + second.status["storeFailures"] == 0
    assert first.status["parked"] + second.status["parked"] == 0
    assert first.status["applied"] + second.status["applied"] == EVENTS


def refuse_in_each_partition(setting):
    """Lets the database refuse an event of a new cart in each partition; answers these carts."""
    setting.sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF NEW.data LIKE '%of-a-kind%' THEN RAISE check_violation; END IF; RETURN NEW; END $$;"
                "CREATE TRIGGER refuse BEFORE INSERT ON cart_timeline FOR EACH ROW EXECUTE FUNCTION refuse()")
    created = [setting.log.create(partition) for partition in range(PARTITIONS)]
    setting.publish(created + [setting.log.add(cart["cartId"], "of-a-kind") for cart in created])
    return {cart["cartId"] for cart in created}


def test_given_a_backlog_with_data_that_the_database_refuses_then_only_its_carts_are_parked(setting, backlog):
    refused = refuse_in_each_partition(setting)
    setting.projector().wait(parked=PARTITIONS, parkedCarts=PARTITIONS, applied=EVENTS + PARTITIONS)
    assert {cart for cart, in setting.sql("SELECT cart_id::text FROM parked_carts")} == refused
