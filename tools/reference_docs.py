#!/usr/bin/python3
"""Writes docs/api.md and docs/events.md, the reference, from contracts/.

`tools/check docs` compares them with what this makes, so that they cannot say anything else.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.append(str(ROOT / "tools"))

from openapi_bundle import bundle  # noqa: E402

CONTRACTS = ROOT / "contracts"
METHODS = ("get", "put", "post", "patch", "delete")
SERVICES = {"Command service": "command-service.openapi.yaml", "Query service": "query-service.openapi.yaml"}
PROBLEM = "application/problem+json"
PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]"
POWERS = {2 ** 63 - 1: "2⁶³−1", 2 ** 31 - 1: "2³¹−1", 2 ** 15 - 1: "2¹⁵−1"}
LONGEST_PATTERN = 48
WIDTH = 100
ANY = "Answers to any request"
HEAD = "<!-- Made from contracts/ by tools/reference_docs.py. Change those, and run it. -->\n"


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def table(names, rows):
    """A table without the columns that are empty in every row."""
    rows = [[cell(value) for value in row] for row in rows]
    used = [at for at in range(len(names)) if any(row[at] for row in rows)]
    lines = [[names[at] for at in used], ["---"] * len(used), *([row[at] for at in used] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def anchor(heading):
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(heading):
    return f"[{heading}](#{anchor(heading)})"


def code(text):
    return f"`{text}`"


def json_text(value, indent=0, used=0):
    """On one line where it fits behind `used` characters."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + used + len(line) <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return line
    inside = " " * (indent + 2)
    if isinstance(value, list):
        parts = [json_text(element, indent + 2) for element in value]
    else:
        names = [json.dumps(name) + ": " for name in value]
        parts = [name + json_text(member, indent + 2, len(name)) for name, member in zip(names, value.values())]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return opening + "\n" + ",\n".join(inside + part for part in parts) + "\n" + " " * indent + closing


def fenced(text, language="json"):
    return f"```{language}\n{text.rstrip()}\n```\n"


def limits(least, most, unit=""):
    unit = unit and f" {unit}{'' if (most or least) == 1 else 's'}"
    shown = [POWERS.get(bound) or (f"{bound:,}" if bound is not None else None) for bound in (least, most)]
    if None not in shown:
        return (shown[1] if least == most else f"{shown[0]} to {shown[1]}") + unit
    return f"at least {shown[0]}{unit}" if shown[0] else f"at most {shown[1]}{unit}" if shown[1] else ""


class Reference:
    """Markdown of the schemas of bundled documents; `linked` are the objects that wait for a section of their own."""

    def __init__(self, *documents):
        self.schemas, self.linked, self.examples = {}, [], {}
        for document in documents:
            for name, schema in document["components"]["schemas"].items():
                if self.schemas.setdefault(name, schema) != schema:
                    raise ValueError(f"two schemas {name}")

    def named(self, schema):
        """The name that a schema refers to, or None."""
        return schema["$ref"].rsplit("/", 1)[1] if "$ref" in schema else None

    def whole(self, schema):
        """With the members of what it refers to, its own first."""
        if "$ref" not in schema:
            return schema
        return {**self.whole(self.schemas[self.named(schema)]),
                **{name: value for name, value in schema.items() if name != "$ref"}}

    def kind(self, schema):
        """Its type and limits in one line."""
        full = self.whole(schema)
        if "oneOf" in full:
            return " or ".join(map(self.kind, full["oneOf"]))
        if "const" in full or "enum" in full:
            return " · ".join(code(value) for value in full.get("enum", [full.get("const")]))
        types = full.get("type", "anything")
        nullable = isinstance(types, list) and "null" in types
        base = next(name for name in types if name != "null") if isinstance(types, list) else types
        parts = [base]
        if base == "object" and "$ref" in schema:
            name = self.named(schema)
            if name not in self.linked:
                self.linked.append(name)
            parts = [link(name)]
        elif base == "array":
            parts = [f"array of {self.kind(full['items'])}", limits(full.get("minItems"), full.get("maxItems"))]
        elif base == "integer":
            parts += [limits(full.get("minimum"), full.get("maximum"))]
        elif base == "string":
            parts = [self.form(full), limits(full.get("minLength"), full.get("maxLength"), "character")]
        return ", ".join(filter(None, parts)) + (", or null" if nullable else "")

    def form(self, full):
        pattern = full.get("pattern", "")
        if "format" in full:
            return {"uuid": "UUID", "date-time": "RFC 3339 time", "uri": "URI", "uri-reference": "URI"}[full["format"]]
        if pattern.startswith(PRINTABLE):
            return "printable string"
        return f"string, {code(pattern)}" if pattern and len(pattern) <= LONGEST_PATTERN else "string"

    def members(self, schema, prefix=""):
        """(name, kind, whether it is always there, meaning) of each member, and of those of objects without a name."""
        full = self.whole(schema)
        for name, member in full.get("properties", {}).items():
            place = f"{prefix}{name}"
            always = "yes" if name in full.get("required", []) else ""
            kind = self.kind(member)
            # What an object is stands in its own section.
            meaning = (member if kind.startswith("[") else self.whole(member)).get("description", "")
            yield code(place), kind, always, meaning
            inner, suffix = member, "."
            while "$ref" not in inner and inner.get("type") == "array":
                inner, suffix = inner["items"], "[]" + suffix
            if "$ref" not in inner:
                yield from self.members(inner, place + suffix)
                if isinstance(inner.get("additionalProperties"), dict):
                    yield from self.members(inner["additionalProperties"], f"{place}{suffix}*.")

    def object(self, schema):
        rows = list(self.members(schema))
        full = self.whole(schema)
        text = table(["Member", "Type", "Required", "Meaning"], rows) if rows else "No members.\n"
        if "minProperties" in full:
            text += f"\n{limits(full['minProperties'], full.get('maxProperties'), 'member')} in all.\n"
        return text

    def sections(self):
        """Each object that was linked to, and those that these link to."""
        made = {}
        while set(self.linked) - made.keys():
            for name in [name for name in self.linked if name not in made]:
                schema = self.schemas[name]
                example = (schema.get("examples") or self.examples.get(name) or [None])[0]
                description = schema.get("description", "")
                made[name] = f"### {name}\n\n" + (f"{description}\n\n" if description else "") + self.object(schema) + (
                    "\n" + fenced(json_text(example)) if example is not None else "")
        return "\n".join(made[name] for name in sorted(made))


class Api(Reference):
    def __init__(self):
        self.documents = {service: bundle(CONTRACTS / file) for service, file in SERVICES.items()}
        super().__init__(*self.documents.values())
        self.problems, self.headers = {}, {}
        document = next(iter(self.documents.values()))
        unlisted = document["x-unlisted"]["responses"]
        self.usual = set.intersection(*(set(self.target(document, answer)["headers"]) for answer in unlisted.values()))

    def target(self, document, node):
        while "$ref" in node:
            _, kind, name = node["$ref"].rsplit("/", 2)
            node = document["components"][kind][name]
        return node

    def operations(self, document):
        """(method and path, operation, its parameters) in the document's order."""
        for path, item in document["paths"].items():
            for method in METHODS:
                if method in item:
                    parameters = item.get("parameters", []) + item[method].get("parameters", [])
                    yield f"{method.upper()} {path}", item[method], parameters

    def values(self, document, node):
        """The examples of a parameter, a header or a body."""
        named = [self.target(document, example)["value"] for example in node.get("examples", {}).values()]
        return named or ([node["example"]] if "example" in node else self.whole(node["schema"]).get("examples", []))

    def parameter_table(self, document, parameters):
        rows = []
        for parameter in (self.target(document, parameter) for parameter in parameters):
            full = self.whole(parameter["schema"])
            default = f" Default: `{full['default']}`." if "default" in full else ""
            example = next(iter(self.values(document, parameter)), None)
            rows.append([code(parameter["name"]), parameter["in"], self.kind(parameter["schema"]),
                         "yes" if parameter.get("required") else "", parameter["description"] + default,
                         code(example) if example is not None else ""])
        return table(["Parameter", "In", "Type", "Required", "Meaning", "Example"], rows)

    def header_table(self, headers):
        return table(["Header", "Value", "Always", "Meaning"], [
            [code(name), self.kind(header["schema"]), "yes" if header.get("required") else "", header["description"]]
            for name, header in headers.items()])

    def request_example(self, document, title, operation, parameters):
        method, target = title.split(" ")
        query = []
        for parameter in (self.target(document, parameter) for parameter in parameters):
            value = next(iter(self.values(document, parameter)), None)
            if parameter["in"] == "path":
                target = target.replace("{" + parameter["name"] + "}", value)
            elif parameter["in"] == "query" and "example" in parameter:
                query.append(f"{parameter['name']}={value}")
        text = f"{method} {target}{'?' if query else ''}{'&'.join(query)}\n"
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            text += f"Content-Type: {kind}\n\n{json_text(self.values(document, content)[0])}\n"
        return fenced(text, "http")

    def answers(self, document, responses):
        """What differs from those that any request may get as a table, of the rest the numbers."""
        rows, usual = [], []
        unlisted = document["x-unlisted"]["responses"]
        for status, answer in sorted(responses.items()):
            if responses is not unlisted and unlisted.get(status) == answer:
                usual.append(status)
                continue
            answer = self.target(document, answer)
            kinds, content = [], answer.get("content", {})
            for media, body in content.items():
                if media == PROBLEM:
                    kinds += [f"[{kind}](#problems)" for kind in self.note_problems(document, body, answer)]
                    continue
                self.examples.setdefault(self.named(body["schema"]), self.values(document, body))
                kinds.append(self.kind(body["schema"]) + ("" if media == "application/json" else f" as `{media}`"))
            headers = answer.get("headers", {})
            more = [code(name) for name in headers if name not in self.usual]
            self.headers.update({name: header for name, header in headers.items() if "$ref" not in header})
            rows.append([status, answer["description"], ", ".join(kinds), ", ".join(more)])
        text = table(["Status", "Meaning", "Body, or type of the problem", "Headers besides the usual"], rows)
        return text + (f"\nAs everywhere: {', '.join(usual)}; see {link(ANY)}.\n" if usual else "")

    def note_problems(self, document, body, answer):
        """The types of problem, each described by the answer that has the fewest of them beside it."""
        named = body.get("examples") or {"": {"value": body.get("example")}}
        kinds, rank = [], len(named) + len(answer["content"])
        for example in (self.target(document, example) for example in named.values()):
            value = example["value"]
            kinds.append(value["type"].rsplit(":", 1)[1])
            self.examples["Problem"] = [max(value, *self.examples.get("Problem", [{}]), key=lambda one: len(str(one)))]
            others = {name: member for name, member in value.items() if name not in ("type", "title", "status")}
            known = self.problems.get(kinds[-1])
            if known is None or rank < known[0]:
                self.problems[kinds[-1]] = (rank, value["status"], value["title"],
                                            example.get("summary", answer["description"]), others)
        return kinds

    def operation(self, document, title, operation, parameters):
        text = f"### {title}\n\n**{operation['summary']}.** {operation.get('description', '')}\n\n"
        own = [parameter for parameter in parameters if "$ref" not in parameter]
        shared = [code(self.target(document, parameter)["name"]) for parameter in parameters if "$ref" in parameter]
        text += self.parameter_table(document, own) + "\n" if own else ""
        if shared:
            text += f"{'Also' if own else 'Parameters'}: {', '.join(shared)}; see {link('Shared parameters')}.\n\n"
        text += self.request_example(document, title, operation, parameters) + "\n"
        for body in operation.get("requestBody", {}).get("content", {}).values():
            text += "" if operation["requestBody"].get("required") else "The body may be absent.\n\n"
            named = "oneOf" in body["schema"] or "$ref" in body["schema"]
            text += f"Body: {self.kind(body['schema'])}.\n" if named else self.object(body["schema"])
            text += "\n"
        text += self.answers(document, operation["responses"])
        for body in (self.target(document, operation["responses"]["200"]).get("content", {})).values():
            if "$ref" not in body["schema"] and body["schema"].get("type") == "object":
                text += f"\nThe body of 200:\n\n{self.object(body['schema'])}\n"
                text += fenced(json_text(self.values(document, body)[0]))
        return text + "\n"

    def text(self):
        operations = {service: list(self.operations(document)) for service, document in self.documents.items()}
        both = [one for one in operations["Command service"] if one in operations["Query service"]]
        sections = {service: [one for one in ones if one not in both] for service, ones in operations.items()}
        sections["Both services"] = both
        out = [HEAD, "# HTTP API\n",
               "What the two services answer; the events are in [events.md](events.md). Lengths of texts are meant in bytes "
               "of UTF-8;\nthe characters given here are the most that can be right. Patterns too long for a table are in "
               "[contracts/](../contracts/).\n",
               table(["Operation", "Service", "What it does"], [
                   [link(title), link(service), operation["summary"]]
                   for service, ones in sections.items() for title, operation, _ in ones])]
        parameters = {}
        for service, document in self.documents.items():
            out += [f"## {service}\n", f"`{document['servers'][0]['url']}`, "
                    f"{document['servers'][0]['description']}.\n", document["info"]["description"].replace(
                        "(see `x-unlisted`)", f"({link(ANY)})")]
            out += [self.operation(document, *one).rstrip() + "\n" for one in sections[service]]
            for _, _, used in operations[service]:
                parameters.update({one["$ref"]: (document, one) for one in used if "$ref" in one})
        out += ["## Both services\n", *(self.operation(document, *one).rstrip() + "\n" for one in both)]
        out += [f"### {ANY}\n", "To a path or method that is not listed here, and to those that name them.\n",
                self.answers(document, document["x-unlisted"]["responses"])]
        shared = [self.target(*one) for one in parameters.values()]
        out += ["## Shared parameters\n", self.parameter_table(document, shared)]
        headers = dict(self.headers)
        for each in self.documents.values():
            headers.update(each["components"]["headers"])
        out += ["## Headers of answers\n", "The usual ones, which every answer may have:\n",
                self.header_table({name: headers[name] for name in headers if name in self.usual}), "Others:\n",
                self.header_table({name: headers[name] for name in headers if name not in self.usual})]
        out += ["## Problems\n", "`application/problem+json`. The whole type is `urn:cartledger:problem:` and this:\n",
                table(["Type", "Status", "Title", "When", "Other members, for example"],
                      [[code(short), status, title, where, code(json.dumps(others)) if others else ""]
                       for short, (_, status, title, where, others) in sorted(self.problems.items())])]
        self.linked.append("Problem")
        return "\n".join([*out, "## Objects\n", self.sections()])


class Events(Reference):
    def __init__(self):
        self.document = bundle(CONTRACTS / "asyncapi.yaml")
        super().__init__(self.document)

    def text(self):
        document, components = self.document, self.document["components"]
        channel, = document["channels"].values()
        operation, = document["operations"].values()
        trait, = components["messageTraits"].values()
        key = self.whole(trait["bindings"]["kafka"]["key"])
        server, = document["servers"].values()
        # A paragraph that begins with bold words gets them as its heading.
        description = re.sub(r"^\*\*(.+?)\.\*\* ", r"## \1\n\n", document["info"]["description"], flags=re.M)
        out = [HEAD, "# Events\n", description, "## The topic\n", table(["", ""], [
            ["Topic", f"{code(channel['address'])}: {channel['description']}"],
            ["Partitions", channel["bindings"]["kafka"]["partitions"]],
            ["Key", key["description"]], ["Value", f"the event's data, `{document['defaultContentType']}`"],
            ["Server", f"{code(server['host'])}, {server['description']}"],
            ["Delivery", operation["description"]],
            ["Over HTTP", "the same events: [GET /v1/events](api.md#get-v1events)"]])]
        headers = trait["headers"]
        schema = self.whole(headers)
        out += ["## Headers\n", schema["description"] + "\n", self.object(headers).replace("Member", "Header", 1),
                fenced(json_text(schema["examples"][0]))]
        messages = components["messages"].values()
        headings = {message["name"]: message["name"].split(".", 2)[2] for message in messages}
        out += ["## Types\n", table(["`ce_type`", "What happened"], [
            [f"[{message['name']}](#{anchor(headings[message['name']])})", message["summary"]]
            for message in messages])]
        for message in messages:
            schema = self.whole(message["payload"])
            out += [f"### {headings[message['name']]}\n", message["summary"] + "\n", self.object(message["payload"]),
                    fenced(json_text(schema["examples"][0]))]
        return "\n".join([*out, "## Objects\n", self.sections()])


def documents():
    """(path in the repository, text) of each page."""
    return [("docs/api.md", Api().text()), ("docs/events.md", Events().text())]


if __name__ == "__main__":
    for name, made in documents():
        (ROOT / name).write_text(made, encoding="utf-8")
