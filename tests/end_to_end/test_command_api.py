"""The HTTP contract of commands (docs/api.md), rule by rule."""

import json

import pytest

from shop import Shop, amount, line, new_id, percent, problem

pytestmark = pytest.mark.tsan



def post(shop, path, raw, content_type="application/json", **headers):
    return shop.send("POST", path, data=raw, headers={"Content-Type": content_type, **headers})


# -- creating ------------------------------------------------------------------------------------------------------


def test_given_no_cart_when_posted_without_id_then_a_uuid_v7_is_made(shop):
    response = shop.send("POST", "/v1/carts", {"currency": "EUR"})
    body = response.json()
    assert response.status_code == 201 and body["cartId"][14] == "7"
    assert response.headers["Location"] == f"/v1/carts/{body['cartId']}"
    assert response.headers["ETag"] == '"1"' and response.headers["Content-Type"] == "application/json"
    assert list(body) == ["cartId", "version", "partition", "position", "events", "replayed"]
    assert list(body["events"][0]) == ["eventId", "version", "type", "occurredAt"]


def test_given_a_cart_when_created_again_then_same_is_200_and_different_409(shop):
    for create in (lambda body: shop.send("PUT", f"/v1/carts/{cart}", body),
                   lambda body: shop.send("POST", "/v1/carts", {**body, "cartId": cart})):
        cart = new_id()
        assert create({"currency": "EUR", "customerId": "c-1"}).status_code == 201
        again = create({"currency": "EUR", "customerId": "c-1"})
        assert again.status_code == 200 and again.json()["events"] == [] and again.json()["position"] is None
        assert problem(create({"currency": "USD", "customerId": "c-1"})) == "cart-exists"
        assert problem(create({"currency": "EUR"})) == "cart-exists"
        assert shop.cancel(cart).status_code == 200
        closed = create({"currency": "EUR", "customerId": "c-1"})
        assert problem(closed) == "cart-closed" and closed.json()["cartStatus"] == "cancelled"


def test_given_an_upper_case_id_then_it_is_the_same_cart(shop, cart):
    assert shop.add(cart.upper(), line()).json()["cartId"] == cart


# -- lines ---------------------------------------------------------------------------------------------------------


def test_given_a_list_with_one_bad_line_then_nothing_of_it_happens(shop, cart):
    response = shop.add(cart, line("a"), line("b", currency="USD"), line("c"))
    assert response.status_code == 409 and problem(response) == "currency-mismatch"
    assert shop.add(cart, line("a"), line("a"), line("b")).json()["version"] == 4


def test_given_the_limits_then_one_more_is_refused(shop, cart):
    assert shop.add(cart, line("q", 999)).status_code == 200
    assert problem(shop.add(cart, line("q", 1))) == "quantity-limit"
    for start in range(1, 500, 100):
        count = min(100, 500 - start)
        assert shop.add(cart, *[line(f"s{n}") for n in range(start, start + count)]).status_code == 200
    assert problem(shop.add(cart, line("one-more"))) == "too-many-lines"
    assert shop.add(cart, line("s1")).status_code == 200
    view = shop.view(cart, min_version=502)
    assert view["lineCount"] == 500
    assert shop.check_out(cart, "order-500").status_code == 200
    assert shop.view(cart, min_version=503)["status"] == "checked_out"


def test_given_the_largest_amounts_then_totals_are_exact(shop, cart):
    assert shop.add(cart, *[line(f"s{n}", 999, 10**12) for n in range(100)]).status_code == 200
    assert shop.view(cart, min_version=101)["total"]["amountMinor"] == 100 * 999 * 10**12


def test_given_an_absent_line_then_patch_to_zero_is_already_so_and_the_rest_404(shop, cart):
    assert shop.set_quantity(cart, "x", 0).json()["events"] == []
    assert problem(shop.set_quantity(cart, "x", 1)) == "item-not-in-cart"
    assert problem(shop.remove(cart, "x")) == "item-not-in-cart"
    assert shop.clear(cart).json()["events"] == []
    assert problem(shop.check_out(cart)) == "cart-empty"


def test_given_a_line_when_more_is_removed_than_there_is_then_the_line_goes(shop, cart):
    shop.add(cart, line("a", 3))
    assert shop.remove(cart, "a", 2).status_code == 200
    assert shop.remove(cart, "a", 2147483647).status_code == 200
    assert shop.view(cart, min_version=4)["items"] == []
    for bad in ("0", "-1", "x", "2147483648", "", "1.0", "01"):
        assert problem(shop.remove(cart, "a", bad)) == "malformed-request", bad
    assert problem(shop.send("DELETE", f"/v1/carts/{cart}/items/a?quantity=1&quantity=1")) == "malformed-request"
    assert problem(shop.send("DELETE", f"/v1/carts/{cart}/items/a?amount=1")) == "malformed-request"


# -- If-Match ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header, status", [
    ('"1"', 200), ('"7", "1"', 200), ("*", 200), ('"2"', 412), ('W/"1"', 412), ('"one"', 412), ('""', 412),
    ("1", 400), ('"1', 400), ("", 400), ('"1" "2"', 400), ("*, *", 400), ('w/"1"', 400),
    pytest.param(", ".join(f'"{version}"' for version in range(100, 0, -1)), 200, id="a hundred tags")])
def test_given_version_one_when_if_match_is_sent_then_it_is_strict(shop, cart, header, status):
    response = shop.add(cart, line(), headers={"If-Match": header})
    assert response.status_code == status, response.text
    if status == 412:
        assert problem(response) == "version-mismatch" and response.json()["currentVersion"] == 1
    if status == 400:
        assert problem(response) == "invalid-header"


def test_given_an_absent_cart_then_404_comes_before_412(shop):
    for headers in ({"If-Match": '"5"'}, {"If-Match": "*"}, {}):
        assert problem(shop.add(new_id(), line(), headers=headers)) == "cart-not-found"


# -- bodies --------------------------------------------------------------------------------------------------------


def test_given_many_wrong_values_then_all_are_reported_with_pointers(shop, cart):
    response = shop.send("POST", f"/v1/carts/{cart}/items", {"items": [
        {"sku": "", "name": "n" * 257, "quantity": 0, "unitPrice": {"amountMinor": -1, "currency": "eur"}},
        {"sku": 5, "name": None, "quantity": "2", "unitPrice": []},
        {"quantity": 1000, "unitPrice": {"amountMinor": 10**12 + 1}}]})
    assert response.status_code == 422 and problem(response) == "invalid-value"
    assert {error["pointer"] for error in response.json()["errors"]} == {
        "/items/0/sku", "/items/0/name", "/items/0/quantity", "/items/0/unitPrice/amountMinor",
        "/items/0/unitPrice/currency", "/items/1/sku", "/items/1/name", "/items/1/quantity", "/items/1/unitPrice",
        "/items/2/sku", "/items/2/name", "/items/2/quantity", "/items/2/unitPrice/amountMinor",
        "/items/2/unitPrice/currency"}
    assert all(error["detail"] for error in response.json()["errors"])


GOOD = json.dumps(line())


@pytest.mark.parametrize("raw, status, kind", [
    ("", 400, "malformed-request"), ("{", 400, "malformed-request"), ("nul", 400, "malformed-request"),
    (GOOD + "x", 400, "malformed-request"), (GOOD[:-1] + ',"sku":"b"}', 400, "malformed-request"),
    (GOOD[:-1] + ',"colour":"red"}', 400, "malformed-request"), ("[" * 5000, 400, "malformed-request"),
    ('{"sku":"\ud800"}'.encode("utf-8", "surrogatepass"), 400, "malformed-request"),
    (b'{"sku":"\xff"}', 400, "malformed-request"), ("[]", 422, "invalid-value"), ("{}", 422, "invalid-value"),
    ('{"items":[]}', 422, "invalid-value"), (json.dumps({"items": [line()] * 101}), 422, "invalid-value"),
    (GOOD.replace('"quantity": 1', '"quantity": 1.0'), 422, "invalid-value"),
    (GOOD.replace('"quantity": 1', '"quantity": 1e0'), 422, "invalid-value"),
    (GOOD.replace('"quantity": 1', '"quantity": true'), 422, "invalid-value"),
    (GOOD.replace("1999", "9" * 30), 422, "invalid-value"),
    (GOOD.replace("tea-01", "tab\\tinside"), 422, "invalid-value"),
    (GOOD.replace("tea-01", "nul\\u0000"), 422, "invalid-value")])
def test_given_a_bad_body_then_the_error_is_clear_and_nothing_happens(shop, cart, raw, status, kind):
    response = post(shop, f"/v1/carts/{cart}/items", raw)
    assert response.status_code == status and problem(response) == kind, response.text
    assert shop.add(cart, line()).json()["version"] == 2


def test_given_other_media_types_and_sizes_then_415_and_413(shop, cart):
    path = f"/v1/carts/{cart}/items"
    assert problem(post(shop, path, GOOD, "text/plain")) == "unsupported-media-type"
    assert post(shop, path, GOOD, "Application/JSON; charset=utf-8").status_code == 200
    assert problem(post(shop, path, GOOD + " " * 70000)) == "body-too-large"
    chunked = shop.send("POST", path, data=iter([GOOD[:10].encode(), GOOD[10:].encode()]),
                        headers={"Content-Type": "application/json"})
    assert chunked.status_code == 200


# -- the customer, coupons, merge ----------------------------------------------------------------------------------


def types(response):
    assert response.status_code == 200, response.text
    return [event["type"] for event in response.json()["events"]]


def test_given_a_guest_when_assigned_then_the_cart_is_the_customers_and_can_be_found(shop, cart):
    customer = new_id()
    assert types(shop.assign_customer(cart, customer)) == ["CustomerAssigned"]
    same = shop.assign_customer(cart, customer)
    assert types(same) == [] and same.json()["version"] == 2 and same.json()["position"] is None
    assert types(shop.assign_customer(cart, customer + "-2")) == ["CustomerAssigned"]
    assert shop.view(cart, min_version=3)["customerId"] == customer + "-2"
    found = shop.get(f"/v1/carts?customerId={customer}-2").json()["carts"]
    assert [view["cartId"] for view in found] == [cart]
    assert shop.get(f"/v1/carts?customerId={customer}").json()["carts"] == []
    assert problem(shop.assign_customer(cart, None)) == "invalid-value"


def test_given_coupons_then_the_view_shows_them_in_order_and_what_they_take_off(shop, cart):
    shop.add(cart, line("tea", 1, 1005))
    assert types(shop.apply_coupon(cart, amount("FIVE", 500))) == ["CouponApplied"]
    assert types(shop.apply_coupon(cart, percent("TEN", 10))) == ["CouponApplied"]
    assert types(shop.apply_coupon(cart, percent("a b/ö", 50))) == ["CouponApplied"]
    assert types(shop.apply_coupon(cart, percent("TEN", 10))) == []
    view = shop.view(cart, min_version=5)
    assert view["coupons"] == [amount("FIVE", 500), percent("TEN", 10), percent("a b/ö", 50)]
    assert [view[name]["amountMinor"] for name in ("subtotal", "discountTotal", "total")] == [1005, 1005, 0]
    assert types(shop.apply_coupon(cart, amount("FIVE", 5))) == ["CouponApplied"]
    assert types(shop.remove_coupon(cart, "a%20b%2F%C3%B6")) == ["CouponRemoved"]
    view = shop.view(cart, min_version=7)
    assert view["coupons"] == [amount("FIVE", 5), percent("TEN", 10)]
    assert view["total"]["amountMinor"] == 1005 - 101 - 5
    assert types(shop.check_out(cart)) == ["CartCheckedOut"]
    assert shop.view(cart, min_version=8)["coupons"] == [amount("FIVE", 5), percent("TEN", 10)]
    assert problem(shop.apply_coupon(cart, percent())) == "cart-closed"


def test_given_coupons_that_cannot_be_then_each_refusal_is_its_own(shop, cart):
    for number in range(10):
        assert shop.apply_coupon(cart, percent(f"c{number}", 1)).status_code == 200
    full = shop.apply_coupon(cart, percent("c10", 1))
    assert full.status_code == 409 and problem(full) == "too-many-coupons"
    assert types(shop.apply_coupon(cart, percent("c9", 2))) == ["CouponApplied"]
    assert problem(shop.apply_coupon(cart, amount("c9", 1, "USD"))) == "currency-mismatch"
    absent = shop.remove_coupon(cart, "c10")
    assert absent.status_code == 404 and problem(absent) == "coupon-not-in-cart"
    both = shop.apply_coupon(cart, {**percent(), **amount()})
    assert problem(both) == "invalid-value" and both.json()["errors"][0]["pointer"] == ""
    assert problem(shop.apply_coupon(cart, {"code": "A", "percentOff": 101})) == "invalid-value"
    assert problem(shop.apply_coupon(new_id(), percent())) == "cart-not-found"


def two_carts(shop):
    target, source = new_id(), new_id()
    shop.create(target)
    shop.add(target, line("tea", 2, 100, "Our tea"), line("jam", 1, 300))
    shop.apply_coupon(target, percent())
    shop.create(source)
    shop.add(source, line("ham", 3, 400), line("tea", 5, 150, "Their tea"))
    shop.apply_coupon(source, amount())
    return target, source


@pytest.mark.parametrize("strategy, lines", [
    ("sum", [("tea", 7, 100), ("jam", 1, 300), ("ham", 3, 400)]),
    ("max", [("tea", 5, 100), ("jam", 1, 300), ("ham", 3, 400)]),
    ("keep", [("tea", 2, 100), ("jam", 1, 300), ("ham", 3, 400)]), ("replace", [("ham", 3, 400), ("tea", 5, 150)])])
def test_given_two_carts_when_merged_then_the_views_of_both_show_it(shop, strategy, lines):
    target, source = two_carts(shop)
    response = shop.merge(target, source, strategy, headers={"If-Match": '"4"'})
    assert types(response) == ["CartMerged"] and response.headers["ETag"] == '"5"'
    body = response.json()
    assert body["cartId"] == target and body["version"] == 5
    stored = shop.events(cartId=target)[-1]
    assert (stored["eventId"], stored["position"]) == (body["events"][0]["eventId"], body["position"])
    view = shop.view(target, min_version=5)
    assert [(item["sku"], item["quantity"], item["unitPrice"]["amountMinor"]) for item in view["items"]] == lines
    assert view["status"] == "open" and view["coupons"] == [percent()] and view["mergedInto"] is None
    gone = shop.view(source, min_version=5)
    assert gone["status"] == "merged" and gone["mergedInto"] == target and gone["lineCount"] == 2
    assert gone["coupons"] == [amount()] and gone["closedAt"] == gone["updatedAt"] == stored["occurredAt"]
    late = shop.add(source, line())
    assert problem(late) == "cart-closed" and late.json()["cartStatus"] == "merged"


def test_given_carts_that_cannot_be_merged_then_each_refusal_is_its_own(shop):
    target, source = two_carts(shop)
    itself = shop.merge(target, target.upper())
    assert itself.status_code == 409 and problem(itself) == "merge-with-itself"
    assert problem(shop.merge(target, new_id())) == problem(shop.merge(new_id(), source)) == "cart-not-found"
    mismatch = shop.merge(target, source, headers={"If-Match": '"3"'})
    assert mismatch.status_code == 412 and mismatch.json()["currentVersion"] == 4
    assert problem(shop.merge(target, source, "add")) == problem(shop.merge(target, "no")) == "invalid-value"
    foreign = new_id()
    shop.create(foreign, "USD")
    assert problem(shop.merge(target, foreign)) == "currency-mismatch"
    assert shop.cancel(foreign).status_code == 200
    closed = shop.merge(target, foreign)
    assert problem(closed) == "cart-closed" and closed.json()["cartStatus"] == "cancelled"
    assert types(shop.merge(target, source)) == ["CartMerged"]
    again = shop.merge(target, source)
    assert problem(again) == "cart-closed" and again.json()["cartStatus"] == "merged"
    full = new_id()
    shop.create(full)
    for begin in range(0, 500, 100):
        assert shop.add(full, *[line(f"s{n}") for n in range(begin, begin + 100)]).status_code == 200
    assert problem(shop.merge(target, full)) == "too-many-lines"
    assert types(shop.merge(target, full, "replace")) == ["CartMerged"]
    assert shop.view(target, min_version=6)["lineCount"] == 500


# -- the URL space -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, path, status, kind", [
    ("POST", "/v1/carts/not-a-uuid/items", 400, "malformed-request"),
    ("POST", "/v1/carts/{cart}/nothing", 404, "no-such-resource"), ("POST", "/", 404, "no-such-resource"),
    ("POST", "/v2/carts", 404, "no-such-resource"), ("GET", "/v1/carts", 405, "method-not-allowed"),
    ("GET", "/v1/carts/{cart}", 405, "method-not-allowed"), ("PATCH", "/v1/carts/{cart}", 405, "method-not-allowed"),
    ("GET", "/v1/carts/{cart}/items", 405, "method-not-allowed"),
    ("GET", "/v1/carts/{cart}/history", 405, "method-not-allowed"),
    ("DELETE", "/v1/carts/{cart}/coupons/" + "c" * 65, 400, "malformed-request"),
    ("DELETE", "/v1/carts/{cart}/coupons/a?quantity=1", 400, "malformed-request"),
    ("POST", "/v1/events", 405, "method-not-allowed"), ("POST", "/livez", 405, "method-not-allowed"),
    ("DELETE", "/v1/carts/{cart}?force=1", 400, "malformed-request")])
def test_given_a_wrong_place_then_the_refusal_says_what_is_wrong(shop, cart, method, path, status, kind):
    body = {"currency": "EUR"} if method in ("POST", "PATCH") else None
    response = shop.send(method, path.format(cart=cart), body)
    assert response.status_code == status and problem(response) == kind, response.text
    assert (response.status_code == 405) == ("Allow" in response.headers)


@pytest.mark.parametrize("path, allowed", [
    ("customer", {"PUT"}), ("coupons", {"POST"}), ("coupons/TEN", {"DELETE"}), ("merge", {"POST"})])
def test_given_a_method_that_a_path_does_not_take_then_both_services_name_those_that_it_does(shop, cart, path, allowed):
    for base in (shop.command_url, shop.query_url):
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE"} - allowed:
            response = shop.send(method, f"/v1/carts/{cart}/{path}", base=base)
            assert response.status_code == 405 and problem(response) == "method-not-allowed"
            assert set(response.headers["Allow"].split(", ")) - {"OPTIONS"} == allowed
    assert shop.send(allowed.copy().pop(), f"/v1/carts/{cart}/{path}", {}, base=shop.query_url).status_code == 405


def test_given_trace_headers_then_they_are_stored_and_sent_on(shop, cart):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    response = shop.add(cart, line(), headers={"traceparent": trace, "X-Correlation-Id": "corr 1"})
    assert response.headers["X-Correlation-Id"] == "corr 1"
    shop.add(cart, line(), headers={"traceparent": trace.replace("00-", "ff-", 1)})
    created, traced, untraced = shop.events(cartId=cart)
    assert created["metadata"] == {} and untraced["metadata"] == {}
    assert traced["metadata"] == {"correlationId": "corr 1", "traceparent": trace}


def test_given_closed_carts_then_every_command_is_409(shop):
    for close, status in (("check_out", "checked_out"), ("cancel", "cancelled")):
        cart = new_id()
        shop.create(cart)
        shop.add(cart, line())
        assert getattr(shop, close)(cart).status_code == 200
        for response in (shop.add(cart, line()), shop.set_quantity(cart, "tea-01", 2), shop.remove(cart, "tea-01"),
                         shop.clear(cart), shop.check_out(cart), shop.cancel(cart), shop.assign_customer(cart, "anna"),
                         shop.apply_coupon(cart, percent()), shop.remove_coupon(cart, "TEN"),
                         shop.merge(cart, new_id())):
            assert response.status_code == 409 and problem(response) == "cart-closed"
            assert response.json()["cartStatus"] == status
        view = shop.view(cart, min_version=3)
        assert view["status"] == status and view["lineCount"] == 1 and view["closedAt"] == view["updatedAt"]


@pytest.mark.parametrize("service, path, headers, status", [
    ("command", "/v1/events/partitions?x=1", {}, 400), ("command", "/livez?x=1", {}, 400), ("query", "/livez?x=1", {}, 400),
    ("command", "/readyz?x", {}, 400), ("query", "/metrics?x=1", {}, 400), ("query", "/openapi.json?x=1", {}, 400),
    ("command", "/v1/events/partitions", {"Accept": "image/png"}, 406),
    ("command", "/v1/events/others", {}, 404),
    ("command", "/v1/events/partitions/0", {}, 404),
    ("query", "/v1/carts?customerId=anna", {"Accept": "image/png"}, 406),
    ("query", "/v1/carts?customerId=%01", {}, 400),
    ("query", "/v1/carts?customerId=" + "x" * 2000, {}, 400),
])
def test_given_a_question_that_is_none_then_it_is_refused(stack, service, path, headers, status):
    shop = Shop(stack.command_url, stack.query_url)
    answer = shop.get(path, stack.command_url if service == "command" else stack.query_url, headers=headers)
    assert answer.status_code == status and problem(answer)


def test_given_a_correlation_that_is_too_long_and_a_head_of_a_cart_then_they_are_refused(stack):
    shop, cart = Shop(stack.command_url), new_id()
    assert problem(shop.create(cart, headers={"X-Correlation-Id": "x" * 1000})) == "invalid-header"
    assert shop.send("HEAD", f"/v1/carts/{cart}").status_code == 405
