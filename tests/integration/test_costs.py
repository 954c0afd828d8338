"""What fixed batches cost in statements, round trips and disk syncs, exactly.

Batches that would gather by chance are given as a whole: to the lane by its driver's BATCHES, to the relay as one
transaction, to the projector as records that are there before it is.
"""

import pytest

from lane_driver import LaneProcess
from postgres_trips import PostgresTrips, Trip
from shop import eventually
from test_projector import Setting as ProjectorSetting
from test_relay import Setting as RelaySetting

# With these nobody but who commits syncs the WAL.
QUIET = {"autovacuum": "off", "wal_writer_delay": "10s"}
BATCHES, COMMANDS = 10, 64


@pytest.fixture(name="postgres")
def _postgres(infrastructure):
    server = infrastructure.postgres
    for name, value in QUIET.items():
        server.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    server.sql("SELECT pg_reload_conf()")
    eventually(lambda: server.sql("SHOW autovacuum") == [("off",)])
    yield server
    for name in QUIET:
        server.sql(f"ALTER SYSTEM RESET {name}")
    server.sql("SELECT pg_reload_conf()")


@pytest.fixture(name="trips")
def _trips(postgres):
    with PostgresTrips(("127.0.0.1", postgres.port)) as proxy:
        yield proxy


def syncs(postgres):
    """So far, once the sessions have ended: a session tells its last ones when it ends."""
    eventually(lambda: postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                                    " AND pid <> pg_backend_pid()") == [(0,)])
    return postgres.sql("SELECT wal_sync FROM pg_stat_wal")[0][0]


def asked(trips):
    """Names of the statements, in order; each was a round trip of its own, and so was its preparation, once."""
    names = [name for trip in trips for name in trip.statements]
    assert len(names) == len(trips)
    prepared = [name.removeprefix("prepare ") for name in names if name.startswith("prepare ")]
    assert len(prepared) == len(set(prepared))
    return [name for name in names if not name.startswith("prepare ")]


@pytest.fixture(name="databases")
def _databases(infrastructure):
    made = infrastructure.fresh_databases(kinds=["command"])
    yield made
    infrastructure.drop_databases(made)


@pytest.fixture(name="setting")
def _setting(request, infrastructure, postgres, trips, tmp_path):
    """Of the kind that the test is parametrized with."""
    made = request.param(infrastructure, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("carts", "hot", "expected"), [
    (0, 0, ["append"] * BATCHES),  # new carts
    (50, 100, ["append"] * BATCHES),  # one cart
    # Fifty carts of which some only refuse something in a batch: `versions` makes sure that they may.
    (50, 0, ["load", "append"] + ["load", "versions", "append"] * 3 + ["versions", "append"] * 6)])
def test_given_batches_of_commands_then_each_is_one_append_and_one_sync(
        postgres, trips, databases, tmp_path, carts, hot, expected):
    before = syncs(postgres)
    process = LaneProcess(trips.instead_of(databases.command), tmp_path / "lane.log", WRITERS=1, CLIENTS=COMMANDS,
                          CARTS=carts, HOT=hot, BATCHES=BATCHES).stop()
    assert process.counts() == {"ok": BATCHES * COMMANDS}
    assert asked(trips.trips()) == ["session", *expected]
    assert syncs(postgres) - before == BATCHES


@pytest.mark.parametrize("setting", [RelaySetting], indirect=True)
def test_given_a_transaction_of_events_then_the_relay_reads_them_at_once_and_writes_nothing(setting, postgres, trips):
    before = syncs(postgres)
    setting.log.append(6)
    relay = setting.relay(trips.instead_of(setting.database_url))
    relay.wait_published([1] * 6)
    setting.log.append(600)
    relay.wake()
    relay.wait_published([101] * 6)
    relay.stop()
    setting.log.connection.close()
    seen = trips.trips()
    assert set(asked(seen)) == {"leader_settle", "leader_lead", "relay_ends", "relay_read"}
    assert [trip for trip in seen if trip.rows and trip.statements == ["relay_read"]] == [
        Trip(["relay_read"], 6), Trip(["relay_read"], 600)]
    assert syncs(postgres) - before == 2  # of the two appends


@pytest.mark.parametrize("setting", [ProjectorSetting], indirect=True)
def test_given_records_of_fifty_carts_then_the_projector_loads_them_once_and_writes_once(setting, postgres, trips):
    carts = [event["cartId"] for event in [setting.log.create(partition=0) for _ in range(50)]]
    setting.publish(setting.log.all())
    setting.projector()
    setting.wait_applied()
    eventually(lambda: setting.sql("SELECT count(log_id) FROM projection_log") == [(1,)])
    setting.projectors.pop().stop()
    setting.publish([setting.log.add(cart, f"tea-{number}") for number in range(4) for cart in carts])
    before = syncs(postgres)
    projector = setting.projector(QUERY_DATABASE_URL=trips.instead_of(setting.database_url))
    setting.wait_applied()
    projector.stop()
    seen = [name for name in asked(trips.trips()) if name != "count_parked"]  # that one comes each second
    again = seen.index("load_checkpoints") + 1
    seen[again:] = [name for name in seen[again:] if name != "load_checkpoints"]  # of idle partitions, each 0.2 s
    assert seen == ["set_up", "first_parked_cart", "read_log", "load_checkpoints", "load_carts", "write"]
    assert syncs(postgres) - before == 1
