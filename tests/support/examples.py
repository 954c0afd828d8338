"""The programs in examples/, as processes on a Stack's topic."""

import os
import pathlib
import signal
import subprocess

import confluent_kafka

from invariants import read_log, read_topic
from shop import eventually

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def send_junk(stack):
    """A record of somebody else in each partition of the topic."""
    producer = confluent_kafka.Producer({"bootstrap.servers": stack.kafka_servers})
    for partition in range(stack.partitions):
        producer.produce(stack.topic, b"no event of a cart", partition=partition)
    assert producer.flush(30) == 0


def is_published(stack):
    try:
        records = read_topic(stack.kafka_servers, stack.topic, stack.partitions)
    except confluent_kafka.KafkaException:  # a partition without a leader yet
        return False
    return sum(map(len, records.values())) == len(read_log(stack.command_database_url))


def make_topic_anew(stack):
    """As `cartledger-topic recreate` does, and the relay fills it; brokers that were restarted have counted their epochs
    up."""
    kafka = stack.infrastructure.kafka
    kafka.stop()
    kafka.start()
    kafka.delete_topic(stack.topic)
    kafka.create_topic(stack.topic, stack.partitions)
    eventually(lambda: is_published(stack))


class Program:
    """start(), stop() with SIGTERM, kill(), start() again; what all of its lives have said is in output()."""

    def __init__(self, command, stack, folder, **environment):
        self.command, self.folder = [str(word) for word in command], folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KAFKA_TOPIC": stack.topic,
                            "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_servers,
                            **{name: str(value) for name, value in environment.items()}}
        self.child = None

    def start(self):
        assert self.child is None or self.child.poll() is not None
        with open(self.folder / "output", "ab") as output:
            self.child = subprocess.Popen(self.command, env=self.environment, cwd=self.folder, stdout=output,
                                          stderr=output, stdin=subprocess.DEVNULL)

    def keep(self):
        """Starts it when it has ended, as a service manager does."""
        if not self.running():
            self.start()

    def running(self):
        return self.child is not None and self.child.poll() is None

    def wait(self, seconds=30):
        """Its exit code, once it has ended by itself."""
        return self.child.wait(seconds)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.running():
            self.child.kill()
            self.child.wait()

    def output(self):
        return (self.folder / "output").read_text()
