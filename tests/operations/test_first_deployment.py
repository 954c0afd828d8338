"""The first deployment of docs/operations.md, as far as the packages' tests do not run it."""

import pathlib
import re
import subprocess

import psycopg2
import pytest

from devstack.ports import free_port
from devstack.postgres import SUPERUSER, PostgresServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ["cartledger_command_owner", "cartledger_command", "cartledger_query_owner", "cartledger_query"]


@pytest.fixture
def server(infrastructure):
    """An empty PostgreSQL."""
    folder = infrastructure.folder / "first"
    made = PostgresServer(folder / "postgres", free_port(), folder / "run", folder / "log", folder / "secrets")
    made.start()
    yield made
    made.stop()


def test_given_an_empty_server_when_the_guides_lines_are_run_then_each_role_has_its_own_database_alone(server):
    found = re.search(r"^ *```sh\n( *export COMMAND_OWNER_PASSWORD=.*?)^ *```", (ROOT / "docs/operations.md").read_text(),
                      re.M | re.S)
    lines = found[1].replace("…", "'it''s \"$secret\"'").replace("/usr/share/cartledger/", f"{ROOT}/")
    for _ in range(2):  # it is safe to run again
        subprocess.run(["bash", "-euc", f"SUPERUSER_URL='{server.url(SUPERUSER, 'postgres')}'\n{lines}"], check=True)
    for role in ROLES:
        for kind in ("command", "query"):
            arguments = {"host": "127.0.0.1", "port": server.port, "user": role, "password": "its \"$secret\"",
                         "dbname": f"cartledger_{kind}"}
            if f"_{kind}" in role:
                psycopg2.connect(**arguments).close()
            else:
                with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                    psycopg2.connect(**arguments)
            with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
                psycopg2.connect(**arguments | {"password": "another"})
