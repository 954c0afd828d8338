"""A stack: one event log with its databases, topics and services, apart from every other stack."""

from concurrent.futures import ThreadPoolExecutor

from service import Service


class Stack:
    """Fresh databases and topics on an Infrastructure, and any number of both services.

    Attributes: command_url(s), query_url(s), command_database_url, query_database_url (service roles),
    command_owner_url, query_owner_url, kafka_servers, topic, dead_letter_topic, partitions, infrastructure.
    `command_env` and `query_env` change the services' configuration; see Service.
    """

    def __init__(self, infrastructure, name, command_services=1, query_services=1, partitions=6, command_env=None,
                 query_env=None):
        self.infrastructure, self.name, self.partitions = infrastructure, name, partitions
        self.databases = infrastructure.fresh_databases(partitions)
        self.command_database_url, self.command_owner_url, self.query_database_url, self.query_owner_url = self.databases
        self.kafka_servers = infrastructure.kafka.servers
        self.topic, self.dead_letter_topic = infrastructure.fresh_topics(partitions)
        self.group = f"views-{name}"
        self.command_env, self.query_env = command_env or {}, query_env or {}
        self.services = {}
        try:
            for _ in range(command_services):
                self.add_command_service(start=False)
            for _ in range(query_services):
                self.add_query_service(start=False)
            for service in self.services.values():
                service.start(ready=False)
            for service in self.services.values():
                service.wait_ready()
        except BaseException:
            self.close()
            raise

    @property
    def command_urls(self):
        return [service.url for service in self.services.values() if service.kind == "command-service"]

    @property
    def query_urls(self):
        return [service.url for service in self.services.values() if service.kind == "query-service"]

    @property
    def command_url(self):
        return self.command_urls[0]

    @property
    def query_url(self):
        return self.query_urls[0] if self.query_urls else None

    def process(self, name):
        """`postgres`, `kafka`, or a service: `command-service`, `command-service-2` …; all can start, stop, kill,
        pause and cont."""
        if name in ("postgres", "kafka"):
            return getattr(self.infrastructure, name)
        return self.services[name]

    def add_command_service(self, start=True, **env):
        """Starts one more command service; answers the Service. With start=False it's only made."""
        return self._add("command-service", start, {"COMMAND_DATABASE_URL": self.command_database_url,
                                                    **self.command_env, **env})

    def add_query_service(self, start=True, **env):
        """Starts one more query service, which refills from the first command service."""
        command_urls = self.command_urls
        return self._add("query-service", start, {
            "QUERY_DATABASE_URL": self.query_database_url,
            "COMMAND_URL": command_urls[0] if command_urls else "http://127.0.0.1:9",
            "KAFKA_DEAD_LETTER_TOPIC": self.dead_letter_topic, "KAFKA_GROUP_ID": self.group,
            **self.query_env, **env})

    def _add(self, kind, start, env):
        number = 1 + sum(service.kind == kind for service in self.services.values())
        name = kind if number == 1 else f"{kind}-{number}"
        common = {"PARTITIONS": self.partitions, "KAFKA_BOOTSTRAP_SERVERS": self.kafka_servers,
                  "KAFKA_TOPIC": self.topic}
        log = self.infrastructure.folder / "log" / f"{self.name}.{name}.log"
        service = self.services[name] = Service(kind, {**common, **env}, log, name)
        return service.start() if start else service

    def close(self):
        """Ends the services, deletes topics and databases; answers what was wrong (see Service.finish)."""
        self.infrastructure.ensure_running()
        with ThreadPoolExecutor() as pool:
            wrong = [text for found in pool.map(Service.finish, self.services.values()) for text in found]
        for topic in (self.topic, self.dead_letter_topic):
            self.infrastructure.kafka.delete_topic(topic)
        self.infrastructure.drop_databases(self.databases)
        return wrong
