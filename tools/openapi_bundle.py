#!/usr/bin/python3
"""Makes one self-contained OpenAPI document of the files in contracts/: openapi_bundle.py SOURCE.yaml TARGET.c,
or with --inputs names the files that the sources are made of: openapi_bundle.py --inputs SOURCE.yaml…

What the source refers to in other files becomes a component of it; path items and extensions, which tools cannot be
expected to follow, and members of other schemas are put in their place. The C file defines OPENAPI_DOCUMENT (common/runtime/openapi_document.h).
"""

import hashlib
import json
import sys
from pathlib import Path

import yaml

INLINE = ("/components/pathItems/", "/x-")
BYTES_A_LINE = 20


class Bundler:
    def __init__(self, source):
        self.source = Path(source).resolve()
        self.files, self.origins, self.imported = {}, {}, {}
        for kind, members in self.load(self.source).get("components", {}).items():
            self.origins.update({(kind, name): (self.source, f"/components/{kind}/{name}") for name in members})
        self.document = self.take(self.load(self.source), self.source)
        for kind, members in self.imported.items():
            self.document.setdefault("components", {}).setdefault(kind, {}).update(members)

    def load(self, file):
        if file not in self.files:
            text = file.read_text(encoding="utf-8")
            self.files[file] = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
        return self.files[file]

    def find(self, file, pointer):
        node = self.load(file)
        for step in pointer.split("/")[1:]:
            node = node[step.replace("~1", "/").replace("~0", "~")]
        return node

    def take(self, node, file):
        """A copy of what stands in `file`, with references that hold in the bundle."""
        if isinstance(node, list):
            return [self.take(element, file) for element in node]
        if not isinstance(node, dict):
            return node
        if not isinstance(node.get("$ref"), str):
            return {name: self.take(value, file) for name, value in node.items() if name != "$schema"}
        name, _, pointer = node["$ref"].partition("#")
        target = (file.parent / name).resolve() if name else file
        if pointer.startswith(INLINE) or "/properties/" in pointer:
            return self.take(self.find(target, pointer), target)
        siblings = {name: self.take(value, file) for name, value in node.items() if name != "$ref"}
        return {"$ref": self.component(target, pointer), **siblings}

    def component(self, file, pointer):
        """The bundle's own reference to what stands there."""
        if file == self.source:
            return "#" + pointer
        steps = pointer.split("/")
        if steps[1:2] == ["components"] and len(steps) == 4:
            kind, name = steps[2:]
        elif steps[1:2] == ["$defs"] and len(steps) == 3:
            kind, name = "schemas", steps[2]
        elif not pointer:
            # Generators take a dot in a name for a module.
            kind, name = "schemas", file.name.removesuffix(".schema.json").replace(".v", "V")
        else:
            raise ValueError(f"{file.name}#{pointer} cannot become a component")
        origin = self.origins.setdefault((kind, name), (file, pointer))
        if origin != (file, pointer):
            raise ValueError(f"two components {kind}/{name}: {origin[0].name} and {file.name}")
        members = self.imported.setdefault(kind, {})
        if name not in members:
            members[name] = None  # it may refer to itself
            members[name] = self.take(self.find(file, pointer), file)
        return f"#/components/{kind}/{name}"


def bundle(source):
    """The document as a dict."""
    return Bundler(source).document


def inputs(sources):
    """Every file that the documents are made of."""
    return sorted({file for source in sources for file in Bundler(source).files})


def write_c(document, target):
    text = json.dumps(document, separators=(",", ":")).encode()  # ASCII, so that each byte is a char
    tag = hashlib.sha256(text).hexdigest()[:32]
    lines = [",".join(map(str, text[at:at + BYTES_A_LINE])) for at in range(0, len(text), BYTES_A_LINE)]
    body = ",\n    ".join(lines)
    Path(target).write_text(
        '#include "openapi_document.h"\n\n'
        f"static const char JSON[] = {{\n    {body}}};\n\n"
        "const struct openapi_document OPENAPI_DOCUMENT = {\n"
        f'    .json = {{JSON, sizeof(JSON)}}, .etag = "\\"{tag}\\""}};\n', encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "--inputs":
        print("\n".join(map(str, inputs(sys.argv[2:]))))
    else:
        write_c(bundle(sys.argv[1]), sys.argv[2])
