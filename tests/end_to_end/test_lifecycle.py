"""The life of a process: what it says for --help, how it refuses to start, how it stops, what never leaks."""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import psycopg2
import pytest
import requests

from invariants import check_log
from load import Load
from shop import Shop, eventually, line, new_id, problem

SERVICES = ["command-service", "query-service"]
SECRET = "sekrit-%41-word"


def made(kind, stack_factory):
    stack = stack_factory(command_services=0, query_services=0)
    add = stack.add_command_service if kind == "command-service" else stack.add_query_service
    return stack, add(start=False)


@pytest.fixture(scope="module", params=SERVICES)
def idle(request, stack_factory):
    """Each service in turn, made but not started, and its stack, as every test finds and leaves them."""
    return made(request.param, stack_factory)


@pytest.fixture(params=SERVICES)
def own(request, stack_factory):
    """The same for one test alone."""
    return made(request.param, stack_factory)


def database_url_name(service):
    return service.kind.partition("-")[0].upper() + "_DATABASE_URL"


def last_error(text):
    """The one line that says why it did not start."""
    errors = [json.loads(line) for line in text.splitlines() if '"message":"cannot start"' in line]
    assert len(errors) == 1, text
    return errors[0]["error"]


def test_given_help_and_version_then_they_say_what_it_is(idle):
    _, service = idle
    shown = service.run("--help")
    assert shown.returncode == 0 and database_url_name(service) in shown.stdout and "--check-config" in shown.stdout
    version = service.run("--version")
    assert version.returncode == 0 and version.stdout.startswith(service.kind + " ")
    assert service.run("--no-such-option").returncode == 2
    assert service.run("word").returncode == 2


def test_given_a_service_that_is_away_ready_or_frozen_then_its_healthcheck_says_so(idle):
    _, service = idle
    away = service.run("--healthcheck")
    assert away.returncode == 1 and str(service.port) in away.stderr
    service.start()
    assert service.run("--healthcheck").returncode == 0
    service.pause()
    frozen = service.run("--healthcheck")
    assert frozen.returncode == 1 and "no answer" in frozen.stderr
    service.cont()
    healthy = service.run("--healthcheck")
    assert healthy.returncode == 0 and healthy.stderr == ""
    assert service.stop() == 0


def test_given_standard_files_that_are_closed_then_no_socket_gets_their_numbers(idle):
    _, service = idle
    child = subprocess.Popen(["sh", "-c", 'exec "$0" 0<&- >&- 2>&-', *service.command()], env=service.environment())
    try:
        eventually(lambda: requests.get(service.url + "/livez", timeout=5).ok)
        assert {os.readlink(f"/proc/{child.pid}/fd/{number}") for number in range(3)} == {"/dev/null"}
    finally:
        child.terminate()
        assert child.wait(12) == 0


def test_given_a_wrong_configuration_then_all_errors_come_at_once(idle):
    _, service = idle
    assert service.run("--check-config").returncode == 0
    wrong = service.run("--check-config", **{
        database_url_name(service): None, "PARTITIONS": "0", "HTTP_THREADS": "many", "KAFKA_BOOTSTRAP_SERVERS": None,
        "LOG_LEVEL": "loud", "CORS_ORIGINS": "*", "KAFKA_SECURITY": "sasl.pasword=sekrit", "KAFKA_TOPIC": "",
        "COMMAND_BIND": "localhost", "QUERY_BIND": "localhost", "COMMAND_URL": "localhost:8081", "KAFKA_GROUP_ID": ""})
    assert wrong.returncode == 2
    its_own = ["COMMAND_BIND"] if service.kind == "command-service" else ["QUERY_BIND", "COMMAND_URL", "KAFKA_GROUP_ID"]
    for name in (database_url_name(service), "PARTITIONS", "HTTP_THREADS", "KAFKA_BOOTSTRAP_SERVERS", "LOG_LEVEL",
                 "CORS_ORIGINS", "KAFKA_SECURITY", "KAFKA_TOPIC", *its_own):
        assert sum(line.startswith(name) for line in wrong.stderr.splitlines()) == 1, wrong.stderr


@pytest.mark.parametrize(("security", "said"), [
    ("security.protocol=ssl\nsasl.pasword=sekrit", "sasl.pasword"),
    ("security.protocol=sekrit", "security.protocol"),
    ("sasl.username=me;sasl.password=a;sekrit=b", "setting 3"),
    ("bootstrap.servers=sekrit", "setting 1"),
    ("sekrit", "setting 1"),
    ("security.protocol=sasl_ssl;sasl.mechanisms=SEKRIT", "SASL"),
    ("security.protocol=ssl;ssl.ca.location=/absent/ca.pem", "ssl.ca.location"),
])
def test_given_kafka_security_that_is_none_then_the_configuration_is_wrong(idle, security, said):
    _, service = idle
    wrong = service.run("--check-config", KAFKA_SECURITY=security)
    assert wrong.returncode == 2 and "KAFKA_SECURITY" in wrong.stderr and said in wrong.stderr, wrong.stderr
    assert "sekrit" not in wrong.stderr, wrong.stderr
    assert service.run(KAFKA_SECURITY=security).returncode == 2
    good = "\n".join(["security.protocol=sasl_ssl", "sasl.mechanisms=PLAIN", "sasl.username=me", "sasl.password=a;b=c"])
    assert service.run("--check-config", KAFKA_SECURITY=good).returncode == 0


def test_given_a_file_and_a_secret_file_then_they_are_read_and_the_environment_wins(idle, tmp_path):
    _, service = idle
    name = database_url_name(service)
    secret, config = tmp_path / "url", tmp_path / "service.conf"
    secret.write_text(service.env[name] + "\n")
    config.write_text("# a comment\nPARTITIONS = 6\nLOG_LEVEL=nonsense\n")
    changes = {name: None, name + "_FILE": str(secret), "LOG_LEVEL": "debug", "PARTITIONS": None}
    assert service.run("--config", str(config), "--check-config", **changes).returncode == 0
    config.write_text("NO_SUCH_SETTING=1\n")
    assert service.run("--config", str(config), "--check-config", **changes).returncode == 2
    assert service.run("--config", str(tmp_path / "absent"), "--check-config").returncode == 2


def test_given_the_port_is_in_use_then_one_clear_line_and_exit(idle):
    _, service = idle
    with socket.create_server(("127.0.0.1", service.port)):
        ended = service.run()
    assert ended.returncode == 1 and str(service.port) in last_error(ended.stderr)


def test_given_a_wrong_password_then_one_clear_line_without_it(idle):
    _, service = idle
    name = database_url_name(service)
    scheme, _, rest = service.env[name].partition("://")
    user = rest.partition(":")[0]
    ended = service.run(**{name: f"{scheme}://{user}:{SECRET}@{rest.partition('@')[2]}"})
    assert ended.returncode == 1 and "password" in last_error(ended.stderr)
    assert SECRET not in ended.stderr and "sekrit" not in ended.stderr


@pytest.mark.parametrize("password", ["Zm9v/YmFy", "sek@ret", "4711/0815", "sek@4711/ret", "sek%ret"])
def test_given_a_password_that_is_not_escaped_then_the_configuration_is_wrong_and_tells_no_piece_of_it(idle, password):
    _, service = idle
    name = database_url_name(service)
    for arguments in [], ["--check-config"]:
        ended = service.run(*arguments, **{name: f"postgres://me:{password}@127.0.0.1:9/carts"})
        assert ended.returncode == 2 and ended.stderr.startswith(name) and ended.stderr.count("\n") == 1
        assert not any(piece in ended.stderr for piece in re.split("[/@%]", password)), ended.stderr
    for fine in (f"postgres://me:{quote(password, safe='')}@[::1]:9,other:9/carts?sslmode=require", "postgres:///carts?host="):
        assert service.run("--check-config", **{name: fine}).returncode == 0


@pytest.mark.parametrize("sql, words", [
    ("UPDATE schema_version SET version = 99", "99"), ("UPDATE schema_version SET version = 0", "migrations"),
    ("DELETE FROM schema_version", "schema"), ("DROP TABLE schema_version", "migrations")])
def test_given_a_missing_older_or_newer_schema_then_one_clear_line_and_exit(own, sql, words):
    stack, service = own
    owner = stack.command_owner_url if service.kind == "command-service" else stack.query_owner_url
    with psycopg2.connect(owner) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
    ended = service.run()
    assert ended.returncode == 1 and words in last_error(ended.stderr)


def test_given_another_number_of_partitions_then_one_clear_line_and_exit(idle):
    _, service = idle
    ended = service.run(PARTITIONS="5")
    assert ended.returncode == 1 and "6 partitions, but 5 are configured" in last_error(ended.stderr)


def test_given_a_topic_with_another_number_of_partitions_then_it_refuses_to_start(idle, stack_factory):
    three = stack_factory(command_services=0, query_services=0, partitions=3)
    ended = idle[1].run(KAFKA_TOPIC=three.topic)
    assert ended.returncode == 1 and "3 partitions" in last_error(ended.stderr)


def test_given_no_database_at_start_then_it_waits_and_says_why(own):
    stack, service = own
    name = database_url_name(service)
    nobody = service.env[name].replace(f":{stack.infrastructure.postgres.port}/", ":9/")
    assert nobody != service.env[name]
    service.start(ready=False, **{name: nobody})
    answer = service.wait_ready(status=503)
    assert not all(check["ok"] for check in answer.json()["checks"].values() if check["required"])
    assert requests.get(service.url + "/livez", timeout=5).status_code == 200
    assert service.stop() == 0


def test_given_a_database_that_only_lets_us_read_then_what_must_write_does_without_it_and_says_why(own):
    _, service = own
    name, writer = database_url_name(service), {"command-service": "event-store", "query-service": "projection"}
    service.start(ready=False, **{name: service.env[name] + "?options=-cdefault_transaction_read_only%3Don"})

    def is_said():
        check = requests.get(service.url + "/readyz", timeout=5).json()["checks"][writer[service.kind]]
        return not check["ok"] and "session is read-only" in check["detail"]

    eventually(is_said)
    assert service.stop() == 0


def test_given_a_lane_that_does_not_reach_the_store_then_the_service_is_not_ready(stack_factory):
    stack = stack_factory(query_services=0, command_env={
        "LANES": "2", "RELAY_ENABLED": "false", "CART_GUEST_LIFETIME_S": "0", "CART_CUSTOMER_LIFETIME_S": "0"})
    database = stack.command_database_url.rpartition("/")[2]
    sql = stack.process("postgres").sql

    service = stack.process("command-service")

    def allow(lanes):
        sql(f"ALTER DATABASE {database} CONNECTION LIMIT {lanes}")

    allow(0)
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cartledger-lane' "
        f"AND datname = '{database}'")
    service.wait_ready(5, status=503)
    allow(1)
    eventually(lambda: sql(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'"))
    time.sleep(1)  # for the lane that reached it to have said so
    answer = service.wait_ready(5, status=503)
    assert "too many connections" in answer.json()["checks"]["event-store"]["detail"]
    allow(-1)
    service.wait_ready()


def test_given_sigterm_then_readyz_says_no_first_and_accepted_commands_are_answered(stack_factory):
    stack = stack_factory(query_services=0)
    service = stack.process("command-service")
    with Load(stack.command_url, clients=8) as load:
        eventually(lambda: load.answers > 100)
        began = time.monotonic()
        service.on_purpose = True
        service.signal(signal.SIGTERM)
        saw_drain = False
        while service.running() and time.monotonic() - began < 10:
            try:
                saw_drain |= requests.get(service.url + "/readyz", timeout=2).status_code == 503
            except requests.RequestException:
                pass
            time.sleep(0.02)
        load.stopping.set()
    assert saw_drain and service.child.wait(1) == 0 and time.monotonic() - began < 10
    load.told.check(check_log(stack.command_database_url))


@pytest.mark.parametrize("frozen", [("postgres",), ("kafka",), ("postgres", "kafka")])
def test_given_sigterm_while_nothing_answers_then_both_services_end_in_time_and_nothing_is_lost(private_stack_factory, frozen):
    stack = private_stack_factory()
    with Load(stack.command_url, clients=8) as load:
        eventually(lambda: load.answers > 100)
        for name in frozen:
            stack.process(name).pause()
        time.sleep(1)
        for name in ("command-service", "query-service"):
            assert stack.process(name).stop() == 0  # fails when it takes longer than promised
        for name in frozen:
            stack.process(name).cont()
        load.stopping.set()
    load.told.check(check_log(stack.command_database_url))


def test_given_a_second_sigterm_then_it_ends_at_once(stack_factory):
    stack = stack_factory(query_services=0)
    service = stack.process("command-service")
    slow = socket.create_connection(("127.0.0.1", service.port))
    slow.sendall(b"POST /v1/carts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
    service.on_purpose = True
    service.signal(signal.SIGTERM)
    time.sleep(0.1)
    service.signal(signal.SIGTERM)
    assert service.child.wait(1) in (143, -signal.SIGTERM)
    slow.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_given_a_verb_that_waits_when_it_is_told_to_stop_then_it_ends_at_once(idle, number):
    _, service = idle
    verb = ["--republish", "all"] if service.kind == "command-service" else ["--rebuild"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://me:word@127.0.0.1:{silent.getsockname()[1]}/log"
        child = subprocess.Popen(service.command(*verb), env=service.environment(**{database_url_name(service): url}),
                                 stderr=subprocess.DEVNULL)
        silent.settimeout(10)
        with silent.accept()[0]:
            child.send_signal(number)
            try:
                assert child.wait(1) == 143
            finally:
                child.kill()


def test_given_a_full_queue_then_overloaded_at_once_and_accepted_commands_are_answered(stack_factory):
    stack = stack_factory(query_services=0, command_env={"COMMAND_QUEUE_MAX": "4"})
    cart = new_id()
    assert Shop(stack.command_url).create(cart).status_code == 201
    stack.process("postgres").pause()
    answers = []

    def shopper():
        answers.append(Shop(stack.command_url).add(cart, line()))

    threads = [threading.Thread(target=shopper) for _ in range(30)]
    try:
        for thread in threads:
            thread.start()
            time.sleep(0.01)
    finally:
        time.sleep(0.1)
        stack.process("postgres").cont()
        for thread in threads:
            thread.join()
    kinds = [answer.json().get("type", "accepted").rpartition(":")[2] for answer in answers]
    assert kinds.count("overloaded") >= 10, kinds
    for answer in answers:
        if answer.status_code == 503:
            assert "Retry-After" in answer.headers
    check_log(stack.command_database_url)


def test_given_a_full_queue_then_a_refusal_comes_as_fast_as_a_sign_of_life(stack_factory):
    stack = stack_factory(query_services=0, command_env={"COMMAND_QUEUE_MAX": "2"})
    shop, cart = Shop(stack.command_url), new_id()
    assert shop.create(cart).status_code == 201
    stack.process("postgres").pause()
    waiting = [threading.Thread(target=Shop(stack.command_url).add, args=(cart, line())) for _ in range(12)]
    refusals, signs = [], []
    deadline = time.monotonic() + 1.5  # then those who wait are told that the store is away
    try:
        for thread in waiting:
            thread.start()
        eventually(lambda: not all(thread.is_alive() for thread in waiting), every=0.005)  # one was refused
        while len(refusals) < 20 and time.monotonic() < deadline:
            answer = shop.add(cart, line())
            if answer.status_code == 503 and problem(answer) == "overloaded":
                refusals.append(answer.elapsed.total_seconds())
                signs.append(shop.get("/livez", base=stack.command_url).elapsed.total_seconds())
    finally:
        stack.process("postgres").cont()
        for thread in waiting:
            thread.join()
    assert len(refusals) >= 3
    assert statistics.median(refusals) < 0.01 + 2 * statistics.median(signs), (refusals, signs)


@pytest.mark.parametrize("kind, settings, path", [
    ("command-service", {"LOG_READERS": 1, "LOG_QUEUE_MAX": 1}, "/v1/events"),
    ("query-service", {"QUERY_QUEUE_MAX": 1}, "/v1/carts/{}"), ("query-service", {"QUERY_LIST_QUEUE_MAX": 1}, "/v1/carts"),
    ("query-service", {"QUERY_WAITERS_MAX": 1}, "/v1/carts/{}?minVersion=1")])
def test_given_a_full_queue_of_questions_then_overloaded_at_once_and_the_others_in_time(stack_factory, kind, settings, path):
    stack = stack_factory(command_env=settings, query_env=settings)
    url = stack.process(kind).url
    asked = [path.format(new_id()) for _ in range(8)]
    stack.process("postgres").pause()
    try:
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda target: requests.get(url + target, timeout=10), asked))
    finally:
        stack.process("postgres").cont()
    refused = [answer for answer in answers if problem(answer) == "overloaded"]
    assert len(refused) >= 3 and len(refused) < len(answers), [answer.text for answer in answers]
    assert all(answer.elapsed.total_seconds() < 0.9 for answer in refused)
    for answer in answers:
        assert answer.status_code == 503 and "Retry-After" in answer.headers and answer.elapsed.total_seconds() < 3


def test_given_both_services_then_no_password_is_in_logs_process_list_or_answers(stack):
    passwords = {url.partition("://")[2].partition(":")[2].partition("@")[0]
                 for url in (stack.command_database_url, stack.query_database_url)}
    for name in SERVICES:
        service = stack.process(name)
        seen = service.stderr() + open(f"/proc/{service.pid}/cmdline").read()
        for path in ("/readyz", "/metrics", "/v1/nothing"):
            seen += requests.get(service.url + path, timeout=5).text
        assert not [password for password in passwords if password in seen]


@pytest.mark.parametrize("kind", SERVICES)
def test_given_a_request_then_the_log_tells_of_it_by_its_ids(stack_factory, kind):
    debug = {"LOG_LEVEL": "debug"}
    service = stack_factory(command_env=debug, query_env=debug).process(kind)
    for headers, correlation in (({"X-Correlation-Id": "order \"7\""}, 'order "7"'), ({}, None)):
        answer = requests.get(service.url + "/livez", headers=headers, timeout=5)
        told = [line for line in map(json.loads, service.stderr().splitlines())
                if line.get("requestId") == answer.headers["X-Request-Id"]]
        assert [(line["message"], line["correlationId"], line["route"], line["status"]) for line in told] == [
            ("answered", correlation, "/livez", 200)]


# What moves when somebody shops, and what need not.
METRICS = {
    "command-service": (["http_requests_total{", "http_request_seconds_bucket{", "lane_batch_commands_count{",
                         "lane_commit_seconds_count{", "lane_cache_bytes{", "lane_cache_hits_total{",
                         "relay_published_position{", "build_info{"],
                        ["lane_queue_depth{", "relay_lag_events", "log_queue_depth", "log_readers_busy"]),
    "query-service": (["http_requests_total{", "http_request_seconds_bucket{", "projection_applied_events_total",
                       "projection_commit_seconds_count", "reader_connections", "reader_batch_seconds_count", "build_info{"],
                      ["projection_lag_events", "projection_lag_seconds", "projection_parked_carts", "reader_queue_depth"]),
}


@pytest.mark.tsan
@pytest.mark.parametrize("kind", SERVICES)
def test_given_shopping_then_metrics_tell_of_it(stack, kind):
    shop, cart = Shop(stack.command_url, stack.query_url), new_id()
    shop.create(cart)
    version = [shop.add(cart, line()).json()["version"] for _ in range(3)][-1]
    shop.view(cart, min_version=version)
    assert shop.get(f"/v1/carts/{new_id()}").status_code == 404
    moving, others = METRICS[kind]

    def told():
        answer = requests.get(stack.process(kind).url + "/metrics", timeout=5)
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        series = [text.rpartition(" ") for text in answer.text.splitlines() if not text.startswith("#")]
        for name in moving + others:
            found = [float(value) for label, _, value in series if label.removeprefix("cartledger_").startswith(name)]
            assert found and (name in others or max(found) > 0), name
        return True

    eventually(told)


@pytest.mark.parametrize("answer, said", [(b"HTTP/1.1 503 No\r\n\r\nnot yet", "not ready: not yet"), (b"?", "not ready: ?")])
def test_given_a_port_that_answers_something_else_then_the_healthcheck_says_what(stack, answer, said):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(answer)
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        done = stack.process("command-service").run("--healthcheck", COMMAND_PORT=listener.getsockname()[1])
    assert done.returncode == 1 and done.stderr == said + "\n"
