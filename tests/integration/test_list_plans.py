"""A hundred thousand views: each list finds its page by an index, and reads no more than that."""

import contextlib

import psycopg2
import pytest

from statements import nodes, rows_read, statement

SOURCE = "query-service/adapters/view_source_postgres.c"
STATUSES = ["open", "checked_out", "cancelled", "expired", "merged"]
VIEWS, LIMIT = 100_000, 50
END = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")

# Three changes at a time; every thousandth cart is merged, other fiftieths are checked out, and none has expired. Seven
# customers have 1,429 carts each, ten thousand have one.
LOAD = f"""
    INSERT INTO cart_views
    SELECT md5(n::text)::uuid, 0, 1,
           CASE WHEN n % 1000 = 0 THEN 'merged' WHEN n % 50 = 0 THEN 'checked_out'
                WHEN n % 50 = 7 THEN 'cancelled' ELSE 'open' END,
           CASE n % 10 WHEN 0 THEN 'customer-' || n % 70 WHEN 1 THEN 'customer-' || n + 1000 END,
           timestamptz '2026-01-01 00:00Z' + n / 3 * interval '1 second', json_build_object('n', n)
    FROM generate_series(1, {VIEWS}) AS n"""


@pytest.fixture(scope="module", params=["planned for the empty table", "planned for what it holds"])
def views(infrastructure, request):
    made = infrastructure.fresh_databases(kinds=["query"])
    with contextlib.closing(psycopg2.connect(made.query_owner)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            # As the service has it: one plan for all parameters, which may be made while the table is empty.
            cursor.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
            for name, types in (("LIST", "text[]"), ("LIST_CUSTOMER", "text[], text")):
                cursor.execute(f"PREPARE {name} (timestamptz, uuid, int8, int8, {types}) AS {statement(SOURCE, name)}")
            # PREPARE alone makes no plan.
            page(cursor, "LIST", END, STATUSES)
            page(cursor, "LIST_CUSTOMER", END, STATUSES, "customer-30")
            cursor.execute(LOAD)
            if request.param == "planned for what it holds":
                cursor.execute("VACUUM ANALYZE cart_views")
            yield cursor


def page(cursor, name, after, *filters):
    """The page's (time, id), whether there are more, and its plan."""
    call = f"EXECUTE {name} ({', '.join(['%s'] * (4 + len(filters)))})", (*after, LIMIT, 1 << 22, *filters)
    cursor.execute(*call)
    rows = cursor.fetchall()
    cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {call[0]}", call[1])
    plan = cursor.fetchone()[0][0]["Plan"]
    return [row[:2] for row in rows], bool(rows) and rows[0][3] > len(rows), plan


def expected(cursor, condition, parameters=()):
    cursor.execute(f"SELECT updated_at, cart_id FROM cart_views WHERE {condition} ORDER BY updated_at DESC, cart_id DESC",
                   parameters)
    return cursor.fetchall()


@pytest.mark.parametrize("customer", [None, "customer-30"])
@pytest.mark.parametrize("wanted", [STATUSES, ["open"], ["checked_out"], ["merged"], ["expired"]], ids="+".join)
def test_given_many_views_when_listed_then_a_page_reads_a_page_of_each_status(views, wanted, customer):
    everything = expected(views, "status = ANY (%s) AND (customer_id = %s OR %s)", (wanted, customer, customer is None))
    name, filters = ("LIST_CUSTOMER", [wanted, customer]) if customer else ("LIST", [wanted])
    for start in {0, len(everything) // 2, max(0, len(everything) - 20)}:
        after = everything[start - 1] if start > 0 else END
        rows, more, plan = page(views, name, after, *filters)
        assert rows == everything[start:start + LIMIT]
        assert more == (len(everything) > start + LIMIT)
        assert rows_read(plan, "cart_views") <= (LIMIT + 1) * len(wanted), [node.get("Index Name") for node in nodes(plan)]


def test_given_many_views_when_all_are_paged_then_each_comes_once_in_order(views):
    found, after, more = [], END, True
    while more and len(found) < 2000:
        rows, more, _ = page(views, "LIST", after, STATUSES)
        found += rows
        after = rows[-1]
    assert found == expected(views, "true")[:len(found)] and len(found) >= 2000
