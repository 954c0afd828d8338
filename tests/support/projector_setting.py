"""The projectors between a made-up log, a topic and a read database of their own; and events that keep coming."""

import psycopg2

from invariants import check_views, read_topic
from projector_driver import LogServer, MadeUpLog, ProjectorProcess, Publisher
from repeating import Repeating
from service import COMPLAINTS
from shop import eventually

PARTITIONS = 6


class Setting:
    """A made-up log, a fresh topic and a fresh read database, and the projectors between them."""

    def __init__(self, infrastructure, folder):
        self.infrastructure, self.folder = infrastructure, folder
        self.kafka = infrastructure.kafka
        self.databases = infrastructure.fresh_databases(kinds=["query"])
        self.database_url, self.owner_url = self.databases.query, self.databases.query_owner
        self.topic, self.dead_topic = infrastructure.fresh_topics(PARTITIONS)
        self.publisher = Publisher(self.kafka.servers, self.topic)
        self.log = MadeUpLog(PARTITIONS)
        self.server = LogServer(self.log)
        self.projectors = []

    def environment(self):
        return {"QUERY_DATABASE_URL": self.database_url, "KAFKA_BOOTSTRAP_SERVERS": self.kafka.servers,
                "KAFKA_TOPIC": self.topic, "KAFKA_DEAD_LETTER_TOPIC": self.dead_topic, "KAFKA_GROUP_ID": self.topic,
                "COMMAND_URL": self.server.url, "PARTITIONS": PARTITIONS}

    def projector(self, start=True, **env):
        made = ProjectorProcess(self.folder / f"projector-{len(self.projectors)}.log", **{**self.environment(), **env})
        self.projectors.append(made)
        return made.start() if start else made

    def sql(self, statement, parameters=None):
        with psycopg2.connect(self.owner_url) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def slow_down(self, seconds, each):
        """Makes each `ROW` of the timeline, or each `STATEMENT` that writes some, take as long."""
        self.sql("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
                 f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;"
                 f"CREATE TRIGGER dawdle AFTER INSERT ON cart_timeline FOR EACH {each} EXECUTE FUNCTION dawdle()")

    def publish(self, events):
        self.publisher.publish(events)

    def make(self, count):
        """Makes events and publishes them."""
        self.publish(self.log.make(count))

    def positions(self):
        return dict(self.sql("SELECT partition, position FROM projection_positions"))

    def wait_applied(self, seconds=60):
        wanted = {number: len(events) for number, events in enumerate(self.log.events)}
        eventually(lambda: {**dict.fromkeys(wanted, 0), **self.positions()} == wanted, seconds)

    def check(self, seconds=60):
        """Every view is the fold of its events, every event is in its timeline, once."""
        self.wait_applied(seconds)
        check_views(self.database_url, self.log.all(), seconds)
        timeline = self.sql("SELECT partition, position, event_id::text, data::text FROM cart_timeline ORDER BY 1, 2")
        assert timeline == [(e["partition"], e["position"], e["eventId"], e["data"]) for e in self.log.all()]

    def dead_letters(self):
        return read_topic(self.kafka.servers, self.dead_topic, 1)[0]

    def re_create_topic(self, partitions=PARTITIONS):
        self.kafka.delete_topic(self.topic)
        self.kafka.create_topic(self.topic, partitions)

    def close(self):
        self.infrastructure.ensure_running()
        for projector in self.projectors:
            projector.finish()
        self.server.close()
        for topic in (self.topic, self.dead_topic):
            self.kafka.delete_topic(topic)
        self.infrastructure.drop_databases(self.databases)
        complaints = [made.tail(60) for made in self.projectors if COMPLAINTS.search(made.log_file.read_text())]
        assert not complaints, complaints[0]


class Making(Repeating):
    """`with Making(setting):` … events happen and are published all the time."""

    def __init__(self, setting, batch=40, pause=0.01):
        super().__init__(pause)
        self.setting, self.batch = setting, batch

    def turn(self):
        self.setting.make(self.batch)
