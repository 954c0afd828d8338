"""Writer lanes in a process of their own (lane_test_driver), and whether its answers and the log agree."""

import json
import subprocess
import threading
from collections import Counter, defaultdict, namedtuple

import psycopg2

from service import SANITIZER_OPTIONS, build_folder

ANSWER_MICROSECONDS = 1_950_000  # the lane's 1.8 s, and some; what clients are promised is 2 s
STALLS = 10  # so many of the machine's longest stalls may come on top
Answer = namedtuple("Answer", "number status refusal events version position microseconds late")


class LaneProcess:
    """Runs until stop(); `env` as in lane_test_driver.c. `answers` grows while it runs, `sums` come with the end."""

    def __init__(self, url, log_file, **env):
        environment = {"PATH": "/usr/bin:/bin", **SANITIZER_OPTIONS, "COMMAND_DATABASE_URL": url,
                       **{name: str(value) for name, value in env.items()}}
        self.log_file = log_file
        with open(log_file, "ab") as log:
            self.child = subprocess.Popen([str(build_folder() / "tests/integration/lane_test_driver")],
                                          env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                          text=True)
        self.answers, self.sums = [], {}
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            if not line.endswith("\n"):
                break  # killed in the middle of it
            kind, words = line.split(maxsplit=1)
            if kind == "sum":
                name, value = words.rsplit(maxsplit=1)
                self.sums[name] = float(value)
                continue
            number, rest = words.split(maxsplit=1)
            status, *numbers = rest.rsplit(maxsplit=6)
            *numbers, late = map(int, numbers)
            self.answers.append(Answer(int(number), status, *numbers, bool(late)))

    def counts(self):
        """How many answers of each status so far."""
        return Counter(answer.status for answer in list(self.answers))

    def stop(self, seconds=30):
        """Lets the last commands be answered; the process must end well."""
        self.child.stdin.close()
        try:
            assert self.child.wait(seconds) == 0, self.log_file.read_text()[-4000:]
        finally:
            self.child.kill()
            self.reader.join()
        return self


def check_answers(process, log):
    """What was answered is in the log, once and nothing else; answers came in time."""
    answers, allowed = process.answers, ANSWER_MICROSECONDS + STALLS * process.sums["longest_stall_us"]
    stored = defaultdict(list)
    for event in log:
        stored[json.loads(event["metadata"])["correlationId"]].append(event)
    assert len({answer.number for answer in answers}) == len(answers)
    for answer in answers:
        events = stored.pop(str(answer.number), [])
        assert answer.microseconds < allowed, (answer, allowed)
        if answer.status == "uncertain":
            assert len({(event["cartId"], event["occurredAt"]) for event in events}) <= 1, answer
        elif answer.status == "ok":
            assert len(events) == answer.events, (answer, events)
            if events:
                assert (events[-1]["version"], events[-1]["position"]) == (answer.version, answer.position), answer
        else:
            assert not events, (answer, events)
        for before, after in zip(events, events[1:]):
            assert (after["version"], after["position"]) == (before["version"] + 1, before["position"] + 1)
    assert not stored, "events that no command was answered for"


class Follower(threading.Thread):
    """Reads each partition as the relay does, by position; a gap or a step back is kept in `wrong`."""

    def __init__(self, url, partitions=6):
        super().__init__(daemon=True)
        self.url, self.last, self.wrong = url, dict.fromkeys(range(partitions), 0), []
        self.stopping = threading.Event()
        self.rounds = 0

    def run(self):
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not self.stopping.is_set():
                self.rounds += 1
                for partition, last in self.last.items():
                    cursor.execute("SELECT position FROM events WHERE partition = %s AND position > %s"
                                   " ORDER BY position LIMIT 500", (partition, last))
                    for (position,) in cursor.fetchall():
                        if position != self.last[partition] + 1:
                            self.wrong.append((partition, self.last[partition], position))
                        self.last[partition] = position

    def stop(self):
        """Follows to the end; answers what was seen."""
        self.stopping.set()
        self.join()
        return self.last
