"""contracts/ against the program that reads and writes events, against its golden files, and against itself."""

import copy
import json
import re
import subprocess

import pytest
import yaml

import contract
from service import SANITIZER_OPTIONS, build_folder

GOLDEN = sorted(path for path in (contract.CONTRACTS / "events").glob("*.json")
                if not path.name.endswith(".schema.json"))


class Reader:
    """The program under test: reads event data as the services do."""

    def __init__(self):
        self.child = subprocess.Popen([build_folder() / "tests/integration/event_data_test_driver"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                                      env=SANITIZER_OPTIONS)
        self.newest = dict(line.split() for line in iter(self.child.stdout.readline, "\n"))

    def read(self, type_name, schema_version, data):
        """What it writes for this data, or None when it does not take it."""
        self.child.stdin.write(f"{type_name} {schema_version} {json.dumps(data, ensure_ascii=False)}\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        return None if answer.startswith("invalid: ") else json.loads(answer)


@pytest.fixture(scope="module")
def reader():
    made = Reader()
    yield made
    made.child.stdin.close()
    assert made.child.wait(60) == 0


def golden_key(path):
    name = re.fullmatch(r"(\w+)\.v(\d+)(?:\.\w+)?\.json", path.name)
    return name[1], int(name[2])


def objects_in(value, path=()):
    """The path of each object in a JSON value."""
    if isinstance(value, dict):
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from objects_in(member, (*path, name))


def at(value, path):
    for step in path:
        value = value[step]
    return value


def variants(data):
    """Each way of leaving out a member, of making it null or of another type, as (what was done, changed data)."""
    for path in objects_in(data):
        for name, member in at(data, path).items():
            for what, change in (("left out", None), ("null", [None]), ("of another type", [[member]])):
                changed = copy.deepcopy(data)
                if change is None:
                    del at(changed, path)[name]
                else:
                    at(changed, path)[name] = change[0]
                yield f"{'/'.join(map(str, (*path, name)))} {what}", changed


def test_given_the_list_of_event_types_then_each_version_has_a_schema_and_a_golden_file_and_no_other_has(reader):
    known = {(name, version) for name, newest in reader.newest.items() for version in range(1, int(newest) + 1)}
    assert set(contract.event_schemas()) == known
    assert {golden_key(path) for path in GOLDEN} == known
    assert contract.read_schema(contract.CONTRACTS / "types.schema.json", "/$defs/EventType")["enum"] == list(reader.newest)
    rules = contract.read_schema(contract.CONTRACTS / "RecordedEvent.schema.json")["allOf"]
    assert {(rule["if"]["properties"]["type"]["const"], rule["if"]["properties"]["schemaVersion"]["const"])
            for rule in rules} == known
    messages = yaml.safe_load((contract.CONTRACTS / "asyncapi.yaml").read_text(encoding="utf-8"))["components"]["messages"]
    assert {message["name"] for message in messages.values()} == \
        {f"cartledger.cart.{name}.v{version}" for name, version in known}
    for message in messages.values():
        assert message["payload"]["$ref"] == f"events/{message['name'].removeprefix('cartledger.cart.')}.schema.json"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_given_a_golden_file_then_it_has_its_schema(path):
    schema = contract.read_schema(contract.event_schemas()[golden_key(path)], closed=True)
    assert contract.complaints(schema, json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_given_a_golden_file_when_a_member_is_changed_then_program_and_schema_say_the_same(reader, path):
    type_name, version = golden_key(path)
    schema = contract.read_schema(contract.event_schemas()[type_name, version])
    data = json.loads(path.read_text(encoding="utf-8"))
    for what, changed in variants(data):
        is_valid = contract.complaints(schema, changed) == []
        assert (reader.read(type_name, version, changed) is not None) == is_valid, what
    assert reader.read(type_name, version, {**data, "colour": "red"}) is not None  # readers ignore what they don't know


def members_of(schema, value):
    """The members that a closed schema knows, and those that the value has, as paths without indices."""
    known, has = set(), set()

    def walk(node, value, path):
        for part in node.get("allOf", []):
            walk(part, value, path)
        for name, member in node.get("properties", {}).items():
            known.add((*path, name))
            walk(member, value.get(name) if isinstance(value, dict) else None, (*path, name))
        if "items" in node:
            for element in value or [None]:
                walk(node["items"], element, path)
        if isinstance(value, dict):
            has.update((*path, name) for name in value)

    walk(schema, value, ())
    return known, has


def test_given_all_golden_files_of_a_type_then_every_member_of_its_schema_is_written_by_the_program(reader):
    for key, file in contract.event_schemas().items():
        schema = contract.read_schema(file)
        written = set()
        for path in GOLDEN:
            if golden_key(path) == key and str(key[1]) == reader.newest[key[0]]:
                known, has = members_of(schema, reader.read(*key, json.loads(path.read_text(encoding="utf-8"))))
                written |= has
                assert written <= known, path
        if written:
            assert written == known, key


# -- the checks themselves: what would they overlook? --------------------------------------------------------------


@pytest.fixture(scope="module")
def commands():
    return contract.Contract("command-service")


HEADERS = {"x-request-id": "0198f3a2-7c4d-7e00-8123-456789abcdef", "x-content-type-options": "nosniff",
           "cache-control": "no-store", "content-type": "application/json", "etag": '"7"', "date": "today"}
ANSWER = {"cartId": "0198f3a2-7c4d-7e00-8123-456789abcdef", "version": 7, "partition": 3, "position": None, "events": [],
          "replayed": False}


@pytest.mark.parametrize(("status", "headers", "answer", "complaint"), [
    (200, {}, {}, None),
    (202, {}, {}, "status 202 is not"),
    (200, {"x-powered-by": "magic"}, {}, "header x-powered-by is not"),
    (200, {"etag": "7"}, {}, "header etag/"),
    (200, {"etag": None}, {}, "header etag is missing"),
    (200, {"content-type": "text/html"}, {}, "content type text/html is not"),
    (200, {}, {"colour": "red"}, "'colour' was unexpected"),
    (200, {}, {"version": 0}, "/version"),
    (200, {}, {"events": [{"eventId": "x"}]}, "/events/0")])
def test_given_an_answer_that_is_not_in_the_contract_then_it_is_found(commands, status, headers, answer, complaint):
    headers = {name: value for name, value in {**HEADERS, **headers}.items() if value is not None}
    wrong = commands.check("POST", "/v1/carts/0198f3a2-7c4d-7e00-8123-456789abcdef/items", status, headers,
                           json.dumps({**ANSWER, **answer}))
    assert any(complaint in text for text in wrong) if complaint else wrong == []


def test_given_a_problem_of_another_status_then_it_is_found(commands):
    headers = {**HEADERS, "content-type": "application/problem+json"}
    del headers["etag"]
    problem = {"type": "urn:cartledger:problem:cart-closed", "title": "Closed", "status": 409, "cartStatus": "open"}
    path = "/v1/carts/0198f3a2-7c4d-7e00-8123-456789abcdef"
    assert commands.check("DELETE", path, 409, headers, json.dumps(problem)) == []
    assert commands.check("DELETE", path, 404, headers, json.dumps({**problem, "status": 404}))
    assert commands.check("DELETE", path, 409, headers, json.dumps({**problem, "cartStatus": None}))
    assert commands.check("PATCH", path, 409, headers, json.dumps(problem)) == ["status 409 is not in the contract"]


def test_given_a_wrong_record_then_it_is_found():
    headers = contract.read_schema(contract.CONTRACTS / "CloudEvent.schema.json")["examples"][0]
    data = json.dumps(contract.read_schema(contract.event_schemas()["ItemAdded", 1])["examples"][0])
    key = headers["ce_subject"]
    contract.check_record(key, data, headers)
    assert contract.FINDINGS.take() == []
    for wrong in ((key, "{}", headers), ("k", data, headers), (key, data, {**headers, "ce_new": "1"}),
                  (key, data, {**headers, "ce_type": "cartledger.cart.ItemAdded.v2"})):
        contract.check_record(*wrong)
        assert contract.FINDINGS.take() != [], wrong
