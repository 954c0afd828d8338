"""The benchmark's arithmetic, and its load generator: what a server that stands still costs must show."""

import itertools
import math
import pathlib
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

from devstack.ports import free_port
from devstack.report import Trouble
from service import build_folder

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from harness import costs, event_sourced, loads, shopping  # noqa: E402
from harness.arithmetic import Sample, count_jumps, latency_summary, median, percentile, sandwich  # noqa: E402
from harness.bench import SHORT, Bench  # noqa: E402
from harness.latencies import SlowClients  # noqa: E402
from harness.log_loader import murmur2  # noqa: E402
from harness.long_log import how_much_worse  # noqa: E402
from harness.subjects import SUBJECTS  # noqa: E402
from invariants import murmur2 as known_murmur2  # noqa: E402


def test_given_values_then_the_median_is_in_their_middle():
    assert median([5, 1, 9]) == 5
    assert median([4, 1, 9, 5]) == 4.5
    assert median([7]) == 7


@pytest.mark.parametrize(("count", "percent", "rank"), [
    (1000, 50, 500), (1000, 99, 990), (1000, 99.9, 999), (1001, 99.9, 1000), (10, 99, 10), (1, 50, 1), (3, 50, 2)])
def test_given_sorted_values_then_a_percentile_is_one_that_so_many_do_not_exceed(count, percent, rank):
    assert percentile(list(range(1, count + 1)), percent) == rank


def test_given_latencies_then_the_summary_is_in_milliseconds_and_keeps_the_worst():
    summary = latency_summary([1000] * 999 + [500_000])
    assert (summary["p50"], summary["p99.9"], summary["max"], summary["count"]) == (1, 1, 500, 1000)
    assert latency_summary([]) is None


@pytest.mark.parametrize(("before", "after", "unequal"), [
    (100, 100, False), (100, 110, False), (110, 100, False), (100, 111, True), (111, 100, True), (0, 100, True)])
def test_given_two_baselines_then_more_than_ten_percent_apart_is_unequal(before, after, unequal):
    assert Sample(before, {"rate": 1}, after).is_unequal is unequal


def measured(baselines, rates, wanted, tries):
    baselines, rates = iter(baselines), iter(rates)
    return sandwich(lambda: next(baselines), lambda: {"rate": next(rates)}, wanted, tries)


def test_given_equal_baselines_when_sandwiched_then_each_run_of_a_baseline_serves_two_samples():
    samples = measured([100, 104, 100], [200, 306], 2, 5)
    assert [sample.ratio for sample in samples.kept] == [200 / 102, 3]
    assert not samples.is_noisy and samples.thrown == []


def test_given_unequal_baselines_when_sandwiched_then_the_sample_is_thrown_away_and_repeated():
    samples = measured([100, 150, 150], [999, 300], 1, 5)
    assert [sample.subject["rate"] for sample in samples.used] == [300]
    assert len(samples.thrown) == 1 and not samples.is_noisy


def test_given_baselines_that_never_settle_when_sandwiched_then_it_gives_up_and_says_so():
    samples = measured([100, 150, 100, 150], [200, 201, 202], 1, 3)
    assert samples.is_noisy and len(samples.used) == 3


@pytest.mark.parametrize(("baselines", "kept", "noisy"), [
    ([100] * 4, 3, False), ([100, 100, 100, 150], 2, False), ([100, 150, 150, 100], 1, True)])
def test_given_a_time_that_is_too_short_when_sandwiched_then_what_was_kept_is_enough_if_it_is_most(baselines, kept, noisy):
    left, clock = iter(baselines), iter(range(100))
    samples = sandwich(lambda: next(left), lambda: {"rate": 1}, 5, 9, seconds=4, clock=lambda: next(clock))
    assert (len(samples.kept), samples.is_noisy) == (kept, noisy)


def test_given_a_subject_whose_time_is_up_then_no_sample_is_repeated():
    bench, baselines = Bench(None, SHORT, None), itertools.count(100, 50)
    assert len(bench.sandwich(lambda: next(baselines), lambda: {"rate": 1}).thrown) == SHORT.tries
    bench.until = time.monotonic()
    assert len(bench.sandwich(lambda: next(baselines), lambda: {"rate": 1}).thrown) == 1


def test_given_no_names_then_all_subjects_are_planned_for_less_than_three_minutes():
    planned = sum(subject.short for subject in SUBJECTS.values() if subject.is_default(False))
    assert planned <= 165, "up to 15 are for the servers to start"


@pytest.mark.parametrize(("positions", "count", "jumps"), [
    ([7, 8, 9], 3, 0), ([7, 8, 7, 8, 9], 3, 0), ([7, 9], 2, 1), ([7, 9, 8], 2, 1)])
def test_given_records_then_repetitions_are_not_jumps_and_gaps_are(positions, count, jumps):
    records = [(partition, position) for position in positions for partition in (0, 1)]
    assert count_jumps(records) == (2 * count, 2 * jumps)


def test_given_what_some_commands_cost_then_the_row_has_what_each_did_of_the_parts_that_count():
    rows = []
    bench = types.SimpleNamespace(report=types.SimpleNamespace(figure=lambda *row, **more: rows.append((*row, more))))
    cost = {"commands": 2, "cpuSeconds": {"command-service/lane-0": 0.004, "postgres": 0.016, "kafka": 9}, "walBytes": 3000,
            "switches": {"command-service": 6, "query-service": 2, "kafka": 500}, "rssMiB": {"command-service": 30}}
    costs.report(bench, "2 carts", cost, ("command-service", "postgres"), {"command-service": 10}, carts=2)
    (name, cpu, unit, more), = rows
    assert (name, cpu, unit) == ("2 carts: CPU a command", 10_000, "µs")
    assert more["beside"] == "WAL 1,500 B, 4 switches, 10 calls" and more["carts"] == 2
    assert more["cost"] == {"cpuUs": {"command-service/lane-0": 2000, "postgres": 8000}, "walBytes": 1500,
                            "switches": {"command-service": 3, "query-service": 1}, "systemCalls": {"command-service": 10},
                            "rssMiB": {"command-service": 30}}


@pytest.mark.parametrize(("target", "kind", "value", "before", "after", "worse"), [
    ("≥ 1.5 ×", "ratio", "ratio", 2, 1, 2), ("≥ 1.5 ×", "ratio", "ratio", 1, 2, 0.5),
    ("≤ 1.2 ×", "ratio", "ratio", 1, 1.5, 1.5), ("≤ 50 ms", "figure", "ours", 20, 10, 0.5),
    ("≤ 50 ms", "figure", "ours", 0, 10, math.inf), ("≥ 5 ×", "ratio", "ratio", 1, 0, math.inf),
    ("≤ 50 ms", "figure", "ours", 0, 0, 1), ("", "figure", "ours", 10, 20, 2)])
def test_given_a_figure_twice_then_how_much_worse_it_became_depends_on_what_is_wanted(target, kind, value, before, after,
                                                                                      worse):
    rows = [{"kind": kind, "target": target, "ours": 7, value: seen} for seen in (before, after)]
    assert how_much_worse(*rows) == worse


@pytest.mark.parametrize("said", ["javac 11.0.2", None])
def test_given_an_old_jdk_or_none_when_a_peer_needs_one_then_it_says_which(tmp_path, monkeypatch, said):
    for tool in ("javac", "java", "mvn") if said else ("java", "mvn"):
        (tmp_path / tool).write_text(f"#!/bin/sh\necho {said}\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Trouble, match=f"JDK of 17 or newer and Maven; .* {said or 'javac'}$"):
        event_sourced.axon(None)


def test_given_a_crowd_of_shoppers_then_each_cart_has_one_connection_and_ten_gets_follow_a_command(monkeypatch):
    monkeypatch.setattr(shopping, "SHOPPERS", 8)
    asked = []
    monkeypatch.setattr(loads, "open_loop", lambda url, texts, rate, shoppers: asked.append((texts, shoppers)))
    crowd = shopping.Crowd(types.SimpleNamespace(command=types.SimpleNamespace(url="")))
    [(first, shoppers)] = asked
    assert shoppers == 8

    def cart_of(text):
        return text.split(b"/")[3].split(b" ")[0]

    connection_of, settled = {}, {cart_of(text) for text in first}
    for number, text in enumerate(first):
        assert connection_of.setdefault(cart_of(text), number % 8) == number % 8
    for count in (11 * 8 * 40, 11 * 8 * 3):
        texts = crowd.texts(count)
        assert len(texts) == count and sum(is_read for _, is_read in texts) * 11 == count * 10
        for number, (text, is_read) in enumerate(texts):
            assert is_read == text.startswith(b"GET")
            assert not is_read or cart_of(text) in settled
            assert is_read or connection_of.setdefault(cart_of(text), number % 8) == number % 8
        settled |= {cart_of(text) for text, is_read in texts if not is_read}
        assert all(cart is None or cart[0].encode() in settled for cart in crowd.carts)


def test_given_a_server_that_closes_a_slow_connection_then_it_comes_again(monkeypatch):
    monkeypatch.setattr(SlowClients, "STEPS", 100)  # a byte each 10 ms
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def close_the_first_two():
            for number in range(4):
                taken.append(listener.accept()[0])
                if number < 2:
                    taken[number].recv(1)
                    taken[number].close()

        server = threading.Thread(target=close_the_first_two)
        server.start()
        with SlowClients(listener.getsockname()[1], 2) as slow:
            server.join(10)
            assert not server.is_alive(), "no connection came again"
        assert slow.reopened == 2
        received = b"".join(iter(lambda: taken[2].recv(100), b""))
        assert received and SlowClients.HEAD.startswith(received)
        taken[2].close(), taken[3].close()


def test_given_a_cart_id_then_the_loader_puts_it_into_the_partition_that_everybody_else_does():
    for cart in (b"0198c5a5-3c3a-7d3b-8000-00000000000f", b"21a", b"", b"abcde"):
        assert murmur2(cart) == known_murmur2(cart)


class StandingStill:
    """An HTTP server for one connection that answers each request at once, but for one, which waits `seconds`."""

    def __init__(self, at, seconds):
        self.at, self.seconds, self.paths = at, seconds, []
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        connection, _ = self.listener.accept()
        number, text = 0, b""
        while received := connection.recv(4096):
            text += received
            while b"\r\n\r\n" in text:
                head, _, text = text.partition(b"\r\n\r\n")
                self.paths.append(head.split()[1].decode())
                number += 1
                if number == self.at:
                    time.sleep(self.seconds)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        connection.close()


def open_loop(tmp_path, ports, rate, count, paths=("/",)):
    """One shopper who asks for the paths in turn, each on its own port where there are several."""
    texts = [f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n" for path in paths]
    requests = [f"{len(text)} {port}\n{text}" for port, text in enumerate(texts)]
    (tmp_path / "requests").write_text("".join(requests) * count)
    done = subprocess.run([build_folder() / "bench/open_loop", "127.0.0.1", str(ports), str(rate), "1",
                           tmp_path / "requests"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def test_given_a_server_that_stands_still_when_in_an_open_loop_then_all_that_should_have_been_sent_waited(tmp_path):
    server = StandingStill(at=50, seconds=1)
    rows = open_loop(tmp_path, server.port, rate=200, count=400)
    assert [status for _, _, status in rows] == [200] * 400
    assert [begun for begun, _, _ in rows] == [number * 5000 for number in range(400)]
    late = [latency for _, latency, _ in rows if latency > 100_000]
    # In a second at 200 a second 200 requests were due; the last of them waited for little.
    assert 150 <= len(late) <= 250
    assert max(late) >= 990_000


def test_given_a_server_that_stands_still_when_in_a_closed_loop_then_one_request_waited(tmp_path):
    server = StandingStill(at=50, seconds=1)
    rows = open_loop(tmp_path, server.port, rate=0, count=400)
    assert sum(latency > 500_000 for _, latency, _ in rows) == 1


def test_given_two_ports_when_requests_name_them_then_each_server_gets_its_own_and_the_shopper_waits_for_both(tmp_path):
    servers = StandingStill(at=0, seconds=0), StandingStill(at=50, seconds=1)
    rows = open_loop(tmp_path, ",".join(str(server.port) for server in servers), 200, 100, ("/first", "/second"))
    assert [server.paths for server in servers] == [["/first"] * 100, ["/second"] * 100]
    assert [status for _, _, status in rows] == [200] * 200
    late = [number for number, (_, latency, _) in enumerate(rows) if latency > 500_000]
    assert late[0] == 99 and {number % 2 for number in late} == {0, 1}


@pytest.mark.parametrize("ports", ["", "0", "1,", "1,2,3", "65536", "http"])
def test_given_ports_that_are_none_then_the_open_loop_says_how_to_call_it(ports):
    done = subprocess.run([build_folder() / "bench/open_loop", "127.0.0.1", ports, "0", "1", "/dev/null"],
                          capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2 and done.stderr.startswith("open_loop HOST PORT[,PORT] ")
