"""The query service's HTTP contract: one cart, conditions, waiting for a version, lists."""

import json
import time

import pytest

from shop import line, new_id, problem



def fill(shop, customer=None, adds=1):
    """A cart of version 1 + adds that the view shows."""
    cart = new_id()
    assert shop.create(cart, customer=customer).status_code == 201
    for _ in range(adds):
        assert shop.add(cart, line("tea-01", 2)).status_code == 200
    shop.view(cart, min_version=1 + adds)
    return cart


def ids_of(page):
    assert page.status_code == 200, page.text
    return [cart["cartId"] for cart in page.json()["carts"]]


def test_given_a_cart_then_its_view_has_exactly_the_members_of_the_contract(shop):
    cart = fill(shop)
    answer = shop.get(f"/v1/carts/{cart}")
    view = answer.json()
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["ETag"] == '"2"'
    assert view.pop("createdAt").endswith("Z") and view.pop("updatedAt").endswith("Z")
    money = {"currency": "EUR", "amountMinor": 3998}
    assert view == {
        "cartId": cart, "status": "open", "customerId": None, "currency": "EUR", "version": 2,
        "items": [{"sku": "tea-01", "name": "Green tea", "quantity": 2,
                   "unitPrice": {"amountMinor": 1999, "currency": "EUR"}, "lineTotal": money}],
        "lineCount": 1, "itemCount": 2, "coupons": [], "subtotal": money,
        "discountTotal": {"amountMinor": 0, "currency": "EUR"}, "total": money, "closedAt": None, "orderId": None,
        "mergedInto": None}


def test_given_a_head_request_then_it_is_the_get_without_its_body(shop):
    cart = fill(shop)
    got = shop.get(f"/v1/carts/{cart}")
    head = shop.send("HEAD", f"/v1/carts/{cart}", base=shop.query_url)
    assert head.status_code == 200 and head.content == b""
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name]
    assert shop.send("HEAD", f"/v1/carts/{new_id()}", base=shop.query_url).status_code == 404


@pytest.mark.parametrize("condition, status", [
    ('"2"', 304), ('W/"2"', 304), ('"1", "2"', 304), ("*", 304), ('"1"', 200), ('"22"', 200), ("2", 400), ('"2', 400),
    pytest.param(", ".join(f'W/"{version}"' for version in range(100, 0, -1)), 304, id="a hundred tags")])
def test_given_version_two_when_if_none_match_is_sent_then_304_only_for_it(shop, condition, status):
    cart = fill(shop)
    answer = shop.get(f"/v1/carts/{cart}", headers={"If-None-Match": condition})
    assert answer.status_code == status, answer.text
    if status == 304:
        assert answer.content == b"" and answer.headers["ETag"] == '"2"'
    if status == 400:
        assert problem(answer) == "invalid-header"


@pytest.mark.parametrize("prefer, seconds", [({"Prefer": "wait=1"}, 1), ({"Prefer": "wait=0"}, 0), ({}, 2),
                                             ({"Prefer": "respond-async, wait=4"}, 4)])
def test_given_a_version_that_never_comes_then_the_wait_is_as_long_as_preferred(shop, prefer, seconds):
    cart = fill(shop)
    began = time.monotonic()
    answer = shop.get(f"/v1/carts/{cart}?minVersion=3", headers=prefer)
    assert seconds <= time.monotonic() - began < seconds + 2
    assert problem(answer) == "not-yet-visible" and answer.status_code == 503 and "Retry-After" in answer.headers
    assert problem(shop.get(f"/v1/carts/{new_id()}")) == "cart-not-found"


@pytest.mark.parametrize("prefer, applied", [("wait=7", "wait=7"), ("wait=60", "wait=10"), ("respond-async", None)])
def test_given_a_version_that_is_there_then_the_answer_tells_how_long_it_would_have_waited(shop, prefer, applied):
    answer = shop.get(f"/v1/carts/{fill(shop)}?minVersion=2", headers={"Prefer": prefer})
    assert answer.status_code == 200 and answer.headers.get("Preference-Applied") == applied


def test_given_more_carts_than_a_page_has_then_fifty_come_unless_more_are_asked_for(shop):
    customer = new_id()
    carts = [new_id() for _ in range(51)]
    for cart in carts:
        assert shop.create(cart, customer=customer).status_code == 201
    for cart in carts:
        shop.view(cart, min_version=1)
    page = shop.get("/v1/carts", params={"customerId": customer})
    assert len(ids_of(page)) == 50 and page.json()["next"]
    assert len(ids_of(shop.get("/v1/carts", params={"customerId": customer, "limit": 200}))) == 51


def test_given_a_command_when_its_version_is_asked_for_then_the_view_has_it(shop):
    cart = fill(shop)
    for _ in range(20):
        version = shop.add(cart, line("tea-02")).json()["version"]
        assert shop.view(cart, min_version=version)["version"] == version


@pytest.mark.parametrize("path, status, kind", [
    ("/v1/carts/nonsense", 400, "malformed-request"), ("/v1/carts/{}?minVersion=0", 400, "malformed-request"),
    ("/v1/carts/{}?minVersion=1&minVersion=2", 400, "malformed-request"),
    ("/v1/carts/{}?what=1", 400, "malformed-request"), ("/v1/carts?status=asleep", 400, "malformed-request"),
    ("/v1/carts?limit=0", 400, "malformed-request"), ("/v1/carts?limit=201", 400, "malformed-request"),
    ("/v1/carts?cursor=x", 400, "malformed-request"), ("/v1/carts?customerId=", 400, "malformed-request"),
    ("/v1/carts?what=1", 400, "malformed-request"), ("/v1/events", 405, "method-not-allowed"),
    ("/v1/nothing", 404, "no-such-resource"), ("/v1", 404, "no-such-resource")])
def test_given_a_bad_request_then_the_refusal_says_what_is_wrong(shop, path, status, kind):
    answer = shop.get(path.format(new_id()))
    assert answer.status_code == status and problem(answer) == kind
    assert status != 405 or "GET" in answer.headers["Allow"]


def test_given_a_customers_carts_when_paged_then_each_comes_once_and_the_newest_change_first(shop):
    customer = f"Zoë/{new_id()}"
    carts = [fill(shop, customer) for _ in range(7)]
    shop.view(carts[2], min_version=shop.add(carts[2], line("tea-02")).json()["version"])
    newest_first = [carts[2], *(cart for cart in reversed(carts) if cart != carts[2])]
    pages, cursor = [], {}
    for _ in range(3):
        page = shop.get("/v1/carts", params={"customerId": customer, "limit": 3, **cursor})
        pages.append(ids_of(page))
        cursor = {"cursor": page.json()["next"]}
    assert pages == [newest_first[:3], newest_first[3:6], newest_first[6:]] and cursor == {"cursor": None}
    whole = shop.get("/v1/carts", params={"customerId": customer}).json()["carts"]
    assert shop.get(f"/v1/carts/{carts[0]}").json() in whole


def test_given_large_carts_that_compress_well_then_their_pages_come_one_after_the_other(shop):
    """The database tells the size of what it has compressed only about."""
    customer, carts = new_id(), [new_id() for _ in range(20)]
    for cart in carts:
        assert shop.create(cart, customer=customer).status_code == 201
        for first in range(0, 500, 100):
            lines = [line(f"{number:03}", name='"' * 256) for number in range(first, first + 100)]
            assert shop.add(cart, *lines).status_code == 200
    shop.view(carts[-1], min_version=501)
    found, cursor = [], {}
    while cursor is not None:
        page = shop.read("/v1/carts", params={"customerId": customer, "limit": 200, **cursor})
        assert page["carts"] and len(json.dumps(page)) < 6 << 20
        found += [cart["cartId"] for cart in page["carts"]]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert found == list(reversed(carts))


def test_given_carts_of_several_statuses_when_all_are_paged_then_they_come_together_newest_change_first(shop):
    first = fill(shop)
    kept, closed, cancelled, source, target = (fill(shop) for _ in range(5))
    changes = [shop.check_out(closed, "order-8"), shop.cancel(cancelled), shop.merge(target, source), shop.add(kept, line("x"))]
    assert [answer.status_code for answer in changes] == [200] * 4
    shop.view(source, min_version=3)
    shop.view(kept, min_version=3)
    found, cursor = [], {}
    while not any(cart["cartId"] == first for cart in found):
        page = shop.read("/v1/carts", params={"limit": 2, **cursor})
        found += page["carts"]
        cursor = {"cursor": page["next"]}
    times = [cart["updatedAt"] for cart in found]
    assert times == sorted(times, reverse=True)
    states = {cart["cartId"]: cart["status"] for cart in found}
    assert len(states) == len(found)
    assert [states[cart] for cart in (kept, closed, cancelled, source, target)] == \
        ["open", "checked_out", "cancelled", "merged", "open"]
    assert ids_of(shop.get("/v1/carts?status=merged&limit=1")) == [source]


def test_given_customers_with_spaces_and_pluses_then_the_query_of_any_client_finds_each(shop):
    """requests writes a space as `+`, as browsers do, and a plus as `%2B`."""
    customers = [f"Anna {new_id()}", f"Anna+{new_id()}"]
    carts = [new_id() for _ in customers]
    for cart, customer in zip(carts, customers):
        assert shop.create(cart, customer=customer).status_code == 201
        shop.view(cart, min_version=1)
    for cart, customer in zip(carts, customers):
        found = shop.send("GET", "/v1/carts", base=shop.query_url, params={"customerId": customer}).json()["carts"]
        assert [view["cartId"] for view in found] == [cart]
    assert ids_of(shop.get(f"/v1/carts?customerId={customers[0].replace(' ', '%20')}")) == [carts[0]]


def test_given_a_closed_cart_then_the_status_filter_tells_it_apart(shop):
    customer = new_id()
    kept, closed = fill(shop, customer), fill(shop, customer)
    shop.view(closed, min_version=shop.check_out(closed, "order-7").json()["version"])
    assert ids_of(shop.get(f"/v1/carts?customerId={customer}&status=open")) == [kept]
    assert ids_of(shop.get(f"/v1/carts?customerId={customer}&status=checked_out")) == [closed]
    assert ids_of(shop.get(f"/v1/carts?customerId={customer}&status=cancelled")) == []
    view = shop.view(closed)
    assert view["status"] == "checked_out" and view["orderId"] == "order-7"
    assert view["closedAt"] and view["lineCount"] == 1
    other = shop.get(f"/v1/carts?customerId={customer}&limit=1").json()["next"]
    assert problem(shop.get(f"/v1/carts?customerId={new_id()}&cursor={other}")) == "malformed-request"
