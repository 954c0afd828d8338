"""The projector against a real PostgreSQL and a real Kafka: whatever breaks, the views end up as the log says."""

import concurrent.futures
import os
import pathlib
import time

import confluent_kafka
import psycopg2
import pytest

from devstack import databases
from infrastructure import MIGRATIONS
from invariants import check_views
from projector_driver import Publisher
from projector_setting import PARTITIONS, Making, Setting
from shop import eventually


@pytest.fixture
def setting(infrastructure, tmp_path):
    made = Setting(infrastructure, tmp_path)
    yield made
    made.close()


def test_given_events_in_the_topic_then_each_view_is_the_fold_of_its_events(setting):
    setting.make(3000)
    projector = setting.projector()
    setting.check()
    setting.make(500)
    setting.check()
    projector.wait(applied=3500, duplicates=0, gaps=0, stale=0, parked=0, waiting=0)


def test_given_a_restart_then_it_goes_on_where_it_was(setting):
    projector = setting.projector()
    setting.make(500)
    setting.check()
    projector.stop()
    setting.make(500)
    projector.start()
    setting.check()
    projector.wait(applied=500, gaps=0)
    assert projector.status["duplicates"] == PARTITIONS, "the last applied record of each partition, and no more"


def test_given_the_topic_twice_over_then_no_view_changes(setting):
    projector = setting.projector()
    setting.make(500)
    setting.check()
    setting.publish(setting.log.all())
    projector.wait(duplicates=500)
    setting.make(10)
    setting.check()
    projector.wait(applied=510, gaps=0, parked=0)


def test_given_a_gap_then_it_is_filled_from_the_log(setting):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    setting.log.make(15000)  # never published
    setting.make(300)
    setting.check()
    projector.wait(applied=15600, parked=0)
    assert 14900 <= projector.status["refilled"] <= 15000
    assert projector.status["gaps"] >= PARTITIONS  # a busy machine has counted 7 and 8: some gap was met twice
    assert projector.status["progress"] == {"ok": True, "detail": "following 6 partitions"}


def test_given_a_log_that_is_too_slow_for_a_page_then_what_came_of_it_counts(setting):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    setting.server.lines_a_second = 10  # 60 are more than one request may take
    cart = setting.log.create(partition=2)["cartId"]
    for _ in range(58):
        setting.log.add(cart)
    setting.publish([setting.log.add(cart)])
    projector.wait(seconds=25, applied=360, refilled=59, parked=0)
    setting.server.lines_a_second = None
    setting.check()


def test_given_a_gap_with_data_that_cannot_be_read_then_only_its_cart_is_parked(setting):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    cart = setting.log.create(partition=2)["cartId"]
    setting.log.record(cart, "CartCleared", {})["data"] = '{"lineCount":0,"lineCount":0}'
    setting.publish([setting.log.create(partition=2)])
    setting.wait_applied()
    projector.wait(parkedCarts=1, parked=1, deadLettered=1, waiting=0)


def test_given_a_gap_that_the_log_does_not_fill_then_that_partition_waits_and_the_others_go_on(setting):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    setting.server.refuse.add(2)
    cart = setting.log.create(partition=2)["cartId"]
    missing = setting.log.all()[-1:]
    setting.publish([setting.log.add(cart)])
    projector.wait_detail("partition 2: positions")
    assert not projector.status["progress"]["ok"] and missing

    before = len(setting.log.events[2]) - 2
    setting.make(600)
    wanted = {number: len(events) if number != 2 else before for number, events in enumerate(setting.log.events)}
    eventually(lambda: setting.positions() == wanted)
    projector.wait(waiting=1)
    setting.server.refuse.clear()
    setting.check()
    projector.wait(waiting=0, parked=0)


def test_given_records_that_cannot_be_applied_then_they_are_set_aside_and_the_others_go_on(setting):
    projector = setting.projector()
    setting.make(200)
    cart = setting.log.create(partition=1)["cartId"]
    setting.publish(setting.log.events[1][-1:])
    setting.check()
    good = setting.log.all()

    setting.publisher.send(1, "not a cart", b"\xff\xfe", {"odd": b"\xff", "ce_id": "x"})
    setting.publisher.send(1, None, None, None)
    alien = setting.log.record(cart, "ItemTeleported", {"sku": "tea-01", "to": "Mars"})
    later = [setting.log.add(cart), setting.log.add(cart)]
    future = setting.log.record(setting.log.create(partition=1)["cartId"], "ItemAdded", {}, schema_version=9)
    setting.publish([alien, *later, setting.log.events[1][-2], future])
    others = setting.log.make(200)
    setting.publish(others)
    setting.wait_applied()
    projector.wait(parkedCarts=2, parked=6, deadLettered=6, waiting=0)
    assert projector.status["parkedSaid"] == {"ok": False, "detail": "2 carts are parked"}
    check_views(setting.database_url, [*good, *others, setting.log.events[1][-2 - sum(
        event["partition"] == 1 for event in others)]])

    dead = {message.value(): message for message in setting.dead_letters()}
    assert len(dead) == 6 or len(setting.dead_letters()) == 6
    message = dead[alien["data"].encode()]
    headers = dict(message.headers())
    assert message.key().decode() == cart and headers["ce_position"].decode() == str(alien["position"])
    assert headers["dead_letter_reason"] and headers["dead_letter_source_partition"] == b"1"
    assert dict(dead[b"\xff\xfe"].headers())["odd"] == b"\xff" and dead[b"\xff\xfe"].key() == b"not a cart"
    rows = setting.sql("SELECT count(*), count(cart_id), count(dead_lettered_at) FROM parked_records")
    assert rows == [(6, 4, 6)]

    # As an upcaster would have it, once the program knows the type.
    setting.sql("UPDATE parked_records SET headers = replace(headers::text, 'ItemTeleported.v1', 'ItemAdded.v1')::json,"
                " value = %s WHERE position = %s AND partition = 1", (later[0]["data"].encode(), alien["position"]))
    setting.sql("UPDATE parked_records SET value = replace(convert_from(value, 'UTF8'), '\"lineQuantity\":' || n,"
                " '\"lineQuantity\":' || n + 1)::bytea FROM (VALUES (2), (1)) AS v (n) WHERE position > %s"
                " AND cart_id = %s AND convert_from(value, 'UTF8') LIKE '%%\"lineQuantity\":' || n || '}'",
                (alien["position"], cart))
    assert projector.run("replay") == {"freed": 1, "left": 1, "applied": 3}
    assert setting.sql("SELECT version FROM cart_views WHERE cart_id = %s", (cart,)) == [(4,)]
    setting.log.carts[cart][1]["tea-01"] = 3
    setting.publish([setting.log.add(cart)])
    eventually(lambda: setting.sql("SELECT version FROM cart_views WHERE cart_id = %s", (cart,)) == [(5,)])
    projector.wait(parkedCarts=1)


def test_given_many_parked_carts_when_it_starts_then_other_carts_do_not_wait_for_their_replay(setting):
    setting.publisher.publish([setting.log.create() for _ in range(1500)], ce_type="cartledger.cart.CartTeleported.v1")
    projector = setting.projector()
    setting.wait_applied()
    projector.stop()
    assert setting.sql("SELECT count(*) FROM parked_carts") == [(1500,)]
    setting.sql("UPDATE parked_records SET headers = replace(headers::text, 'CartTeleported', 'CartCreated')::json")
    other = setting.log.create()
    setting.publish([other, setting.log.add(other["cartId"])])
    projector.start()
    eventually(lambda: setting.sql("SELECT 1 FROM cart_views WHERE cart_id = %s AND version = 2", (other["cartId"],)), 60)
    assert setting.sql("SELECT count(*) FROM parked_carts")[0][0] > 0
    eventually(lambda: setting.sql("SELECT count(*) FROM parked_carts") == [(0,)], 180)
    setting.publish([setting.log.add(cart) for cart in list(setting.log.carts)])
    setting.check()
    assert projector.status["stale"] == 0


def test_given_an_event_of_an_old_schema_version_among_parked_ones_then_the_replay_brings_it_up(setting):
    projector = setting.projector()
    cart = setting.log.create(partition=1)["cartId"]
    setting.log.record(cart, "ItemTeleported", {"lineCount": 0})
    setting.log.record(cart, "CartExpired", {"lastChangedAt": "2026-11-23T09:00:00.000000Z"}, schema_version=1)
    setting.publish(setting.log.events[1])
    projector.wait(parkedCarts=1, parked=2)
    setting.sql("UPDATE parked_records SET headers = replace(headers::text, 'ItemTeleported', 'CartCleared')::json")
    assert projector.run("replay") == {"freed": 1, "left": 0, "applied": 2}
    assert setting.sql("SELECT version, status::text FROM cart_views WHERE cart_id = %s", (cart,)) == [(3, "expired")]


def test_given_a_parked_cart_that_the_database_refuses_then_the_others_are_replayed(setting):
    projector = setting.projector()
    refused, mended = sorted(setting.log.create(partition=1)["cartId"] for _ in range(2))  # replays go by id
    too_long_for_an_index = os.urandom(4000).hex()
    setting.log.record(refused, "CustomerAssigned", {"customerId": too_long_for_an_index, "previousCustomerId": None})
    setting.log.record(mended, "ItemTeleported", {"lineCount": 0})
    setting.publish(setting.log.events[1])
    projector.wait(parkedCarts=2, parked=2)
    setting.sql("UPDATE parked_records SET headers = replace(headers::text, 'ItemTeleported', 'CartCleared')::json")
    assert projector.run("replay") == {"freed": 1, "left": 1, "applied": 1}


def test_given_junk_with_a_place_then_it_does_not_stop_its_partition(setting):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    last = setting.log.events[3][-1]
    setting.publisher.publish([last], ce_position="999999", ce_sequence=f"{999999:020d}")
    setting.publisher.publish([last], ce_id=setting.log.new_id())
    setting.make(300)
    setting.check()
    projector.wait(parked=2, parkedCarts=0, waiting=0)


def test_given_records_of_another_log_when_views_are_made_again_then_they_are_set_aside_once_more(setting):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    last = setting.log.events[3][-1]
    for position in range(last["position"] + 3, last["position"] + 6):  # the log has none there yet
        setting.publisher.publish([last], ce_id=setting.log.new_id(), ce_position=str(position))
    eventually(lambda: setting.sql("SELECT count(*) FROM parked_records") == [(3,)])
    setting.make(300)
    setting.check()
    projector.stop()
    assert projector.run("rebuild")
    projector.start()
    setting.check()
    projector.wait(parkedCarts=0, waiting=0, stopped=0)
    assert setting.sql("SELECT count(*), count(position) FROM parked_records") == [(3, 0)]


def test_given_a_transaction_of_somebody_else_that_nobody_ends_then_nothing_waits_for_it(setting):
    projector = setting.projector()
    setting.make(100)
    setting.check()
    stranger = confluent_kafka.Producer({"bootstrap.servers": setting.kafka.servers, "transactional.id": setting.topic,
                                         "transaction.timeout.ms": 300000})
    stranger.init_transactions(20)
    stranger.begin_transaction()
    stranger.produce(setting.topic, b"of nobody", partition=3)
    assert stranger.flush(10) == 0
    setting.make(100)
    setting.check()
    projector.wait(parked=1, waiting=0)
    stranger.abort_transaction(10)


def test_given_junk_where_the_topic_before_had_other_junk_then_both_are_kept(setting):
    for junk in (b"of the first topic", b"of the second topic"):
        setting.publisher.send(1, "not a cart", junk, {})
        setting.publisher.flush()
        projector = setting.projector()
        projector.wait(deadLettered=1, parkedCarts=0)
        projector.stop()  # librdkafka before 2.3 takes a new topic that is as long for the old one
        setting.re_create_topic()
        setting.publisher = Publisher(setting.kafka.servers, setting.topic)
    assert sorted(message.value() for message in setting.dead_letters()) == [b"of the first topic", b"of the second topic"]


@pytest.mark.parametrize("published", ["all of it", "what is new"])
def test_given_a_topic_that_is_deleted_and_made_again_then_it_goes_on_and_no_view_changes(setting, published):
    projector = setting.projector()
    setting.make(2000)
    setting.check()
    projector.wait(applied=2000)  # its status comes after the views
    changed = projector.status["changed"]
    setting.re_create_topic()
    setting.publisher = Publisher(setting.kafka.servers, setting.topic)
    if published == "all of it":
        setting.publish(setting.log.all())
    setting.make(100)
    setting.check()
    projector.wait(applied=2100, parked=0, waiting=0)
    assert projector.status["changed"] - changed <= 100
    setting.make(100)
    setting.check()


def test_given_a_topic_that_was_made_again_while_nobody_looked_then_it_goes_on(setting):
    projector = setting.projector()
    setting.make(2000)
    setting.check()
    projector.stop()
    setting.re_create_topic()
    setting.publisher = Publisher(setting.kafka.servers, setting.topic)
    setting.make(100)
    projector.start()
    setting.check()
    projector.wait(applied=100, refilled=0)
    assert projector.status["gaps"] >= PARTITIONS  # a broker in a hurry lets a partition's be noticed twice


def test_given_two_projectors_when_one_is_frozen_under_load_then_each_event_is_applied_once(setting):
    setting.make(1000)
    first, second = setting.projector(), setting.projector()
    first.wait(assigned=3)
    second.wait(assigned=3)
    with Making(setting, batch=200):
        for _ in range(2):
            time.sleep(1)
            first.pause()
            second.wait(assigned=6, seconds=30)
            time.sleep(1)
            first.cont()
            first.wait(assigned=3)
            second.wait(assigned=3)
    setting.check()
    assert first.status["parked"] + second.status["parked"] == 0


def test_given_two_projectors_that_both_believe_to_own_everything_then_each_event_is_applied_once(setting):
    """What a frozen process would do that wakes up in the middle of its work, only all the time."""
    first = setting.projector()
    second = setting.projector(KAFKA_GROUP_ID="another")
    first.wait(assigned=6)
    second.wait(assigned=6)
    with Making(setting, batch=200):
        time.sleep(3)
    setting.check()
    assert first.status["stale"] + second.status["stale"] > 10
    assert first.status["parked"] + second.status["parked"] == 0
    assert first.status["applied"] + second.status["applied"] == len(setting.log.all())


def test_given_projectors_that_are_killed_under_load_then_each_event_is_applied_once(setting):
    first, second = setting.projector(), setting.projector()
    with Making(setting):
        for _ in range(3):
            for projector in (first, second):
                time.sleep(0.7)
                projector.kill()
                projector.start()
    setting.check(60)
    assert setting.sql("SELECT count(*) FROM parked_carts") == [(0,)]


def test_given_a_database_that_is_killed_or_frozen_under_load_then_it_goes_on_by_itself(setting):
    projector = setting.projector()
    postgres = setting.infrastructure.postgres
    with Making(setting):
        time.sleep(0.5)
        postgres.kill()
        projector.wait_detail("view store")
        postgres.start()
        projector.wait_detail("following 6 partitions", 3)
        time.sleep(0.5)
        postgres.pause()
        projector.wait_detail("view store")
        postgres.cont()
        projector.wait_detail("following 6 partitions", 10)
    setting.check()
    projector.wait(assigned=6, parked=0)


def test_given_a_broker_that_is_killed_or_frozen_under_load_then_it_goes_on_by_itself(setting):
    projector = setting.projector()
    with Making(setting):
        time.sleep(0.5)
        setting.kafka.kill()
        projector.wait_detail("topic")
        setting.kafka.start()
        projector.wait_detail("following 6 partitions")
        setting.kafka.pause()
        time.sleep(3)
        setting.kafka.cont()
    setting.check()
    projector.wait(assigned=6, parked=0)


def test_given_a_database_that_is_too_slow_for_a_whole_batch_then_it_is_written_in_smaller_ones(setting):
    setting.slow_down(0.05, "ROW")
    setting.make(200)  # 10 s, which is more than a statement may take
    projector = setting.projector()
    projector.wait(seconds=60, applied=200, parked=0, waiting=0)
    assert projector.status["storeFailures"] >= 1
    setting.check()


@pytest.mark.parametrize("when", ["before", "after"])
def test_given_a_connection_that_is_cut_around_the_write_then_it_is_written_once(setting, proxy_factory, when):
    proxy = proxy_factory(("127.0.0.1", setting.infrastructure.postgres.port))
    setting.make(100)
    projector = setting.projector(QUERY_DATABASE_URL=proxy.instead_of(setting.database_url))
    setting.check()
    proxy.cut_on(b"uniquely-named", when=when)
    created = setting.log.create()
    setting.publish([created, setting.log.add(created["cartId"], "uniquely-named")])
    assert proxy.seen.wait(10)
    setting.check()
    projector.wait(parked=0)
    # An answer may be quicker than the cut that comes after the write.
    assert projector.status["storeFailures"] in ((0, 1) if when == "after" else (1,))


@pytest.mark.parametrize("topic", ["whole", "empty"])
def test_given_a_rebuild_beside_a_running_projector_then_it_begins_again(setting, topic):
    projector = setting.projector()
    setting.make(3000)
    setting.check()
    if topic == "empty":
        setting.re_create_topic()
        setting.publisher = Publisher(setting.kafka.servers, setting.topic)
    assert projector.run("rebuild") == {"freed": 0, "left": 0, "applied": 0}
    setting.make(100)
    setting.check()
    projector.wait(waiting=0, parked=0)


def test_given_a_replay_beside_a_rebuild_then_neither_waits_for_the_other_in_a_circle(setting):
    projector = setting.projector()
    cart = setting.log.create(partition=1)["cartId"]
    setting.publish([setting.log.events[1][0], setting.log.record(cart, "ItemTeleported", {})])
    projector.wait(parkedCarts=1)
    projector.stop()

    def waiting():
        return setting.sql("SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
                           " WHERE NOT granted AND d.datname = current_database()")[0][0]

    with psycopg2.connect(setting.owner_url) as reader, concurrent.futures.ThreadPoolExecutor() as pool:
        reader.cursor().execute("LOCK TABLE cart_timeline IN ACCESS SHARE MODE")
        rebuild = pool.submit(projector.run, "rebuild")  # has cart_views, waits for what is read
        eventually(lambda: waiting() == 1)
        replay = pool.submit(projector.run, "replay")
        eventually(lambda: waiting() == 2)
        reader.rollback()
        assert replay.result()["left"] == 0
        rebuild.result()


def test_given_a_log_that_took_another_course_then_its_partition_stops(setting):
    projector = setting.projector()
    setting.make(600)
    setting.check()
    projector.stop()
    setting.sql("UPDATE projection_positions SET event_id = %s WHERE partition = 4", (setting.log.new_id(),))
    before = setting.positions()
    projector.start()
    projector.wait_detail("partition 4: the log has another event at position")
    setting.make(300)
    wanted = {number: len(events) if number != 4 else before[4] for number, events in enumerate(setting.log.events)}
    eventually(lambda: setting.positions() == wanted)
    projector.wait(stopped=1, parked=0)
    projector.run("rebuild")
    setting.check()
    projector.wait(stopped=0)


def test_given_another_log_then_it_stops(setting):
    projector = setting.projector()
    setting.make(100)
    setting.check()
    eventually(lambda: setting.sql("SELECT log_id::text FROM projection_log") == [(setting.log.log_id,)])
    projector.stop()
    setting.log.log_id = setting.log.new_id()
    projector.start()
    projector.wait_detail("rebuild them, or correct the configuration")
    projector.wait(stopped=PARTITIONS)


def test_given_views_of_another_number_of_partitions_then_nothing_is_mixed(setting):
    projector = setting.projector()
    setting.make(100)
    setting.check()
    projector.stop()
    other = setting.projector(PARTITIONS=3, KAFKA_TOPIC=setting.infrastructure.fresh_topics(3)[0])
    other.wait_detail("a log of 6 partitions, not 3")


def test_given_views_from_before_they_were_text_when_migrated_then_they_go_on(setting, tmp_path):
    projector = setting.projector()
    setting.make(300)
    setting.check()
    projector.stop()
    setting.sql("ALTER TABLE cart_views ALTER body TYPE json USING body::json")
    setting.sql("ALTER TABLE cart_timeline ALTER data TYPE json USING data::json, ALTER metadata TYPE json USING metadata::json")
    setting.sql("DELETE FROM applied_migrations WHERE id = '0004_json_as_text.sql'")
    said = databases.migrate("query", setting.owner_url, MIGRATIONS, tmp_path / "sql-migrate.yml")
    assert said == "Applied 1 migration"
    projector.start()
    setting.make(300)
    setting.check()


def test_given_a_stop_then_the_group_is_left_at_once(setting):
    first = setting.projector()
    first.wait(assigned=6)
    first.stop(seconds=3)
    began = time.monotonic()
    second = setting.projector()
    second.wait(assigned=6)
    assert time.monotonic() - began < 5, "less than the session time-out: it was told"
    setting.kafka.pause()
    second.stop(seconds=9)
    setting.kafka.cont()


def test_given_big_carts_then_memory_stays_bounded(setting):
    for _ in range(60):
        cart = setting.log.create()["cartId"]
        for n in range(250):
            setting.log.add(cart, f"a-rather-long-name-of-a-product-{n:020d}", 1)
    events = sorted(setting.log.all(), key=lambda event: event["version"])  # all carts grow together
    setting.publish(events)
    projector = setting.projector()
    setting.check(120)
    program = pathlib.Path(projector.program).read_bytes()
    if b"__asan_init" not in program and b"__tsan_init" not in program:
        assert projector.peak_kib < 64 * 1024 + 16 * 1024, projector.peak_kib
