"""./dev: what it promises to whoever types it or builds upon it (`./dev help`, CONTRIBUTING.md)."""

import json
import os
import re
import runpy
import subprocess

import pytest

from checkout import ROOT
from devstack.aside import Aside
from devstack.tally import Tally

NAMES = ["postgres", "kafka", "command-service", "query-service"]
# What a shell may have for other servers.
ELSEWHERE = {"http_proxy": "http://127.0.0.1:9", "PGSERVICE": "other", "PGSSLMODE": "require"}
ENV = ["COMMAND_URL", "QUERY_URL", "COMMAND_DATABASE_URL", "QUERY_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC"]


def said(checkout, script, status=0, **environment):
    done = checkout.run(script, **environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def pids(checkout):
    return {file.stem: int(file.read_text()) for file in checkout.folder.glob(".dev/run/*.pid")}


def has_ended_well(checkout, name):
    """How often."""
    return said(checkout, f"./dev logs {name}").count(f'"subject":"{name}","message":"stopped"')


def check_curl_lines(checkout, greeting):
    """Pasted, the three lines do what they say; answers the URL of the third one's view."""
    lines = re.findall(r"^  (curl .+)$", greeting, re.M)
    answers = [json.loads(said(checkout, line)) for line in lines]
    assert [answer["version"] for answer in answers] == [1, 2, 2] and answers[2]["itemCount"] == 2
    return re.search(r"'(http\S+)'$", lines[2])[1]


def check_env(checkout):
    printed = said(checkout, f". .dev/env; printenv {' '.join(ENV)}").splitlines()
    values = dict(zip(ENV, printed, strict=True))
    for name, service in (("COMMAND_URL", "command-service"), ("QUERY_URL", "query-service")):
        assert values[name] == f"http://127.0.0.1:{checkout.ports[service]}"
    assert values["KAFKA_BOOTSTRAP_SERVERS"] == f"127.0.0.1:{checkout.ports['kafka']}"
    assert values["KAFKA_TOPIC"] == "cart-events"
    for kind in ("command", "query"):
        who = "'SELECT current_user || current_database()'"
        for psql in (f'. .dev/env; psql "${kind.upper()}_DATABASE_URL"', f"./dev psql {kind}"):
            assert said(checkout, f"{psql} -Atc {who}") == 2 * f"cartledger_{kind}" + "\n"
    assert said(checkout, "./dev psql query -Atc 'SELECT current_user'", **ELSEWHERE) == "cartledger_query\n"


def check_status(checkout):
    for name, row in zip(NAMES, said(checkout, "./dev status", **ELSEWHERE).splitlines(), strict=True):
        words = rf"{name} +ready +port {checkout.ports[name]} +pid {pids(checkout)[name]} +since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
        assert re.fullmatch(words, row), row


def test_given_a_checkout_then_each_command_does_what_it_says(checkout):
    view = check_curl_lines(checkout, said(checkout, "./dev up", **ELSEWHERE))
    check_env(checkout)
    check_status(checkout)
    first = pids(checkout)
    said(checkout, "./dev up")
    assert pids(checkout) == first and sorted(first) == sorted(NAMES)

    assert said(checkout, "./dev stop command-service query-service") == "query-service stopped\ncommand-service stopped\n"
    assert has_ended_well(checkout, "query-service") == 1 and pids(checkout).keys() == {"postgres", "kafka"}
    assert "query-service    not running" in said(checkout, "./dev status", 1)
    said(checkout, "./dev start query-service command-service")
    assert said(checkout, "./dev kill query-service") == "query-service killed\n"
    assert has_ended_well(checkout, "query-service") == 1 and said(checkout, "./dev status", 1)
    said(checkout, "./dev start query-service")
    check_status(checkout)
    said(checkout, "./dev start redis", 1)

    said(checkout, "./dev down")
    assert pids(checkout) == {} and said(checkout, "./dev status", 1).count("not running") == 4
    said(checkout, "./dev up")
    assert json.loads(said(checkout, f"curl -sS {view}"))["version"] == 2
    checkout.check_logs()
    said(checkout, "./dev down --wipe")
    assert not [name for name in ("env", "postgres", "kafka/data", "secrets", "log") if (checkout.folder / ".dev" / name).exists()]


def test_given_servers_from_outside_then_none_is_started(checkout, infrastructure):
    databases = infrastructure.fresh_databases()
    given = {"KAFKA_BOOTSTRAP_SERVERS": infrastructure.kafka.servers, "KAFKA_TOPIC": "events-of-outside",
             "KAFKA_DEAD_LETTER_TOPIC": "events-of-outside-dead", "COMMAND_DATABASE_URL": databases.command,
             "COMMAND_OWNER_DATABASE_URL": databases.command_owner, "QUERY_DATABASE_URL": databases.query,
             "QUERY_OWNER_DATABASE_URL": databases.query_owner}
    check_curl_lines(checkout, said(checkout, "./dev up", **given))
    assert pids(checkout).keys() == {"command-service", "query-service"}
    assert said(checkout, "./dev status", **given).count("given from outside") == 2
    assert said(checkout, '. .dev/env; echo "$COMMAND_DATABASE_URL"') == databases.command + "\n"


def test_given_something_that_was_skipped_or_tried_again_then_the_last_line_is_what_it_always_is(tmp_path):
    told, heard = Tally(), Tally()
    told.passed, told.skipped = 3, 2
    told.fail("suite: a test")
    told.call_unsteady("suite: a test")
    Aside("it", tmp_path / "log", ["echo", "\n".join([*told.names(), str(told)])], False).end(heard)
    assert str(told).splitlines() == ["2 skipped", "1 passed only when tried again", "3 passed, 0 failed"]
    assert vars(heard) == vars(told)


@pytest.mark.parametrize("names, said", [
    (["now_and_then", "always"],
     ["TRIED AGAIN it: test_it test_now_and_then", "1 passed only when tried again", "1 passed, 0 failed"]),
    (["now_and_then", "never"],
     ["FAILED it: test_it test_never", "TRIED AGAIN it: test_it test_now_and_then", "1 passed only when tried again",
      "0 passed, 1 failed"]),
])
def test_given_a_test_that_passes_only_when_tried_again_then_it_is_named_and_counted_apart(tmp_path, names, said):
    assert tried(tmp_path, names) == said


def test_given_a_test_that_is_tried_once_when_it_fails_now_and_then_then_it_has_failed(tmp_path):
    said = tried(tmp_path, ["now_and_then", "always"], is_tried_once=True)
    assert said == ["FAILED it: test_it test_now_and_then", "1 passed, 1 failed"]


def tried(folder, names, is_tried_once=False):
    """What tools/test says of tests that fail at first, never pass or always do."""
    bodies = {"now_and_then": f"try: open({str(folder / 'was here')!r}, 'x').close()\n except FileExistsError: return\n assert 0",
              "never": "assert 0", "always": "pass"}
    test = folder / "test_it.py"
    test.write_text("".join(f"def test_{name}():\n {bodies[name]}\n" for name in names), encoding="utf-8")
    tool = runpy.run_path(str(ROOT / "tools/test"))
    state = tool["Runner"].pytest.__globals__
    state.update(REPORTS=folder, TRIED_ONCE=["test_it.py"] if is_tried_once else [])
    runner = tool["Runner"]([f"--rootdir={folder}"])
    runner.pytest(None, "it", test)
    return [*runner.tally.names(), *str(runner.tally).splitlines()]


def test_given_no_container_engine_then_the_compose_suite_says_that_it_was_skipped():
    done = subprocess.run([ROOT / "tools/test", "compose"], capture_output=True, text=True, timeout=300, check=False,
                          env=os.environ | {"DOCKER_HOST": "unix:///nowhere", "CARTLEDGER_ENGINE": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert re.fullmatch("compose: SKIPPED: there is no docker|compose: SKIPPED: no container engine answers", said[1])
    assert said[-2:] == ["1 skipped", "0 passed, 0 failed"]
