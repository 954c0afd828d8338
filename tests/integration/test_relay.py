"""The relay against a real PostgreSQL and a real Kafka: whatever breaks, the topic ends up carrying the log, in order."""

import re
import signal
import time
from itertools import groupby

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from invariants import check_topic, read_log, read_topic
from relay_driver import Appending, EventLog, RelayProcess
from service import COMPLAINTS, SANITIZER_OPTIONS
from shop import eventually

PARTITIONS = 6
FROZEN_SECONDS = 5  # RELAY_FROZEN_MS
# Where memory is bounded: AddressSanitizer, if it is there, keeps next to no freed memory apart.
MEASURED = {"ASAN_OPTIONS": SANITIZER_OPTIONS["ASAN_OPTIONS"]
                            + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}


class Setting:
    """A fresh log and a fresh topic, and the relays between them."""

    def __init__(self, infrastructure, folder):
        self.infrastructure, self.folder = infrastructure, folder
        self.kafka = infrastructure.kafka
        self.databases = infrastructure.fresh_databases(PARTITIONS, ["command"])
        self.database_url, self.owner_url = self.databases.command, self.databases.command_owner
        self.topic, self.dead_topic = infrastructure.fresh_topics(PARTITIONS)
        self.log = EventLog(self.database_url)
        self.relays = []

    def relay(self, database_url=None, **env):
        log = self.folder / f"relay-{len(self.relays)}.log"
        self.relays.append(RelayProcess(database_url or self.database_url, self.kafka.servers, self.topic, log, **env))
        return self.relays[-1].start()

    def check(self, duplicates_allowed=True, made_up=False):
        check_topic(self.kafka.servers, self.topic, read_log(self.database_url), PARTITIONS, duplicates_allowed, made_up)

    def record_count(self):
        return sum(len(records) for records in read_topic(self.kafka.servers, self.topic, PARTITIONS).values())

    def re_create_topic(self, partitions=PARTITIONS, config=None):
        self.kafka.delete_topic(self.topic)
        if config is not None:
            admin = AdminClient({"bootstrap.servers": self.kafka.servers})
            admin.create_topics([NewTopic(self.topic, partitions, 1, config=config)])[self.topic].result(10)
        self.kafka.create_topic(self.topic, partitions)

    def truncate_topic(self, offset):
        """Deletes what is before the offset in each partition, as retention does."""
        self.kafka.delete_records(self.topic, PARTITIONS, offset)

    def close(self):
        self.infrastructure.ensure_running()
        for relay in self.relays:
            relay.finish()
        for topic in (self.topic, self.dead_topic):
            self.kafka.delete_topic(topic)
        self.infrastructure.drop_databases(self.databases)
        complaints = [relay.tail() for relay in self.relays if COMPLAINTS.search(relay.log_file.read_text())]
        assert not complaints, complaints[0]


@pytest.fixture
def setting(infrastructure, tmp_path):
    made = Setting(infrastructure, tmp_path)
    yield made
    made.close()


def leader_of(relays):
    return eventually(lambda: next((relay for relay in relays if relay.status.get("leading")), None))


def test_records_carry_the_events_in_order(setting):
    relay = setting.relay()
    relay.wait(state="publishing")
    setting.log.append(500)
    setting.log.append(3, metadata={})
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    setting.log.append(3, metadata={"correlationId": "a", "causationId": "b", "traceparent": trace, "actor": "x",
                                    "commandKey": {"key": "k", "requestHash": "0" * 64}})
    relay.wait_published(setting.log.ends())
    setting.check(duplicates_allowed=False)
    setting.log.append(1, partition=5, data={"name": "x" * 400_000})
    relay.wait_published(setting.log.ends())
    setting.check(duplicates_allowed=False, made_up=True)
    assert relay.status["restarts"] == 0 and relay.status["lag"] == 0


def test_restart_goes_on_where_it_was(setting):
    for _ in range(3):
        relay = setting.relay()
        setting.log.append(1000)
        relay.wait_published(setting.log.ends())
        assert relay.stop() < 2
    setting.check(duplicates_allowed=False)


def test_restart_finds_its_place_among_many_partitions(infrastructure, tmp_path):
    """Each partition is looked at for itself, all together for longer than one attempt may take."""
    count = 256
    databases = infrastructure.fresh_databases(count, ["command"])
    topics = infrastructure.fresh_topics(count)
    log = EventLog(databases.command, count)
    relay = RelayProcess(databases.command, infrastructure.kafka.servers, topics[0], tmp_path / "relay.log", count)
    relay.start()
    log.append(count * 3)
    relay.wait_published(log.ends())
    relay.stop()
    relay.start()
    log.append(count)
    relay.wait_published(log.ends())
    relay.finish()
    check_topic(infrastructure.kafka.servers, topics[0], read_log(databases.command), count, duplicates_allowed=False)
    done = relay.republish("-1:1")
    assert done.returncode == 0 and int(done.stdout) == count * 4, done
    for topic in topics:
        infrastructure.kafka.delete_topic(topic)
    infrastructure.drop_databases(databases)


def test_stop_under_load_leaves_nothing_behind(setting):
    """What was sent is delivered before the end, so that nothing is sent twice."""
    with Appending(setting.log):
        for _ in range(3):
            relay = setting.relay()
            relay.wait(state="publishing")
            time.sleep(0.5)
            relay.stop()
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    setting.check(duplicates_allowed=False)


def test_killed_leader_is_succeeded(setting):
    first, second = setting.relay(), setting.relay()
    with Appending(setting.log):
        leader = leader_of([first, second])
        follower = second if leader is first else first
        follower.wait(state="following")
        time.sleep(1)
        leader.kill()
        follower.wait(leading=1, seconds=5)
        time.sleep(1)
    follower.wait_published(setting.log.ends())
    setting.check()


def test_follower_knows_what_is_published(setting):
    first = setting.relay()
    first.wait(leading=1)
    second = setting.relay()
    setting.log.append(600)
    second.wait_published(setting.log.ends())
    assert second.status["state"] == "following" and second.status["delivered"] == 0
    second.wait(lag=0)
    first.stop()
    second.wait(leading=1, seconds=3)


def test_frozen_leader_loses_its_right(setting):
    first, second = setting.relay(), setting.relay()
    with Appending(setting.log):
        leader = leader_of([first, second])
        follower = second if leader is first else first
        follower.wait(state="following")
        leader.signal(signal.SIGSTOP)
        begun = time.monotonic()
        follower.wait(leading=1, seconds=FROZEN_SECONDS + 5)
        assert time.monotonic() - begun > FROZEN_SECONDS - 1
        time.sleep(0.5)
        leader.signal(signal.SIGCONT)
        leader.wait(state="following", leading=0)
        time.sleep(1)
    follower.wait_published(setting.log.ends())
    assert follower.status["takeovers"] == 1
    setting.check()


@pytest.mark.parametrize("how", ["kill", "stop", "pause"])
def test_absent_broker_delays_and_nothing_else(setting, how):
    relay = setting.relay(**MEASURED)
    with Appending(setting.log, pause=0.02):
        relay.wait(state="publishing")
        time.sleep(1)
        before_kib = relay.peak_kib
        getattr(setting.kafka, how)()
        relay.wait(state="stalled", seconds=15)
        setting.log_of_absence = EventLog(setting.database_url)
        for _ in range(40):
            setting.log_of_absence.append(1000)
        time.sleep(2)
        if how == "pause":
            setting.kafka.cont()
        else:
            setting.kafka.start()
        relay.wait(state="publishing", seconds=30)
    relay.wait_published(setting.log.ends(), seconds=60)
    setting.check()
    assert relay.peak_kib < before_kib + 40_000, (before_kib, relay.peak_kib)


def test_relay_started_without_broker_waits_for_it(setting):
    setting.kafka.stop()
    relay = setting.relay()
    setting.log.append(100)
    relay.wait(state="topic-unreachable")
    setting.kafka.start()
    relay.wait_published(setting.log.ends())
    setting.check(duplicates_allowed=False)


def test_stop_with_an_absent_broker_keeps_its_deadline(setting):
    relay = setting.relay()
    relay.wait(state="publishing")
    setting.kafka.pause()
    setting.log.append(2000)
    time.sleep(1)
    assert relay.stop() < 9
    setting.kafka.cont()
    setting.relay().wait_published(setting.log.ends())
    setting.check()


def test_re_created_topic_gets_everything_again(setting):
    relay = setting.relay()
    setting.log.append(3000)
    relay.wait_published(setting.log.ends())
    setting.re_create_topic()
    eventually(lambda: relay.status["delivered"] == 6000, 20)
    setting.check(duplicates_allowed=False)


@pytest.mark.parametrize("gap", [0, 3])
def test_topic_re_created_under_load_gets_everything_again(setting, gap):
    relay = setting.relay()
    with Appending(setting.log):
        relay.wait(state="publishing")
        time.sleep(1)
        for _ in range(3):
            setting.kafka.delete_topic(setting.topic)
            time.sleep(gap)
            setting.kafka.create_topic(setting.topic, PARTITIONS)
            time.sleep(2)
    relay.wait_published(setting.log.ends(), seconds=60)
    eventually(lambda: setting.check() or True, 10)


def assert_complete(setting):
    """Every event is in the topic, and from position 1 on none is missing; others may come before it."""
    log = {(event["partition"], event["position"]): event["eventId"] for event in read_log(setting.database_url)}
    found = {}
    for partition, records in read_topic(setting.kafka.servers, setting.topic, PARTITIONS).items():
        last = None
        for record in records:
            headers = dict(record.headers())
            position = int(headers["ce_position"])
            assert log[partition, position] == headers["ce_id"].decode()
            found[partition, position] = True
            last = 1 if position == 1 and last is None else max(last, position) if last is not None and (
                position <= last + 1) else last
        assert last == max(place[1] for place in log if place[0] == partition), f"partition {partition}: {last}"
    assert found.keys() == log.keys()


@pytest.mark.parametrize("behind, policy", [(0, "delete"), (1, "delete"), (600, "delete"), (0, "compact")])
def test_topic_that_begins_with_late_events_gets_its_beginning_and_loses_them(setting, behind, policy):
    """What a relay that died after a deletion under load leaves behind. Kafka deletes nothing from a compacted topic."""
    setting.log.append(600)
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    relay.stop()
    topic = read_topic(setting.kafka.servers, setting.topic, PARTITIONS)
    first = {partition: records[:behind] for partition, records in topic.items()}
    late = {partition: records[40:60] + first[partition] for partition, records in topic.items()}
    setting.re_create_topic(config={"cleanup.policy": policy})
    producer = confluent_kafka.Producer({"bootstrap.servers": setting.kafka.servers, "enable.idempotence": True})
    for partition, records in late.items():
        for record in records:
            producer.produce(setting.topic, record.value(), record.key(), partition, headers=record.headers())
    assert producer.flush(10) == 0
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    if policy == "compact":
        eventually(lambda: "the topic begins with late events" in relay.tail())
        assert_complete(setting)
    else:
        eventually(lambda: setting.check(duplicates_allowed=False) or True, 10)
    relay.wait(delivered=600 - sum(map(len, first.values())), restarts=0)
    relay.stop()


def test_wiped_broker_gets_everything_again(private_infrastructure, tmp_path):
    setting = Setting(private_infrastructure, tmp_path)
    try:
        relay = setting.relay()
        setting.log.append(1200)
        relay.wait_published(setting.log.ends())
        setting.kafka.kill()
        setting.kafka.wipe()
        setting.kafka.start()
        relay.wait(state="topic-missing")
        setting.kafka.create_topic(setting.topic, PARTITIONS)
        eventually(lambda: relay.status["delivered"] == 2400, 20)
        setting.check(duplicates_allowed=False)
    finally:
        setting.close()


def test_truncated_topic_is_not_begun_again(setting):
    setting.log.append(1200)
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    relay.stop()
    setting.truncate_topic(50)
    assert setting.record_count() == 1200 - PARTITIONS * 50
    relay = setting.relay()
    setting.log.append(6)
    relay.wait_published(setting.log.ends())
    assert relay.status["delivered"] == 6


def test_last_offsets_without_a_record_are_passed_over(setting):
    """Transactions leave markers, and somebody else may have written what is no event of ours."""
    setting.log.append(60)
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    relay.stop()
    producer = confluent_kafka.Producer({"bootstrap.servers": setting.kafka.servers, "transactional.id": "stranger"})
    producer.init_transactions(20)
    for partition in range(PARTITIONS):
        for _ in range(3):
            producer.begin_transaction()
            producer.produce(setting.topic, b"{}", b"who", partition)
            producer.flush(10)
            producer.abort_transaction(10)
    relay = setting.relay()
    setting.log.append(6)
    relay.wait_published(setting.log.ends())
    assert relay.status["delivered"] == 6


def test_log_that_took_another_course_is_not_mixed_in(setting):
    setting.log.append(60)
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    relay.stop()
    restored = setting.infrastructure.fresh_databases(PARTITIONS, ["command"]).command
    EventLog(restored).append(120)
    relay = setting.relay(restored)
    relay.wait(state="diverged")
    time.sleep(1)
    assert setting.record_count() == 60
    assert "re-create the topic" in relay.tail()
    setting.re_create_topic()
    relay.wait_published([20] * PARTITIONS)
    check_topic(setting.kafka.servers, setting.topic, read_log(restored), PARTITIONS, duplicates_allowed=False)


def test_log_that_lost_its_end_is_not_mixed_in(setting):
    setting.log.append(60)
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    relay.stop()
    relay = setting.relay(setting.infrastructure.fresh_databases(PARTITIONS, ["command"]).command)
    relay.wait(state="diverged")
    assert setting.record_count() == 60


def test_topic_with_another_number_of_partitions_gets_nothing(setting):
    setting.re_create_topic(partitions=2)
    setting.log.append(60)
    relay = setting.relay()
    relay.wait(state="topic-unfit")
    assert "has 2 partitions" in relay.tail()
    assert relay.status["delivered"] == 0


def test_missing_topic_is_waited_for_and_never_created(setting):
    setting.kafka.delete_topic(setting.topic)
    setting.log.append(60)
    relay = setting.relay()
    relay.wait(state="topic-missing")
    setting.kafka.create_topic(setting.topic, PARTITIONS)
    relay.wait_published(setting.log.ends())
    setting.check(duplicates_allowed=False)


@pytest.mark.parametrize("before", [0, 6])
def test_event_too_large_for_the_topic_is_not_skipped(setting, before):
    """The topic has its limit from its beginning: a broker may take some time to heed a changed one."""
    setting.re_create_topic(config={"max.message.bytes": "100000"})
    setting.log.append(before)
    setting.log.append(1, partition=0, data={"name": "".join(chr(33 + i * i % 90) for i in range(300_000))})
    setting.log.append(6000)
    relay = setting.relay()
    relay.wait(state="refused")
    records = read_topic(setting.kafka.servers, setting.topic, PARTITIONS)[0]
    assert [dict(record.headers())["ce_position"] for record in records] == [b"1"] * (before // PARTITIONS)
    admin = AdminClient({"bootstrap.servers": setting.kafka.servers})
    resource = ConfigResource(ConfigResource.Type.TOPIC, setting.topic, set_config={"max.message.bytes": "1048588"})
    admin.alter_configs([resource])[resource].result(10)
    relay.wait_published(setting.log.ends())
    setting.check(made_up=True)


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_absent_database_ends_leadership(setting, how):
    postgres = setting.infrastructure.postgres
    relay = setting.relay()
    with Appending(setting.log):
        relay.wait(state="publishing")
        getattr(postgres, how)()
        relay.wait(state="log-unreachable", leading=0)
        time.sleep(1)
        if how == "pause":
            postgres.cont()
        else:
            postgres.start()
        relay.wait(leading=1, seconds=20)
        time.sleep(1)
    relay.wait_published(setting.log.ends())
    setting.check()


def test_republish_sends_what_the_topic_has_once_more(setting):
    setting.log.append(600)
    relay = setting.relay()
    relay.wait_published(setting.log.ends())
    with Appending(setting.log):
        done = relay.republish("2:51")
        assert (done.returncode, done.stderr.count("kafka-client")) == (0, 0), done.stderr
        assert int(done.stdout) >= 50
        done = relay.republish("-1:1")
        assert done.returncode == 0 and int(done.stdout) >= 600, done
    relay.wait_published(setting.log.ends())
    assert relay.status["restarts"] == 0
    setting.check()
    assert setting.relay().republish("6:1").returncode == 1


def test_state_changes_are_logged_once(setting):
    setting.kafka.delete_topic(setting.topic)
    relay = setting.relay()
    relay.wait(state="topic-missing")
    time.sleep(2.5)
    setting.kafka.create_topic(setting.topic, PARTITIONS)
    relay.wait(state="publishing")
    relay.stop()
    lines = re.findall(r'"subject":"relay","message":"([a-z-]+)"', relay.log_file.read_text())
    assert all(line != after for line, after in zip(lines, lines[1:])), lines
    settled = [state for state, _ in groupby(line for line in lines if line != "topic-unreachable")]
    assert settled == ["topic-missing", "publishing", "stopped"], lines
