"""What `meson install` puts where: programs, units, man pages, configuration, and that they fit each other."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from service import SANITIZER_OPTIONS, build_folder

SERVICES = ["command-service", "query-service"]
UNITS = [f"cartledger-{service}" for service in SERVICES] + ["cartledger-migrate@"]
EXPOSURE_MAX = 2.0  # of 10, as systemd-analyze security counts it


def run(*command, **environment):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **SANITIZER_OPTIONS, **environment})


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """An installation below a folder; tree("sbin/command-service") is a path in it."""
    top = tmp_path_factory.mktemp("installed")
    done = run("meson", "install", "-C", build_folder(), "--no-rebuild", "--destdir", top)
    assert done.returncode == 0, done.stdout + done.stderr
    return lambda path: top / build_option("prefix").lstrip("/") / path


def build_option(name):
    options = json.loads(run("meson", "introspect", build_folder(), "--buildoptions").stdout)
    return next(option["value"] for option in options if option["name"] == name)


def test_given_an_installation_then_everything_is_where_it_is_looked_for(tree):
    for service in SERVICES:
        assert os.access(tree(f"sbin/{service}"), os.X_OK)
        assert tree(f"share/man/man8/{service}.8").is_file()
        assert stat.S_IMODE(tree(f"etc/cartledger/{service}.conf").stat().st_mode) == 0o644
    for name in ("command-kafka-security", "query-kafka-security"):
        assert stat.S_IMODE(tree(f"etc/cartledger/credentials/{name}").stat().st_mode) == 0o600
    for path in ("migrations/command/0001_event_log.sql", "migrations/bootstrap.sql", "contracts/asyncapi.yaml",
                 "contracts/events/ItemAdded.v1.schema.json"):
        assert tree(f"share/cartledger/{path}").is_file()
    for tool in ("cartledger-migrate", "cartledger-topic"):
        shown = run(tree(f"sbin/{tool}"), "--help")
        assert shown.returncode == 0 and shown.stdout.startswith(f"usage: {tool}"), shown.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_given_no_sanitizer_then_malloc_is_that_of_jemalloc(tree, service):
    used = run("ldd", tree(f"sbin/{service}")).stdout
    assert ("libjemalloc" in used) == (build_option("b_sanitize") == "none"), used


@pytest.mark.parametrize("service", SERVICES)
def test_given_the_default_configuration_and_a_url_then_it_is_valid(tree, service):
    url = {f"{service.partition('-')[0].upper()}_DATABASE_URL": "postgresql://nobody@127.0.0.1/nothing"}
    checked = run(tree(f"sbin/{service}"), "--config", tree(f"etc/cartledger/{service}.conf"), "--check-config", **url)
    assert checked.returncode == 0, checked.stderr
    # What is commented out shows a default: it has to be one.
    shown = run(tree(f"sbin/{service}"), "--help").stdout
    for name, value in re.findall(r"^#([A-Z_]+)=(.*)$", tree(f"etc/cartledger/{service}.conf").read_text(), re.M):
        assert f"  {name} (default {value})\n" in shown, name


@pytest.mark.parametrize("service", SERVICES)
def test_given_a_man_page_then_it_says_what_help_says(tree, service):
    page = tree(f"share/man/man8/{service}.8").read_text().replace("\\-", "-").replace("\\&", "")
    shown = run(tree(f"sbin/{service}"), "--help").stdout
    for name, meaning in re.findall(r"^  ([A-Z][A-Z0-9_]+.*)\n {6}(.*)$", shown, re.M):
        assert f".TP\n.B {name}\n{meaning}\n" in page, name
    for option in re.findall(r"^  (--\S+)", shown, re.M):
        assert f"\n.B {option}" in page, option
    if shutil.which("man") and shutil.which("groff"):
        rendered = run("man", "--warnings", "-l", tree(f"share/man/man8/{service}.8"), MANWIDTH="100", LC_ALL="C.UTF-8")
        assert rendered.returncode == 0 and rendered.stderr == "", rendered.stderr


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_given_a_unit_then_it_is_valid_and_hardened(tree, unit, tmp_path):
    text = tree(f"lib/systemd/system/{unit}.service").read_text()
    # Installed below a folder, the programs are not where the unit looks for them.
    file = tmp_path / unit.replace("@", "@command")
    file = file.with_name(file.name + ".service")
    text = text.replace(f"{build_option('prefix')}/sbin/", f"{tree('sbin')}/")
    file.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    verified = run("systemd-analyze", "verify", file)
    assert verified.returncode == 0 and verified.stderr == "", verified.stderr
    judged = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX * 10:.0f}", file)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found and float(found.group(1)) <= EXPOSURE_MAX and judged.returncode == 0, judged.stdout[-3000:]
