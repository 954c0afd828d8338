"""deploy/jobs/migrate with a secret that cannot be read, as on a volume that was restored in part."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRETS = ["owners/command_owner", "owners/command", "owners/query_owner", "owners/query", "superuser/password"]


def migrate(folder, secrets):
    """Runs the job with a psql that notes what it is told; answers the exit code and that note."""
    for name, password in secrets.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(password)
    told = folder / "psql-was-told"
    psql = folder / "psql"
    psql.write_text(f'#!/bin/sh\necho "$COMMAND_OWNER_PASSWORD $COMMAND_PASSWORD $QUERY_OWNER_PASSWORD $QUERY_PASSWORD $PGPASSWORD" >{told}\n')
    psql.chmod(0o755)
    script = (ROOT / "deploy/jobs/migrate").read_text().replace("/secrets/", f"{folder}/").replace(
        "/usr/share/cartledger/tools/cartledger-migrate", "true")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False,
                          env={"PATH": f"{folder}:{os.environ['PATH']}", "COMMAND_POSTGRES": "one",
                               "QUERY_POSTGRES": "one"})
    return done.returncode, told.read_text() if told.exists() else None


def test_given_all_secrets_then_the_roles_get_their_passwords(tmp_path):
    assert migrate(tmp_path, {name: name for name in SECRETS}) == (0, " ".join(SECRETS) + "\n")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("password", [None, ""])
def test_given_a_secret_that_is_missing_or_empty_then_no_role_loses_its_password(tmp_path, name, password):
    secrets = {other: other for other in SECRETS}
    del secrets[name]
    code, told = migrate(tmp_path, {**secrets, **({} if password is None else {name: password})})
    assert code != 0 and told is None
