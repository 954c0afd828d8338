"""Settings as the services read them: the environment, the environment as NAME_FILE, a file of NAME=VALUE, a default."""
import os
import pathlib

from .report import Trouble


def read(file, names, environment=None):
    """The values of `names`, a dict of defaults (None: must be given). `file` may be None; it may hold other names."""
    environment = os.environ if environment is None else environment
    lines = _lines(file) if file else {}
    values = {}
    for name, default in names.items():
        if name in environment and f"{name}_FILE" in environment:
            raise Trouble(f"{name} and {name}_FILE are both set")
        if name in environment:
            values[name] = environment[name]
        elif f"{name}_FILE" in environment:
            values[name] = _text(environment[f"{name}_FILE"]).removesuffix("\n")
        else:
            values[name] = lines.get(name, default)
        if values[name] is None or (values[name] == "" and default != ""):
            raise Trouble(f"{name} is not set")
    return values


def _text(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Trouble(f"cannot read {path}: {error.strerror}") from None


def _lines(file):
    found = {}
    for line in _text(file).splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            found[name.strip()] = value.strip()
    return found


def number(values, name):
    try:
        return int(values[name])
    except ValueError:
        raise Trouble(f"{name}={values[name]} is not a number") from None


def kafka_security(text):
    """KAFKA_SECURITY as a dict of librdkafka's properties: one a line, or separated by `;` when it is one line."""
    pairs = [pair.strip() for pair in text.strip().split("\n" if "\n" in text.strip() else ";") if pair.strip()]
    if not all("=" in pair for pair in pairs):
        raise Trouble("KAFKA_SECURITY is not NAME=VALUE;NAME=VALUE")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
