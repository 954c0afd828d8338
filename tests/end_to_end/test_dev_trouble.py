"""./dev where something comes between: an interruption, a full disk, somebody else's settings, an odd path."""

import pathlib
import subprocess

import pytest

from devstack.ports import free_port
from devstack.postgres import PostgresServer


@pytest.fixture
def server(tmp_path):
    made = PostgresServer(tmp_path / "postgres", free_port(), tmp_path / "run", tmp_path / "log", tmp_path / "secrets")
    yield made
    made.wipe()


def test_given_an_interruption_while_a_cluster_is_made_then_the_next_start_does_not_take_it_for_one(server, monkeypatch):
    run = subprocess.run

    def interrupted(command, **options):
        if "-D" not in command:
            return run(command, **options)
        folder = pathlib.Path(command[command.index("-D") + 1])
        folder.mkdir()
        (folder / "PG_VERSION").write_text("15\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server.home.exists() and not (server.data / "PG_VERSION").exists()
