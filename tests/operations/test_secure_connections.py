"""TLS to PostgreSQL and Kafka, with certificates made here, against real servers that take nothing else."""

import pathlib
import re
import secrets
import shutil
import subprocess

import confluent_kafka
import pytest
import requests

from certificates import Authority
from devstack.ports import free_port
from devstack.process import unprivileged_user
from shop import Shop, eventually, line, new_id

ROOT = pathlib.Path(__file__).resolve().parents[2]
USERS = ("cartledger-command", "cartledger-query", "cartledger-operator")
# librdkafka before 2.6.1 repeats its nonce in the last message of SCRAM, which Kafka 4 refuses as RFC 5802 demands.
CAN_SCRAM = confluent_kafka.libversion()[1] >= 0x020601ff
WAYS = ["certificate", "PLAIN", pytest.param("SCRAM-SHA-512", marks=pytest.mark.skipif(
    not CAN_SCRAM, reason=f"librdkafka {confluent_kafka.libversion()[0]} cannot do SCRAM with Kafka 4"))]


class Fortress:
    """The module's PostgreSQL and Kafka, each behind TLS with a certificate for 127.0.0.1.

    Kafka asks for a password at one port and for the client's certificate at another one. Its plain listener stays for
    the administrator; the services' users may do what docs/operations.md lists.
    """

    def __init__(self, infrastructure, folder):
        self.infrastructure = infrastructure
        self.authority = Authority(folder / "authority")
        self.stranger = Authority(folder / "stranger", "somebody-else")
        self.passwords = {user: secrets.token_urlsafe(18) for user in USERS}
        self._secure_postgres()
        self._secure_kafka()
        # The names of a stack's topics and group begin so; in production they are whole names.
        self.allow("cartledger-command", "topic", "cart-events", "Describe", "Read", "Write")
        self.allow("cartledger-query", "topic", "cart-events", "Describe", "Read")
        self.allow("cartledger-query", "topic", "cart-events-dead", "Describe", "Write")
        self.allow("cartledger-query", "group", "views", "Read")
        self.allow("cartledger-operator", "topic", "secure", "Describe", "Create", "Delete")

    def _secure_postgres(self):
        server, user = self.infrastructure.postgres.server, unprivileged_user()
        key, certificate = self.authority.sign("postgres", ["IP:127.0.0.1"])
        for source, name, mode in ((key, "server.key", 0o600), (certificate, "server.crt", 0o644)):
            target = server.data / name
            shutil.copy(source, target)
            target.chmod(mode)
            if user is not None:
                shutil.chown(target, user.pw_uid, user.pw_gid)
        access = server.data / "pg_hba.conf"
        access.write_text(access.read_text().replace("\nhost ", "\nhostssl "))
        self.infrastructure.postgres.sql("ALTER SYSTEM SET ssl = on")
        self.infrastructure.postgres.sql("SELECT pg_reload_conf()")
        eventually(lambda: self.infrastructure.postgres.sql("SHOW ssl") == [("on",)])

    def _secure_kafka(self):
        broker = self.infrastructure.kafka.broker
        key, certificate = self.authority.sign("kafka", ["IP:127.0.0.1"])
        keystore = self.authority.folder / "kafka.pem"
        keystore.write_text(key.read_text() + certificate.read_text())
        self.servers = {listener: f"127.0.0.1:{free_port()}" for listener in ("password", "certificate")}
        written = (broker.home / "server.properties").read_text()
        controller = re.search(r"^controller\.quorum\.voters=1@(\S+)$", written, re.M).group(1)
        public = (f"PLAINTEXT://127.0.0.1:{broker.port},PASSWORD://{self.servers['password']},"
                  f"CERTIFICATE://{self.servers['certificate']}")
        known = " ".join(f'user_{user}="{password}"' for user, password in self.passwords.items())
        login = "org.apache.kafka.common.security"
        broker.stop()
        broker.more_settings = "".join(f"{setting}\n" for setting in (
            f"listeners={public},CONTROLLER://{controller}",
            f"advertised.listeners={public}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORD:SASL_SSL,CERTIFICATE:SSL",
            "inter.broker.listener.name=PLAINTEXT",
            "listener.name.password.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN",
            f"listener.name.password.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;",
            f"listener.name.password.plain.sasl.jaas.config={login}.plain.PlainLoginModule required {known};",
            "listener.name.certificate.ssl.client.auth=required",
            "ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/",
            f"ssl.truststore.type=PEM\nssl.truststore.location={self.authority.certificate}",
            f"ssl.keystore.type=PEM\nssl.keystore.location={keystore}",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS"))
        broker.start()
        for user, password in self.passwords.items():
            self.kafka_tool("kafka.admin.ConfigCommand", "--alter", "--entity-type", "users", "--entity-name", user,
                            "--add-config", f"SCRAM-SHA-512=[password={password}]")

    def kafka_tool(self, main, *arguments):
        broker = self.infrastructure.kafka.broker
        done = subprocess.run(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{broker.libs}/*", main,
                               "--bootstrap-server", broker.bootstrap, *arguments], capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def allow(self, user, kind, name, *operations):
        rights = [word for operation in operations for word in ("--operation", operation)]
        self.kafka_tool("org.apache.kafka.tools.AclCommand", "--add", "--allow-principal", f"User:{user}", *rights,
                        "--resource-pattern-type", "prefixed", f"--{kind}", name)

    def kafka(self, user, way="PLAIN", authority=None, password=None):
        """The settings of a client that shows who it is by its certificate or, with PLAIN or SCRAM, by a password."""
        trusted = f"ssl.ca.location={(authority or self.authority).certificate}"
        if way == "certificate":
            key, certificate = self.authority.sign(user, ["DNS:client"])
            security = f"security.protocol=ssl;ssl.key.location={key};ssl.certificate.location={certificate};{trusted}"
        else:
            security = (f"security.protocol=sasl_ssl;sasl.mechanisms={way};sasl.username={user};"
                        f"sasl.password={password or self.passwords[user]};{trusted}")
        return {"KAFKA_BOOTSTRAP_SERVERS": self.servers["certificate" if way == "certificate" else "password"],
                "KAFKA_SECURITY": security}

    def database(self, url, authority=None, host="127.0.0.1"):
        return (f"{url.replace('@127.0.0.1:', f'@{host}:')}?sslmode=verify-full"
                f"&sslrootcert={(authority or self.authority).certificate}&hostaddr=127.0.0.1")


@pytest.fixture(scope="module")
def fortress(private_infrastructure, tmp_path_factory):
    folder = tmp_path_factory.mktemp("secure")
    folder.chmod(0o755)
    return Fortress(private_infrastructure, folder)


@pytest.fixture
def stack(private_stack_factory, fortress):
    """Both services with all the security there is, made but not started."""
    made = private_stack_factory(command_services=0, query_services=0)
    made.add_command_service(start=False, COMMAND_DATABASE_URL=fortress.database(made.command_database_url),
                             **fortress.kafka("cartledger-command"))
    made.add_query_service(start=False, QUERY_DATABASE_URL=fortress.database(made.query_database_url),
                           **fortress.kafka("cartledger-query"))
    return made


def check_of(service, name):
    return requests.get(service.url + "/readyz", timeout=5).json()["checks"][name]


def metric(service, name):
    served = requests.get(service.url + "/metrics", timeout=5).text
    return float(re.search(rf"^{name} (\S+)$", served, re.M).group(1))


@pytest.mark.parametrize("way", WAYS)
def test_given_tls_everywhere_then_shopping_works_and_every_session_is_encrypted(stack, fortress, way):
    command = stack.process("command-service").start(**fortress.kafka("cartledger-command", way))
    query = stack.process("query-service").start(**fortress.kafka("cartledger-query", way))
    shop, cart = Shop(command.url, query.url), new_id()
    assert shop.create(cart).status_code == 201
    assert shop.add(cart, line()).status_code == 200
    assert shop.view(cart, min_version=2)["lineCount"] == 1
    eventually(lambda: check_of(command, "relay")["detail"] == "publishing: the topic follows the log")
    sessions = fortress.infrastructure.postgres.sql(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename IN "
        "('cartledger_command', 'cartledger_query')")
    assert len(sessions) >= 4 and all(encrypted for encrypted, in sessions)
    for service in (command, query):
        said = service.stderr() + requests.get(service.url + "/readyz", timeout=5).text
        assert not [password for password in fortress.passwords.values() if password in said]


def test_given_no_tls_then_the_servers_refuse(stack, fortress):
    service = stack.process("command-service")
    ended = service.run(COMMAND_DATABASE_URL=f"{stack.command_database_url}?sslmode=disable")
    assert ended.returncode == 1 and "no encryption" in ended.stderr, ended.stderr
    service.start(KAFKA_SECURITY=None)
    eventually(lambda: not check_of(service, "relay")["ok"]
               and check_of(service, "relay")["detail"].startswith("topic-unreachable"))
    assert Shop(service.url).create(new_id()).status_code == 201, "commands do not need Kafka"


@pytest.mark.parametrize("wrong", ["authority", "host"])
def test_given_a_certificate_that_does_not_prove_who_it_is_then_postgres_is_not_spoken_to(stack, fortress, wrong):
    service = stack.process("command-service")
    changed = {"authority": {"authority": fortress.stranger}, "host": {"host": "localhost"}}[wrong]
    url = fortress.database(stack.command_database_url, **changed)
    service.start(ready=False, COMMAND_DATABASE_URL=url)
    words = {"authority": "certificate verify failed", "host": "does not match host name"}[wrong]
    eventually(lambda: words in check_of(service, "event-store")["detail"])
    assert Shop(service.url).create(new_id()).status_code == 503


@pytest.mark.parametrize("wrong", ["authority", "password"])
def test_given_a_broker_that_is_a_stranger_or_a_wrong_password_then_nothing_is_published_and_it_is_said(
        stack, fortress, wrong):
    service = stack.process("command-service")
    changed = {"authority": {"authority": fortress.stranger}, "password": {"password": "sekrit-wrong"}}[wrong]
    service.start(**fortress.kafka("cartledger-command", **changed))
    assert Shop(service.url).create(new_id()).status_code == 201
    eventually(lambda: check_of(service, "relay")["detail"].startswith("topic-unreachable"))
    words = {"authority": "certificate verify failed", "password": "Authentication failed"}[wrong]
    eventually(lambda: words in service.stderr())
    assert "sekrit-wrong" not in service.stderr()


# The first one has a right to write nowhere yet, which the broker refuses before it looks at the topic.
@pytest.mark.parametrize("had", [["Describe", "Read"], [], ["Describe"]], ids=lambda had: "+".join(had) or "none")
def test_given_a_user_without_rights_then_it_takes_commands_says_why_and_publishes_once_it_has_them(
        stack, fortress, had):
    if had:
        fortress.allow("cartledger-operator", "topic", stack.topic, *had)
    service = stack.process("command-service").start(**fortress.kafka("cartledger-operator"))
    assert Shop(service.url).create(new_id()).status_code == 201

    def refused():
        check = check_of(service, "relay")
        return not check["ok"] and check["detail"].startswith("refused: ") and "authorization failed" in check["detail"]
    eventually(refused, 30)
    assert metric(service, "cartledger_relay_restarts_total") <= 1
    eventually(lambda: metric(service, "cartledger_relay_lag_events") == 1
               and metric(service, "cartledger_relay_errors_total") > 0)
    assert "authorization failed" in service.stderr()

    fortress.allow("cartledger-operator", "topic", stack.topic, "Describe", "Read", "Write")
    eventually(lambda: check_of(service, "relay")["detail"] == "publishing: the topic follows the log", 30)
    eventually(lambda: metric(service, "cartledger_relay_lag_events") == 0)


def test_given_tls_and_passwords_then_schema_and_topics_can_be_made(fortress, tmp_path):
    made = fortress.infrastructure.fresh_databases(kinds=["query"])
    secret = tmp_path / "url"
    secret.write_text(fortress.database(made.query_owner) + "\n")
    done = subprocess.run([ROOT / "tools/cartledger-migrate", "query"], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "OWNER_DATABASE_URL_FILE": str(secret)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("query: ")
    fortress.infrastructure.drop_databases(made)

    config = tmp_path / "query-service.conf"
    config.write_text("KAFKA_TOPIC=secure-topic\nKAFKA_DEAD_LETTER_TOPIC=secure-dead\nPARTITIONS=3\n")
    for action in ("create", "create", "recreate"):
        done = subprocess.run([ROOT / "tools/cartledger-topic", "--config", config, action], capture_output=True,
                              text=True, check=False,
                              env={"PATH": "/usr/bin:/bin", **fortress.kafka("cartledger-operator")})
        assert done.returncode == 0, done.stderr
        assert "secure-topic has 3 partitions" in done.stdout
