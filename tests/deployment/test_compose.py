"""docker-compose.yml, as a user has it: up, shop, kill, scale, down, up. The tests of this file go in their order."""

import json
import re
import subprocess
import threading
import time
from collections import defaultdict
from datetime import datetime

import pytest
import requests
import yaml

from cart_model import fold
from compose import JOBS, ROOT, SERVERS, Compose, docker, has_image
from devstack.report import wait_until
from load import Load
from shop import eventually, line, new_id, problem

JSON = {"Content-Type": "application/json"}
# What an operator asks first, as the dashboard's queries name it.
SHOWN = ["cartledger:requests:rate1m", "cartledger:request_seconds:p99_1m", "cartledger:batch_commands:avg1m",
         "cartledger_lane_queue_depth", "cartledger:relay_lag_events", "cartledger:projection_lag_seconds",
         "cartledger_projection_parked_carts", "http_connections", "cartledger_reader_queue_depth"]


@pytest.fixture(scope="module")
def compose():
    made = Compose()
    try:
        made.up(build=True)
        yield made
    finally:
        print(made("logs", "--no-color", "--tail", "40", check=False))
        made.down("--volumes", "--remove-orphans")


def check_everything(compose, told=None):
    """No gap in positions and versions, each acknowledged event there once, each cart's view the fold of its events."""
    log = compose.log()
    positions, carts = defaultdict(list), defaultdict(list)
    for event in log:
        positions[event["partition"]].append(event["position"])
        carts[event["cartId"]].append(event)
    for partition, seen in positions.items():
        assert seen == list(range(1, len(seen) + 1)), f"partition {partition}"
    for cart, events in carts.items():
        assert [event["version"] for event in events] == list(range(1, len(events) + 1)), cart
    if told is not None:
        told.check(log)
    shop = compose.shop()
    for cart, events in list(carts.items())[-200:]:
        view = shop.view(cart, len(events))
        for member in ("createdAt", "updatedAt", "closedAt"):
            view.pop(member)
        assert view == fold(events).view(cart), cart
    return log


def first_lines(compose, document):
    """What the document's first block of sh prints, its URLs being those of the gateway."""
    lines = re.search(r"^```sh\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)[1]
    script = re.sub(r"localhost:808\d", compose.url, lines).replace("curl ", "curl -sSf ")
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_given_a_clean_machine_when_up_then_the_readmes_lines_work(compose):
    printed = first_lines(compose, "README.md")
    assert json.loads(printed[printed.rindex('{"cartId"'):])["itemCount"] == 2


def test_given_a_clean_machine_when_up_then_the_lines_of_the_deployment_page_work(compose):
    printed = first_lines(compose, "docs/deployment.md")
    assert '"mergedInto":null}' in printed, "the view"
    assert '"type":"CartCreated","schemaVersion":1' in printed, "the log"


def test_given_each_path_and_method_then_the_gateway_sends_it_to_its_service(compose):
    shop, cart = compose.shop(), new_id()
    assert shop.create(cart).status_code == 201
    added = shop.add(cart, line("a/b ü", 2), headers={"X-Correlation-Id": "seen-through"})
    assert added.status_code == 200 and added.headers["X-Correlation-Id"] == "seen-through"
    assert shop.set_quantity(cart, "a%2Fb%20%C3%BC", 3).status_code == 200
    assert shop.view(cart, 3)["itemCount"] == 3
    assert shop.remove(cart, "a%2Fb%20%C3%BC", 1).status_code == 200
    assert shop.send("HEAD", f"/v1/carts/{cart}").headers["ETag"]
    assert [event["metadata"].get("correlationId") for event in shop.events(cartId=cart)][1] == "seen-through"
    assert len(shop.read("/v1/events/partitions")["partitions"]) == 6
    assert [event["version"] for event in compose.log() if event["cartId"] == cart] == [1, 2, 3, 4]
    generated = shop.create(new_id())
    assert re.fullmatch("[0-9a-f]{32}", generated.headers["X-Correlation-Id"])
    for kind in ("command-service", "query-service"):
        assert shop.read(f"/openapi/{kind}.json")["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics", "/openapi.json", "/v1", "/elsewhere"])
def test_given_what_is_not_for_the_outside_then_no_such_resource(compose, path):
    answer = requests.get(compose.url + path, timeout=10)
    assert answer.status_code == 404 and problem(answer) == "no-such-resource"


def test_given_as_much_as_the_services_take_then_the_gateway_lets_it_through(compose):
    path = f"/v1/carts/{new_id()}"
    url = compose.url + path
    assert requests.put(url, data=b'{"currency":"EUR"}'.ljust(65536), headers=JSON, timeout=10).status_code == 201
    answer = requests.get(compose.url + f"{path}?x=".ljust(8192, "y"), timeout=10)
    assert answer.status_code == 400 and "'x'" in answer.json()["detail"], "the service has read it"
    fields = {f"X-{number}": "y" * 800 for number in range(10)} | {"Cookie": "a=" + "b" * 4000}
    assert requests.get(f"{url}?minVersion=1", headers=fields, timeout=10).status_code == 200
    answer = requests.get(f"{url}?minVersion=99", headers={"Prefer": "wait=10"}, timeout=20)
    assert problem(answer) == "not-yet-visible" and answer.elapsed.total_seconds() > 9


def test_given_too_much_of_anything_then_the_gateway_answers_as_the_services_do(compose):
    path = f"/v1/carts/{new_id()}"
    url = compose.url + path
    answer = requests.put(url, data=b" " * 65537, headers=JSON, timeout=10)
    assert answer.status_code == 413 and problem(answer) == "body-too-large"
    for length in (8193, 20000):
        answer = requests.get(compose.url + f"{path}?x=".ljust(length, "y"), timeout=10)
        assert answer.status_code == 414 and problem(answer) == "uri-too-long"
    for bytes_each in (500, 800, 890, 930, 1000, 15000):  # the service's own buffer ends at 21 KiB
        answer = requests.get(url, headers={f"X-{number}": "y" * bytes_each for number in range(20)}, timeout=10)
        assert answer.status_code == 431 and problem(answer) == "header-too-large", bytes_each
    answer = requests.put(url, data="{", headers=JSON, timeout=10)
    assert answer.status_code == 400 and problem(answer) == "malformed-request"


def test_given_inspect_then_each_container_is_as_hardened_as_promised(compose):
    containers = compose.containers()
    assert set(containers) == {*SERVERS, *JOBS}
    for name, container in containers.items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"] and not host["Privileged"], name
        assert 0 < host["Memory"] <= 1 << 30 and 0 < host["PidsLimit"] <= 512, name
        assert container["Config"]["User"] not in ("", "root", "0", "0:0"), name
        published = [port for ports in (host["PortBindings"] or {}).values() for port in ports]
        assert [port["HostIp"] for port in published] == (["127.0.0.1"] if name == "gateway" else []), name
    for name in SERVERS:
        assert containers[name]["State"]["Health"]["Status"] == "healthy", name
        uid = docker("exec", containers[name]["Id"], "id", "-u").strip()
        assert uid != "0", name


def test_given_all_profiles_then_each_service_is_as_hardened_as_those_that_run(compose):
    services = json.loads(compose("--profile", "*", "config", "--format", "json"))["services"]
    assert len(services) > len(SERVERS) + 3
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"] and "privileged" not in service, name
        assert int(service["mem_limit"]) <= 1 << 30 and service["pids_limit"] <= 512, name
        assert service.get("user", "of the image") not in ("root", "0", "0:0"), name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
        assert name in ("gateway", "prometheus", "grafana") or "edge" not in service.get("networks", {}), name
        assert name in JOBS or service["restart"] == "unless-stopped" and service["healthcheck"]["test"], name
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == ("service_completed_successfully" if needed in JOBS else "service_healthy"), name
    for kind in ("command-service", "query-service"):
        assert services[kind]["healthcheck"]["test"] == ["CMD", kind, "--healthcheck"]
    assert "data" not in services["gateway"]["networks"]
    # Nobody has Grafana's well-known password, and it reaches Prometheus alone.
    grafana = services["grafana"]["environment"]
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true" and grafana["GF_AUTH_BASIC_ENABLED"] == "false"
    assert set(services["grafana"]["networks"]) == {"edge"}


def test_given_the_passwords_then_they_are_seen_nowhere_but_in_their_files(compose):
    containers = compose.containers()
    secrets = []
    for service, file in [("postgres", "password"), ("command-service", "database-url"), ("query-service", "database-url")]:
        secrets.append(compose("exec", "-T", service, "cat", f"/run/secrets/{file}").strip())
    secrets += [re.search(r":([0-9a-f]+)@", url)[1] for url in secrets[1:]]
    secrets += compose("run", "-T", "--rm", "--no-deps", "migrate", "sh", "-c",
                       "for file in /secrets/owners/*_owner; do cat $file; echo; done").split()
    assert len(secrets) == 7
    assert len(set(secrets)) == len(secrets) and all(len(secret) >= 48 for secret in secrets)
    images = {container["Image"] for container in containers.values()}
    everything = (json.dumps(containers) + docker("inspect", *images) + compose("logs", "--no-color")
                  + "".join(docker("top", containers[name]["Id"], "-eo", "pid,args") for name in SERVERS)
                  + "".join(docker("history", "--no-trunc", image) for image in images))
    for secret in secrets:
        assert secret not in everything
    assert compose("exec", "-T", "command-service", "ls", "/run/secrets").split() == ["database-url"]
    assert compose("exec", "-T", "query-service", "ls", "/run/secrets").split() == ["database-url"]


def test_given_a_slow_statement_then_the_log_has_it_without_its_values(compose):
    compose("exec", "-T", "postgres", "bash", "-c", r"""psql -XU postgres <<<"SELECT pg_sleep(1.1), \$1 \\bind a-customer \\g" """)
    eventually(lambda: "SELECT pg_sleep(1.1)" in compose("logs", "--no-color", "postgres"), 10)
    assert "a-customer" not in compose("logs", "--no-color", "postgres")


def wait_quiet(compose):
    """Until the topic has all of the log, and the views all of the topic."""
    def caught_up():
        partitions = compose.shop().read("/v1/events/partitions")["partitions"]
        assert all(each["publishedPosition"] == each["lastPosition"] for each in partitions), partitions
        return True
    eventually(caught_up, 120, every=0.5)


def test_given_load_when_each_container_is_killed_then_it_comes_back_and_nothing_is_lost(compose):
    with Load(compose.url, clients=6) as load:
        for name in SERVERS:
            before = compose.containers()[name]["RestartCount"]
            time.sleep(2)
            compose.kill(name)
            compose.wait_healthy(name, restarts=before + 1)
            answers = load.answers
            eventually(lambda answers=answers: load.answers > answers + 50, 120)
    wait_quiet(compose)
    log = check_everything(compose, load.told)
    assert len(log) > 100


def run_lines(compose, lines, folder):
    """Runs commands of a document in a folder, where no terminal is."""
    script = lines.replace("run --rm", "run -T --rm").replace("exec query", "exec -T query")
    done = subprocess.run(["bash", "-euc", script], cwd=folder, timeout=400, capture_output=True, text=True, check=False,
                          env=compose.environment | {"COMPOSE_FILE": str(ROOT / "docker-compose.yml")})
    assert done.returncode == 0, done.stdout + done.stderr


def test_given_a_dump_when_shopping_went_on_and_it_goes_back_then_topic_and_views_are_of_it(compose, tmp_path):
    dump, restore = re.findall(r"^```sh\n(docker compose (?:exec|stop) .*?)^```", (ROOT / "docs/deployment.md").read_text(),
                               re.M | re.S)
    before = compose.log()
    run_lines(compose, dump, tmp_path)
    shop, lost = compose.shop(), new_id()
    assert shop.create(lost).status_code == 201 and shop.view(lost, 1)
    run_lines(compose, restore, tmp_path)
    wait_quiet(compose)
    assert check_everything(compose) == before
    assert shop.create(new_id()).status_code == 201
    assert shop.get(f"/v1/carts/{lost}").status_code == 404
    check_everything(compose)


def test_given_two_of_each_when_one_after_the_other_is_replaced_then_no_request_fails(compose):
    compose.up(profile="scale")
    for name in ("command-service-2", "query-service-2"):
        compose.wait_healthy(name)
    eventually(lambda: docker_names(compose, "command") == 2 and docker_names(compose, "query") == 2, 30)
    failed, done, stop = [], [], threading.Event()

    def keep_shopping():
        shop, cart = compose.shop(), new_id()
        version = shop.create(cart).json()["version"]
        while not stop.is_set():
            seen = shop.get(f"/v1/carts/{cart}?minVersion={version}", headers={"Prefer": "wait=10"})
            if seen.status_code == 503:  # a rebalance may take as long as a session, 10 s
                seen = shop.get(f"/v1/carts/{cart}?minVersion={version}", headers={"Prefer": "wait=10"})
            answers = [seen, shop.add(cart, line(quantity=2), headers={"Idempotency-Key": new_id()}),
                       shop.remove(cart, "tea-01", headers={"Idempotency-Key": new_id()})]
            failed.extend(answer for answer in answers if answer.status_code != 200)
            done.append(len(answers))
            version = answers[-1].json().get("version", version)

    threads = [threading.Thread(target=keep_shopping) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        run_lines(compose, re.search(r"^```sh\n(docker compose run --rm migrate\n.*?)^```",
                                     (ROOT / "docs/deployment.md").read_text(), re.M | re.S)[1], ROOT)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failed, [(answer.request.method, answer.status_code, answer.text) for answer in failed[:5]]
    assert sum(done) > 100
    wait_quiet(compose)
    check_everything(compose)


def docker_names(compose, name):
    """How many addresses the name has inside."""
    found = compose("exec", "-T", "gateway", "getent", "ahostsv4", name, check=False)
    return len({row.split()[0] for row in found.splitlines() if row})


def names_used(text):
    """The names of metrics in an expression, without those that our own rules make."""
    return set(re.findall(r"\b((?:cartledger|http)_[a-z0-9_]+)\b", text))


def test_given_rules_and_dashboard_then_each_metric_that_they_name_exists(compose):
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/cartledger.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert [name for name in SHOWN if not any(name in expression for expression in expressions)] == []
    expressions += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    served = compose.metrics("command", 8081) + compose.metrics("query", 8082)
    exist = set(re.findall(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]", served, re.M))
    for expression in expressions:
        assert names_used(expression) <= exist, (names_used(expression) - exist, expression)
        assert set(re.findall(r"\b(cartledger:[a-z0-9_:]+)", expression)) <= recorded, expression
    source, = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    described = set(re.findall(r"^## (\w+)$", (ROOT / "docs/alerts.md").read_text(), re.M))
    cases = yaml.safe_load((ROOT / "deploy/prometheus/rules_test.yml").read_text())["tests"]
    fired = {case["alertname"] for each in cases for case in each["alert_rule_test"] if case.get("exp_alerts")}
    assert alerts == described == fired


def test_given_promtool_then_configuration_and_rules_pass_and_do_what_their_tests_say(compose):
    if not has_image("prom/prometheus:v3.5.0"):
        pytest.skip("no image prom/prometheus:v3.5.0")
    run = ["run", "--rm", "--network", "none", "-v", f"{ROOT}/deploy/prometheus:/rules:ro", "-w", "/rules", "--entrypoint",
           "promtool", "prom/prometheus:v3.5.0"]
    docker(*run, "check", "config", "prometheus.yml")
    docker(*run, "test", "rules", "rules_test.yml")


def test_given_the_profile_obs_when_up_then_prometheus_sees_every_instance_and_the_dashboard_has_data(compose):
    if not has_image("prom/prometheus:v3.5.0"):
        pytest.skip("no image prom/prometheus:v3.5.0")
    compose.up("prometheus", profile="obs")

    def query(expression):
        answer = requests.get(compose.prometheus_url + "/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    instances = sum("-service" in name for name in compose.containers())
    eventually(lambda: len(query('up{job=~"command-service|query-service"} == 1')) == instances, 90)
    shop, cart = compose.shop(), new_id()
    shop.create(cart)
    for number in range(30):
        shop.add(cart, line(f"sku-{number}"))
        shop.view(cart, number + 2)
        time.sleep(0.5)
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/cartledger.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            assert wait_until(lambda expression=expression: query(expression), 60, 1), f"no data: {expression}"
    firing = query('ALERTS{alertstate="firing"}')
    assert not firing, firing


def test_given_the_profile_demo_when_up_then_somebody_shops_at_the_pace_that_was_set(compose):
    before = {event["eventId"] for event in compose.log()}
    compose.environment["SHOP_CARTS_PER_MINUTE"] = "120"
    compose.up("shopper", profile="demo")
    eventually(lambda: len(compose.log()) > len(before) + 20, 60, every=0.5)
    compose("--profile", "demo", "stop", "--timeout", "5", "shopper")
    events = [event for event in compose.log() if event["eventId"] not in before]
    assert "ItemAdded" in {event["type"] for event in events}
    made = sorted(datetime.fromisoformat(event["occurredAt"]) for event in events if event["type"] == "CartCreated")
    assert len(made) - 1 <= 2 * (made[-1] - made[0]).total_seconds()


def test_given_down_and_up_then_the_data_is_still_there(compose):
    wait_quiet(compose)
    before = compose.log()
    compose.down()
    assert not compose("--profile", "*", "ps", "--all", "--quiet").strip()
    compose.up()
    assert compose.log() == before
    check_everything(compose)
    assert compose.shop().create(new_id()).status_code == 201
