"""The services' SQL statements as their C sources have them, and what PostgreSQL does for them."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = [*(f"common/{layer}" for layer in ("base", "contract", "runtime")),
           "command-service/domain", "command-service/application", "command-service/adapters",
           "query-service/projection", "query-service/application", "query-service/adapters"]


def statement(source, name):
    """The SQL of the statement `name` in the file `source`, after the preprocessor."""
    flags = subprocess.run(["pkg-config", "--cflags", "libpq"], capture_output=True, text=True, check=True).stdout.split()
    folders = [f"-I{ROOT / folder}" for folder in FOLDERS]
    text = subprocess.run(["gcc", "-E", "-P", "-D_GNU_SOURCE", *folders, *flags, ROOT / source], capture_output=True,
                          text=True, check=True).stdout
    body = re.search(rf"postgres_statement {name} =\s*{{.*?\.sql =(.*?),\s*\.parameter_count", text, re.S).group(1)
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', body))


def nodes(plan):
    """The plan and all plans below it."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def rows_read(plan, table):
    """How many rows of the table were looked at, whether they were wanted or not."""
    return sum((node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0) +
                node.get("Rows Removed by Index Recheck", 0)) * node.get("Actual Loops", 1)
               for node in nodes(plan) if node.get("Relation Name") == table)
