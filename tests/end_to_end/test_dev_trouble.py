"""./dev where something comes between: an interruption, a full disk, somebody else's settings, an odd path."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from devstack.files import write_private
from devstack.ports import free_port
from devstack.postgres import PostgresServer
from devstack.process import Daemon, _children, unprivileged_user

ROOT = pathlib.Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("left", ["", "999999999\n/some/folder\n"], ids=["empty", "stale"])
def test_given_what_a_power_cut_left_of_a_lock_file_then_it_is_cleared_away(server, left):
    server.data.mkdir(parents=True)
    (server.data / "postmaster.pid").write_text(left)
    assert not server.stop() and not (server.data / "postmaster.pid").exists()


def test_given_no_room_for_its_pid_then_a_process_is_not_left_behind(tmp_path):
    daemon = Daemon("one", tmp_path, tmp_path)
    daemon.pid_file.mkdir()
    with pytest.raises(OSError):
        daemon.spawn(["sleep", "600"], {"PATH": os.environ["PATH"]})
    assert _children.pop().wait(5) == -signal.SIGKILL


def test_given_a_full_disk_then_a_file_stays_what_it_was(tmp_path):
    file = tmp_path / "settings.json"
    write_private(file, "{}")
    (tmp_path / "settings.json.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_private(file, "[]")
    assert file.read_text() == "{}"


def test_given_files_that_cannot_be_read_or_a_reader_that_has_gone_then_few_words(checkout):
    gone = checkout.run("exec 3> >(exit); sleep 0.3; ./dev status >&3")
    assert (gone.returncode, gone.stderr) == (141, "")
    (checkout.folder / ".dev/own-values").mkdir()
    odd = checkout.run("./dev status")
    (checkout.folder / ".dev/own-values").rmdir()
    assert odd.returncode == 1 and odd.stderr.count("\n") == 1 and "own-values" in odd.stderr


def test_given_a_checkout_that_postgres_cannot_reach_then_its_data_lie_where_nothing_is_cleared_away(server):
    user = unprivileged_user()
    if user is None:
        pytest.skip("only root starts PostgreSQL as another user")
    server.home.parent.chmod(0o700)
    server._settle_home()
    assert server.data.parent.parent == pathlib.Path(user.pw_dir) and server.data.parent.owner() == user.pw_name


@pytest.mark.parametrize("password", ["Zm9v/YmFy", "sek@ret", "sek%ret"])
def test_given_a_password_that_is_not_escaped_then_no_piece_of_it_is_told(password):
    url = f"postgresql://me:{password}@127.0.0.1:9/carts"
    done = subprocess.run([ROOT / "tools/cartledger-migrate", "query"], env={"OWNER_DATABASE_URL": url}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "malformed" in done.stderr
    assert not any(piece in done.stderr for piece in re.split("[/@%]", password)), done.stderr
