"""`query-service --replay-from` on a real PostgreSQL and a real Kafka: whatever was wrong from a position on is right
afterwards, and what comes before it was not touched."""

import json
import re
import subprocess

import psycopg2
import pytest

from projector_driver import Publisher
from projector_setting import PARTITIONS, Making, Setting
from service import Service
from shop import eventually

NUMBER = 2  # the partition that is replayed
TABLES = {"cart_views": "cart_id", "cart_timeline": "cart_id, version", "parked_carts": "cart_id",
          "parked_records": "record_id", "projection_positions": "partition"}


class ReplaySetting(Setting):
    def start_replay(self, place):
        """The service's own program, beside whatever runs; answers the process."""
        service = Service("query-service", self.environment(), self.folder / "replay.log")
        return subprocess.Popen(service.command("--replay-from", place), env=service.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def replay_from(self, position, partition=NUMBER):
        """Answers how many carts were taken back, and from which position on events are applied again."""
        child = self.start_replay(f"{partition}:{position}")
        said, wrong = child.communicate(timeout=60)
        found = re.fullmatch(rf"(\d+) carts were taken back; running query services go on from position (\d+) of "
                             rf"partition {partition}\n", said)
        assert child.returncode == 0 and found, (said, wrong)
        return int(found[1]), int(found[2])

    def rows(self, *tables):
        """Each row with the transaction that wrote it."""
        return {table: self.sql(f"SELECT t.xmin::text, t::text FROM {table} AS t ORDER BY {TABLES[table]}")
                for table in tables or TABLES}

    def untouched(self, position):
        """What must stay as it is: the views of carts without an event from the position on, the timeline before it."""
        return self.sql(
            "SELECT xmin::text, v::text FROM cart_views AS v WHERE cart_id <> ALL (%s::uuid[]) ORDER BY cart_id",
            (self.carts_from(position),)) + self.sql(
            "SELECT xmin::text, t::text FROM cart_timeline AS t WHERE partition <> %s OR position < %s"
            " ORDER BY cart_id, version", (NUMBER, position))

    def carts_from(self, position):
        return sorted({event["cartId"] for event in self.log.events[NUMBER][position - 1:]})

    def spoil(self, position):
        """The work of a projection that was wrong from the position on, in every way that its tables can be."""
        carts = self.carts_from(position)
        wrong = "UPDATE cart_views SET {} WHERE partition = %s AND cart_id = ANY (%s::uuid[])"
        for n, change in enumerate(("body = '{}'", "version = version + 3", "version = greatest(version - 1, 1)",
                                    "status = 'expired', body = json_build_object('cartId', cart_id)")):
            self.sql(wrong.format(change), (NUMBER, carts[n::5]))
        self.sql("DELETE FROM cart_views WHERE partition = %s AND cart_id = ANY (%s::uuid[])", (NUMBER, carts[4::5]))
        self.sql("INSERT INTO cart_views VALUES (%s, %s, 2, 'open', NULL, now(), '{}')", (self.log.new_id(), NUMBER))
        for change in ("DELETE FROM cart_timeline WHERE position %% 3 = 0",
                       "UPDATE cart_timeline SET data = '{\"sku\":\"wrong\"}', event_id = gen_random_uuid()"
                       " WHERE position %% 3 = 1"):
            self.sql(change + " AND partition = %s AND position >= %s", (NUMBER, position))


@pytest.fixture
def setting(infrastructure, tmp_path):
    made = ReplaySetting(infrastructure, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("topic", ["whole", "without its beginning"])
def test_given_a_fault_from_a_position_on_when_it_is_replayed_under_load_then_all_is_right_and_the_rest_untouched(
        setting, topic):
    projectors = [setting.projector(), setting.projector()]
    setting.make(3000)
    setting.check()
    if topic != "whole":
        setting.re_create_topic()
        setting.publisher = Publisher(setting.kafka.servers, setting.topic)
    position = len(setting.log.events[NUMBER]) // 2
    touched, before = setting.carts_from(position), setting.untouched(position)
    begun = {event["cartId"] for event in setting.log.events[NUMBER][:position - 1]}
    assert begun - set(touched) and len(begun & set(touched)) > 5 and set(touched) - begun
    with Making(setting):
        setting.spoil(position)
        carts, start = setting.replay_from(position)
        assert carts >= len(touched[0::5]) and start == position
    setting.check()
    after = set(setting.untouched(position))
    assert after >= set(before), "rows were written that had nothing to do with it"
    assert setting.sql("SELECT (SELECT count(*) FROM parked_carts), (SELECT count(*) FROM parked_records)") == [(0, 0)]
    for projector in projectors:
        projector.wait(waiting=0, stopped=0)


def test_given_the_first_position_then_the_whole_partition_is_made_again_and_no_other(setting):
    setting.projector()
    setting.make(600)
    setting.check()
    epochs = "SELECT partition, epoch FROM projection_positions"
    before, epoch = setting.untouched(1), dict(setting.sql(epochs))
    setting.spoil(1)
    setting.replay_from(1)
    setting.check()
    assert setting.untouched(1) == before
    assert dict(setting.sql(epochs)) == {**epoch, NUMBER: epoch[NUMBER] + 1}, "whoever holds carts in memory must notice"


def test_given_an_event_that_is_missing_before_the_position_then_it_begins_there(setting):
    setting.projector()
    setting.make(600)
    setting.check()
    setting.sql("DELETE FROM cart_timeline WHERE partition = %s AND position IN (40, 50)", (NUMBER,))
    assert setting.replay_from(60)[1] == 40
    setting.check()


@pytest.mark.parametrize("place", ["2:100000", "5:1"], ids=["beyond what was applied", "of nothing"])
def test_given_a_position_from_which_nothing_was_applied_then_nothing_is_done(setting, place):
    setting.projector()
    setting.publish([event for event in setting.log.make(300) if event["partition"] != 5])
    applied = {number: len(events) for number, events in enumerate(setting.log.events) if number != 5}
    eventually(lambda: setting.positions() == {**applied, 5: 0})
    before = setting.rows()
    child = setting.start_replay(place)
    said, wrong = child.communicate(timeout=60)
    assert (child.returncode, wrong) == (0, "") and said.startswith("nothing to do: no event of partition"), said
    assert setting.rows() == before


def test_given_parked_carts_then_those_from_the_position_on_are_tried_again_and_the_others_stay(setting):
    projector = setting.projector()
    early, damaged = (setting.log.create(partition=NUMBER)["cartId"] for _ in range(2))
    setting.log.record(early, "ItemTeleported", {})
    position = [setting.log.add(damaged) for _ in range(2)][-1]["position"]
    setting.publish(setting.log.events[NUMBER])
    setting.publisher.send(NUMBER, "not a cart", b"junk", {})
    setting.publisher.flush()
    projector.wait(parkedCarts=1, parked=2)
    setting.sql("UPDATE cart_views SET body = '{}' WHERE cart_id = %s", (damaged,))
    projector.stop()
    projector.start()  # knows no cart
    late = setting.log.create(partition=NUMBER)["cartId"]
    more = [setting.log.add(damaged), setting.log.record(late, "ItemTeleported", {}), setting.log.add(early)]
    setting.publish(setting.log.events[NUMBER][position:])
    pending = "SELECT count(*) FROM parked_records WHERE dead_lettered_at IS NULL"
    projector.wait(parkedCarts=3)
    eventually(lambda: setting.sql(pending) == [(0,)])
    stay = "SELECT xmin::text, r::text FROM parked_records AS r WHERE position < %s OR position IS NULL ORDER BY record_id"
    before = setting.sql(stay, (position,))
    assert len(before) == 2

    def goes_on():
        eventually(lambda: setting.positions()[NUMBER] == more[-1]["position"])
        assert setting.sql("SELECT version FROM cart_views WHERE cart_id = %s", (damaged,)) == [(4,)]
        assert setting.sql("SELECT cart_id::text FROM parked_carts ORDER BY 1") == sorted([(early,), (late,)])
        assert setting.sql("SELECT count(*) FROM parked_records") == [(4,)]

    assert setting.replay_from(position) == (2, position)
    goes_on()
    assert setting.sql(stay, (position,)) == before
    assert setting.replay_from(position - 1) == (2, position - 2), "the event before it is parked"
    goes_on()
    projector.wait(parkedCarts=2)


def test_given_a_log_that_took_another_course_then_only_a_replay_from_before_it_goes_on(setting):
    projector = setting.projector()
    setting.make(600)
    common = len(setting.log.events[NUMBER])
    lost = setting.log.create(partition=NUMBER)["cartId"]
    for _ in range(5):
        setting.log.add(lost)
    setting.publish(setting.log.events[NUMBER][common:])
    setting.check()

    projector.stop()
    del setting.log.events[NUMBER][common:], setting.log.carts[lost]
    other = setting.log.create(partition=NUMBER)["cartId"]
    for _ in range(8):
        setting.log.add(other)
    setting.re_create_topic()
    setting.publisher = Publisher(setting.kafka.servers, setting.topic)
    setting.publish(setting.log.all())
    projector.start()
    projector.wait_detail("took another course")
    assert setting.replay_from(common + 3) == (1, common + 3)
    projector.wait_detail(f"another event at position {common + 2}")
    projector.wait(stopped=1)
    assert setting.replay_from(common + 1) == (1, common + 1)
    setting.check()
    projector.wait(stopped=0, parked=0)


@pytest.mark.parametrize("where", ["while it takes views back", "while it puts views back"])
def test_given_a_replay_that_is_killed_in_the_middle_then_nothing_was_done(setting, where):
    setting.projector().wait(assigned=PARTITIONS)
    setting.make(600)
    setting.check()
    position = len(setting.log.events[NUMBER]) // 2
    older = next(event["cartId"] for event in setting.log.events[NUMBER][position:] if event["version"] > position // 50 + 2)
    with psycopg2.connect(setting.owner_url) as other:
        if where == "while it takes views back":
            other.cursor().execute("SELECT 1 FROM cart_views WHERE cart_id = %s FOR UPDATE", (older,))
        else:
            row = setting.sql("DELETE FROM cart_views WHERE cart_id = %s RETURNING cart_views::text", (older,))[0]
            other.cursor().execute("INSERT INTO cart_views SELECT (%s::cart_views).*", row)
        before = setting.rows()
        child = setting.start_replay(f"{NUMBER}:{position}")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        eventually(lambda: setting.sql(waiting) == [(1,)], 30, 0.02)
        assert setting.rows("cart_views") == {"cart_views": before["cart_views"]}, "who reads neither waits nor sees it"
        child.kill()
        child.communicate()
        eventually(lambda: setting.sql(waiting) == [(0,)], 10)  # its session does not wait for us
        assert setting.rows() == before
        other.rollback()
    setting.replay_from(position)
    setting.check()


def test_given_an_event_before_the_position_that_cannot_be_applied_then_nothing_is_done_and_it_is_said(setting):
    projector = setting.projector()
    setting.make(600)
    setting.check()
    events = setting.log.events[NUMBER]
    last = events[-1]
    setting.sql("UPDATE cart_timeline SET data = '{}' WHERE cart_id = %s AND version = 1", (last["cartId"],))
    before = setting.rows()
    child = setting.start_replay(f"{NUMBER}:{last['position']}")
    said, wrong = child.communicate(timeout=60)
    first = next(event["position"] for event in events if event["cartId"] == last["cartId"])
    assert child.returncode == 1 and wrong.startswith(f"cannot replay: position {first} before it: "), (said, wrong)
    assert setting.rows() == before
    setting.replay_from(first)
    setting.check()
    projector.wait(parked=0)


def largest_lines(quantity):
    """As many as a cart may have, of the longest names and skus."""
    return [{"sku": f"{n:064d}", "name": f"{n:03d}" + "é" * 126, "quantity": quantity,
             "unitPrice": {"amountMinor": 1999, "currency": "EUR"}} for n in range(500)]


def test_given_a_cart_of_many_large_events_before_the_position_then_it_is_put_back(setting):
    log = setting.log
    cart = log.create(partition=NUMBER)["cartId"]
    source = log.new_id()
    for n in range(200):
        log.record(cart, "CartMerged", {"sourceCartId": source, "sourceVersion": 1, "strategy": "sum",
                                        "items": largest_lines(n % 999 + 1)})
    last = log.record(cart, "CartCancelled", {})
    events = log.events[NUMBER]
    # As a projection would have left them.
    setting.sql("INSERT INTO projection_positions (partition) SELECT generate_series(0, 5)")
    for event in events:
        setting.sql("INSERT INTO cart_timeline VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '{}')",
                    (cart, event["version"], NUMBER, event["position"], event["eventId"], event["type"],
                     event["schemaVersion"], event["occurredAt"], event["data"]))
    setting.sql("INSERT INTO cart_views VALUES (%s, %s, %s, 'cancelled', NULL, now(), %s)",
                (cart, NUMBER, last["version"], json.dumps({"cartId": cart})))
    setting.sql("UPDATE projection_positions SET position = %s, event_id = %s, occurred_at = now() WHERE partition = %s",
                (last["position"], last["eventId"], NUMBER))
    child = setting.start_replay(f"{NUMBER}:{last['position']}")
    said, wrong = child.communicate(timeout=120)
    assert (child.returncode, wrong) == (0, "") and said.startswith("1 carts were taken back"), (said, wrong)
