"""docs/guide.md from its first block to its last, in one shell, in a checkout where nothing has ever been started."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from devstack import kafka
from devstack.ports import free_port
from service import COMPLAINTS, SANITIZER_OPTIONS, build_folder

ROOT = pathlib.Path(__file__).resolve().parents[2]
END_OF_BLOCK = "\x01"


def blocks():
    """(commands, the output shown below them or None) of each block."""
    text = (ROOT / "docs/guide.md").read_text()
    return re.findall(r"^```sh\n(.*?)^```\n(?:```(?:json|text)\n(.*?)^```\n)?", text, re.M | re.S)


def squeezed(text):
    return re.sub(r"\s", "", text)


def shows(wanted, text):
    """Whether `text` is `wanted`, where … stands for anything and white space for nothing."""
    return re.fullmatch(".*".join(map(re.escape, squeezed(wanted).split("…"))), squeezed(text))


@pytest.fixture
def checkout(tmp_path):
    """A copy of ./dev and what it needs, on ports of its own, whose services have been built already."""
    jars = ROOT / ".dev/kafka/libs"
    kafka.prepare(jars, ROOT / "tools/kafka")
    shutil.copy(ROOT / "dev", tmp_path)
    for folder in ("tools", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    built = tmp_path / ".dev/build/release"
    built.mkdir(parents=True)
    (tmp_path / ".dev/kafka").mkdir()
    (tmp_path / ".dev/kafka/libs").symlink_to(jars)
    (built / "build.ninja").write_text("build all: phony\n")
    for service in ("command-service", "query-service"):
        (built / service).symlink_to(build_folder() / service)
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    environment |= SANITIZER_OPTIONS
    for name in ("COMMAND_PORT", "QUERY_PORT", "POSTGRES_PORT", "KAFKA_PORT"):
        environment[name] = str(free_port())
    yield lambda script: subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment,
                                        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    logs = [file.read_text(errors="replace") for file in tmp_path.glob(".dev/log/*-service.log")]
    subprocess.run(["./dev", "down", "--wipe"], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert len(logs) == 2 and not any(map(COMPLAINTS.search, logs)), "\n".join(logs)[-6000:]


def test_given_a_checkout_then_each_block_of_the_guide_does_what_it_says(checkout):
    wanted = blocks()
    done = checkout("".join(f"{commands}printf '{END_OF_BLOCK}'\n" for commands, _ in wanted))
    printed = done.stdout.split(END_OF_BLOCK)[:-1]
    for (commands, shown), text in zip(wanted, printed):
        assert not shown or shows(shown, text), f"{commands}printed:\n{text}"
    assert done.returncode == 0 and len(printed) == len(wanted) > 10, done.stdout[-2000:] + done.stderr
