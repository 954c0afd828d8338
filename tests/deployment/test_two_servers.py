"""docker-compose.yml with a PostgreSQL server for each of the two databases, and images of Debian 12."""

from compose import Compose
from shop import line, new_id


def test_given_two_servers_then_shopping_works_and_each_holds_its_own_data():
    compose = Compose()
    compose.environment |= {"QUERY_POSTGRES": "postgres-query", "SUITE": "bookworm", "CARTLEDGER_VERSION": "test-bookworm"}
    try:
        compose.up(profile="two-servers", build=True)
        assert compose("exec", "-T", "query-service", "cat", "/etc/debian_version").startswith("12.")
        shop, cart = compose.shop(), new_id()
        assert shop.create(cart).status_code == 201 and shop.add(cart, line()).status_code == 200
        assert shop.view(cart, 2)["lineCount"] == 1
        for server, database, table, elsewhere in (("postgres", "command", "events", "query"),
                                                   ("postgres-query", "query", "cart_views", "command")):
            psql = ["exec", "-T", server, "psql", "-XAtU", "postgres"]
            assert int(compose(*psql, f"cartledger_{database}", "-c", f"SELECT count(*) FROM {table}")) > 0
            assert compose(*psql, f"cartledger_{elsewhere}", "-c", r"\dt").strip() == ""
    finally:
        compose.down("--volumes", "--remove-orphans")
