"""Holds everything that the tests see of the services and of the topic against contracts/.

`watch()` looks at every HTTP answer of a service, and at the request where it was accepted, `check_record` and
`check_event` at records and events. What is not in the contract (a status, a header, a member, a value out of range) is
written down and fails the test at its end, so that no retry hides it. The schemas are open to new members, as consumers
must be; here they are closed.

Each form that a body takes (its members and their types) is validated in full when it's new, WHOLE times in all, and
every SAMPLEth time after that; of a long list SAMPLE elements.
"""

import collections
import functools
import json
import re
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))

from openapi_bundle import bundle  # noqa: E402

CONTRACTS = ROOT / "contracts"
WHOLE, SAMPLE = 100, 20
# Of the connection, not of the resource.
TRANSPORT_HEADERS = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def find(document, pointer):
    for step in pointer.split("/")[1:]:
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


def resolved(node, document, load, closed):
    """The node without references, `load(file)` being what they name; with `closed`, objects have no other members."""
    if isinstance(node, list):
        return [resolved(element, document, load, closed) for element in node]
    if not isinstance(node, dict):
        return node
    made = {name: resolved(value, document, load, closed) for name, value in node.items() if name != "$ref"}
    if isinstance(node.get("$ref"), str):
        file, _, pointer = node["$ref"].partition("#")
        there, its_load = load(file) if file else (document, load)
        target = resolved(find(there, pointer), there, its_load, closed)
        return {**made, "allOf": [target, *made.get("allOf", [])]} if made else target
    if closed and made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def load_beside(folder):
    def load(name):
        path = (folder / name).resolve()
        return json.loads(path.read_text(encoding="utf-8")), load_beside(path.parent)
    return load


def read_schema(path, pointer="", closed=False):
    """A schema of contracts/, or what stands at `pointer` in it, without references."""
    document, load = load_beside(path.parent)(path.name)
    return resolved(find(document, pointer), document, load, closed)


def complaints(schema, value):
    """What is wrong with the value, as texts."""
    return [f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


def form(value):
    """The members and types of a JSON value, whatever the values are."""
    if isinstance(value, dict):
        return tuple((name, form(member)) for name, member in value.items())
    if isinstance(value, list):
        return frozenset(map(form, value))
    return type(value)


def sample_of(value):
    """The value, with some elements of each long list."""
    if isinstance(value, dict):
        return {name: sample_of(member) for name, member in value.items()}
    if isinstance(value, list):
        step = max(1, len(value) // SAMPLE)
        return [sample_of(element) for element in value[::step]]
    return value


class Checker:
    """One closed schema and the forms that it has seen."""

    def __init__(self, schema):
        self.schema = schema
        self.seen = collections.Counter()

    def __call__(self, value):
        kind = form(value)
        self.seen[kind] += 1
        if self.seen[kind] > WHOLE and self.seen[kind] % SAMPLE:
            return []
        return complaints(self.schema, sample_of(value))


class Response:
    """What the contract says of one status of one operation."""

    def __init__(self, node, document):
        node = resolved(node, document, None, True)
        self.headers = {name.lower(): header for name, header in node.get("headers", {}).items()}
        self.content = {kind: Checker(media["schema"]) for kind, media in node.get("content", {}).items()}

    def check_headers(self, headers):
        wrong = [f"header {name} is not in the contract" for name in headers
                 if name.lower() not in self.headers and name.lower() not in TRANSPORT_HEADERS]
        for name, header in self.headers.items():
            if name not in headers:
                wrong += [f"header {name} is missing"] if header.get("required") else []
            else:
                wrong += [f"header {name}{text}" for text in complaints(header["schema"], headers[name])]
        return wrong

    def check_body(self, content_type, text):
        if not self.content:
            return [f"a body is not in the contract: {text[:100]}"] if text else []
        checker = self.content.get(content_type)
        if checker is None:
            return [f"content type {content_type} is not in the contract"]
        if content_type.startswith("text/"):
            return []
        lines = text.splitlines() if content_type == "application/x-ndjson" else [text]
        return [complaint for line in lines for complaint in checker(json.loads(line))]


class Request:
    """What the contract says of the query and the body of one operation."""

    def __init__(self, item, operation, document):
        found = [resolved(node, document, None, True) for node in (*item.get("parameters", []), *operation.get("parameters", []))]
        self.query = {node["name"]: node["schema"] for node in found if node["in"] == "query"}
        body = operation.get("requestBody")
        self.body = body and Checker(resolved(body["content"]["application/json"]["schema"], document, None, True))

    def check(self, query, body):
        wrong = [f"query parameter {name} was accepted" for name, _ in query if name not in self.query]
        for name, value in query:
            schema = self.query.get(name, {})
            wrong += complaints(schema, int(value) if schema.get("type") == "integer" else value)
        is_text = isinstance(body, (str, bytes)) and body
        return wrong + (self.body(json.loads(body)) if self.body and is_text else [])


class Contract:
    """The OpenAPI document of one service."""

    def __init__(self, service):
        self.document = bundle(CONTRACTS / f"{service}.openapi.yaml")
        self.operations, self.requests = {}, {}
        for path, item in self.document["paths"].items():
            self.requests[path] = {method: Request(item, operation, self.document) for method, operation in item.items()
                                   if method in METHODS}
            self.operations[path] = {method: self.responses(operation) for method, operation in item.items()
                                     if method in METHODS}
        self.unlisted = self.responses(self.document["x-unlisted"])

    def responses(self, operation):
        return {status: Response(find(self.document, node["$ref"][1:]) if "$ref" in node else node, self.document)
                for status, node in operation["responses"].items()}

    def path_of(self, target):
        """The path of the document that a request's path is one of, or None; the one with most literal segments."""
        segments = target.split("/")
        found = [path for path in self.operations
                 if len(path.split("/")) == len(segments) and
                 all(wanted == got or (wanted.startswith("{") and got)
                     for wanted, got in zip(path.split("/"), segments))]
        return min(found, key=lambda path: path.count("{"), default=None)

    def check(self, method, target, status, headers, text):
        """What is wrong with an answer; `text` is None when its body is not looked at."""
        path = self.path_of(target)
        method = method.lower()
        responses = self.operations.get(path, {}).get("get" if method == "head" else method, self.unlisted)
        response = responses.get(str(status))
        if response is None:
            return [f"status {status} is not in the contract"]
        wrong = response.check_headers(headers)
        if text is None:
            return wrong
        if method == "head" or status in (204, 304):
            return wrong + ([f"a body where none may be: {text[:100]}"] if text else [])
        return wrong + response.check_body(headers.get("content-type"), text)


    def check_accepted(self, method, target, query, body):
        """What the contract does not know of a request that was accepted."""
        request = self.requests.get(self.path_of(target), {}).get(method.lower())
        return request.check(parse_qsl(query), body) if request else []


class Findings:
    """What the contract does not allow, until somebody takes it."""

    def __init__(self):
        self.texts, self.lock = [], threading.Lock()

    def add(self, what, texts):
        with self.lock:
            self.texts += [f"{what}: {text}" for text in texts]

    def take(self):
        with self.lock:
            taken, self.texts = self.texts, []
        return taken


FINDINGS = Findings()
_contracts = {}
_services = {}  # host:port -> kind of service
_send = requests.Session.send


def contract_of(kind):
    if kind not in _contracts:
        _contracts[kind] = Contract(kind)
    return _contracts[kind]


def is_served(url, kind):
    """From now on what answers there is the service of that kind."""
    _services[urlsplit(url).netloc] = kind


def _watched_send(session, request, **options):
    response = _send(session, request, **options)
    parts = urlsplit(response.request.url)
    kind = _services.get(parts.netloc)
    if kind is not None:
        text = None if options.get("stream") else response.content.decode("utf-8", "replace")
        what = f"{kind} {response.request.method} {parts.path[:200]} {response.status_code}"
        try:
            wrong = contract_of(kind).check(response.request.method, parts.path, response.status_code,
                                            {name.lower(): value for name, value in response.headers.items()}, text)
            if response.status_code < 300:
                wrong += contract_of(kind).check_accepted(response.request.method, parts.path, parts.query,
                                                          response.request.body)
        except ValueError as error:
            wrong = [f"the body is not JSON: {error}"]
        FINDINGS.add(what, wrong)
    return response


def watch():
    """Looks at every answer that `requests` gets from a service."""
    requests.Session.send = _watched_send


# -- events and records --------------------------------------------------------------------------------------------


def event_schemas():
    """(type, schema version) -> file, as far as contracts/events has them."""
    files = {}
    for path in sorted((CONTRACTS / "events").glob("*.schema.json")):
        name = re.fullmatch(r"(\w+)\.v(\d+)\.schema\.json", path.name)
        assert name, path
        files[name[1], int(name[2])] = path
    return files


@functools.lru_cache
def _event_checkers():
    return {key: Checker(read_schema(path, closed=True)) for key, path in event_schemas().items()}


@functools.lru_cache
def _checker(file, pointer=""):
    return Checker(read_schema(CONTRACTS / file, pointer, closed=True))


def check_event(type_name, schema_version, data, metadata="{}"):
    """An event of the log; data and metadata are JSON texts."""
    checker = _event_checkers().get((type_name, schema_version))
    FINDINGS.add(f"{type_name}.v{schema_version}", checker(json.loads(data)) if checker else ["has no schema"])
    FINDINGS.add("metadata", _checker("types.schema.json", "/$defs/Metadata")(json.loads(metadata)))


def check_record(key, value, headers):
    """A record of the topic; key and value are texts, headers a dict of texts."""
    FINDINGS.add("record", _checker("CloudEvent.schema.json")(headers))
    if key != headers.get("ce_subject"):
        FINDINGS.add("record", [f"its key is {key}, its subject {headers.get('ce_subject')}"])
    named = re.fullmatch(r"cartledger\.cart\.(\w+)\.v(\d+)", headers.get("ce_type", ""))
    if named:
        check_event(named[1], int(named[2]), value)
