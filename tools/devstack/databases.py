"""Roles, databases and migrations of the two services."""
import json
import os
import subprocess

import psycopg2
from psycopg2.extensions import parse_dsn

from .report import Trouble

KINDS = ("command", "query")
ROLES = tuple(f"cartledger_{kind}{suffix}" for kind in KINDS for suffix in ("_owner", ""))

# What lib/pq, which sql-migrate connects with, understands of libpq's parameters.
_KEPT = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout")


def bootstrap(server, migrations):
    """Makes the roles and the two databases of a PostgresServer, or brings them up to date."""
    passwords = {f"{role[len('cartledger_'):].upper()}_PASSWORD": server.password(role) for role in ROLES}
    run_psql(["-f", migrations / "bootstrap.sql"], server.url("postgres", "postgres"), passwords)


def run_psql(arguments, url, extra_environment=None):
    """Runs psql on `url`, quietly; raises with what it said when it fails."""
    environment = {**os.environ, **connection_environment(url), **(extra_environment or {})}
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *[str(arg) for arg in arguments]]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise Trouble(f"psql {arguments} failed:\n{done.stderr}")


def connection_environment(url):
    """The URL as libpq's environment variables, which no process list shows."""
    names = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
             "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT",
             "sslkey": "PGSSLKEY"}
    return {names[key]: value for key, value in _parts(url).items() if key in names}


def _parts(url):
    """The URL taken apart; refuses what postgres_url_check() does, in words that hold nothing of it."""
    try:
        parts = parse_dsn(url)
    except psycopg2.ProgrammingError:
        parts = {"dbname": "@"}
    misplaced = "@" in parts.get("host", "")[1:] + parts.get("dbname", "")
    if misplaced or not (parts.get("port") or "0").replace(",", "0").isdecimal():
        raise Trouble("the database URL is malformed; in a password, write %2F for / and %40 for @, and %25 for %")
    return parts


def _for_sql_migrate(url):
    """The URL as lib/pq wants it, which insists on TLS unless told otherwise, where libpq takes what there is."""
    parts = _parts(url)
    if parts.get("sslmode") in (None, "prefer", "allow"):
        connection = psycopg2.connect(url, connect_timeout=5)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
                parts["sslmode"] = "require" if cursor.fetchone()[0] else "disable"
        finally:
            connection.close()
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in parts.items() if key in _KEPT}
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


def migrate(kind, url, migrations, config):
    """Runs migrations/KIND on the database; `url` is its owner's. Answers what sql-migrate said."""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("".join(
        f"{name}:\n  dialect: postgres\n  datasource: ${{MIGRATION_DATABASE_URL}}\n"
        f"  dir: {json.dumps(str(migrations / name), ensure_ascii=False)}\n  table: applied_migrations\n" for name in KINDS))
    try:
        environment = {**os.environ, "MIGRATION_DATABASE_URL": _for_sql_migrate(url)}
    except psycopg2.OperationalError as error:
        raise Trouble(f"cannot connect to the {kind} database to migrate it: {error}") from None
    done = subprocess.run(["sql-migrate", "up", f"-config={config}", f"-env={kind}"], env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"the {kind} database could not be migrated:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def initialise_event_log(url, partitions):
    """Splits a new log into `partitions`; refuses when the log has another number. `url` is the owner's."""
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT initialise_event_log(%s::smallint)", (partitions,))
    except psycopg2.Error as error:
        said = error.diag.message_primary or str(error)
        raise Trouble(f"the event log refuses PARTITIONS={partitions}: {said}") from None
    finally:
        connection.close()


def answer(urls):
    """Whether a connection to each of them can be made."""
    try:
        for url in urls:
            psycopg2.connect(url, connect_timeout=3).close()
    except psycopg2.OperationalError:
        return False
    return True
