"""The past of a cart: as it was at a version or a time, and its history, against the fold of its events."""

import concurrent.futures
import datetime
import random
import time
from urllib.parse import quote

import psycopg2
import pytest

from cart_model import fold
from invariants import check_log, check_views
from shop import Shop, eventually, line, new_id, problem, random_command
from test_model import SKUS, call

EVENTS, LARGE, WIDE = 45, 10_000, 100
MEMBERS = {"status", "customerId", "currency", "orderId", "mergedInto"}
WHO = {"X-Correlation-Id": "order-desk-7"}


class PatientShop(Shop):
    """Asks again as long as the query service refuses because the machine is too slow for its limits."""

    def get(self, path, base=None, **options):
        return self.send("GET", path, base=base or self.query_url, **options)

    def send(self, method, path, body=None, headers=None, base=None, **options):
        def answered():
            answer = super(PatientShop, self).send(method, path, body, headers, base, **options)
            assert base != self.query_url or answer.status_code != 503, answer.text
            return [answer]  # an answer of 4xx is false by itself

        return eventually(answered, seconds=120)[0]


@pytest.fixture(scope="module")
def shop(stack):
    return PatientShop(stack.command_url, stack.query_url)


@pytest.fixture(scope="module")
def story(shop):
    """A cart with a random past, closed at its end, and its events."""
    rng, cart, version = random.Random(11), new_id(), 1
    assert shop.create(cart, customer="customer-7", headers=WHO).status_code == 201
    while version < EVENTS:
        name, arguments = random_command(rng, SKUS)
        if name not in ("check_out", "cancel", "create"):
            answer = call(shop, cart, name, arguments, WHO)
            version = answer.json().get("version", version)
    shop.add(cart, line("a/b~c", 2))
    shop.add(cart, line("a/b~c"))
    assert shop.check_out(cart, "order-7").status_code == 200
    events = shop.events(cartId=cart)
    shop.view(cart, min_version=len(events))
    return cart, events


def at(shop, cart, moment, **options):
    return shop.get(f"/v1/carts/{cart}?at={moment}", **options)


def expected_view(cart, events):
    """What a GET shows after these events, times included."""
    folded = fold(events)
    return {**folded.view(cart), "createdAt": events[0]["occurredAt"], "updatedAt": events[-1]["occurredAt"],
            "closedAt": None if folded.status == "open" else events[-1]["occurredAt"]}


def test_given_a_cart_then_each_version_is_the_fold_of_its_first_events(shop, story):
    cart, events = story
    for version in range(1, len(events) + 1):
        answer = shop.get(f"/v1/carts/{cart}?version={version}")
        assert answer.status_code == 200 and answer.headers["ETag"] == f'"{version}"', answer.text
        assert answer.json() == expected_view(cart, events[:version])
    assert answer.content == shop.get(f"/v1/carts/{cart}").content


def test_given_a_time_then_it_is_the_version_of_the_last_event_by_then(shop, story):
    cart, events = story
    for event in events:
        wanted = max(other["version"] for other in events if other["occurredAt"] <= event["occurredAt"])
        answer = at(shop, cart, event["occurredAt"])
        assert answer.json() == expected_view(cart, events[:wanted]) and answer.headers["ETag"] == f'"{wanted}"'


def test_given_a_time_in_any_offset_then_it_is_the_same_moment(shop, story):
    cart, events = story
    moment = datetime.datetime.fromisoformat(events[20]["occurredAt"].replace("Z", "+00:00"))
    wanted = at(shop, cart, events[20]["occurredAt"]).json()
    for hours, minutes in ((2, 0), (-9, -30), (14, 0)):
        zone = datetime.timezone(datetime.timedelta(hours=hours, minutes=minutes))
        text = moment.astimezone(zone).isoformat()
        for written in (text, quote(text, safe=""), text.replace("T", "t")):  # a raw + will do
            assert at(shop, cart, written).json() == wanted, written


def test_given_the_time_before_the_first_event_then_there_was_no_version_and_in_the_future_it_is_as_now(shop, story):
    cart, events = story
    created = datetime.datetime.fromisoformat(events[0]["occurredAt"].replace("Z", "+00:00"))
    before = (created - datetime.timedelta(microseconds=1)).isoformat()
    for moment in (before, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"):
        answer = at(shop, cart, moment)
        assert answer.status_code == 404 and problem(answer) == "no-such-version"
    now = shop.get(f"/v1/carts/{cart}")
    for moment in ("2999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        answer = at(shop, cart, moment)
        assert answer.content == now.content and answer.headers["ETag"] == now.headers["ETag"]


def test_given_a_log_whose_clock_is_ahead_of_ours_then_a_time_is_one_of_the_log(shop, stack):
    cart = new_id()
    shop.create(cart)
    for number in range(3):
        version = shop.add(cart, line(f"sku-{number}")).json()["version"]
    shop.view(cart, min_version=version)
    start = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE cart_timeline SET occurred_at = %s + version * interval '1 hour' WHERE cart_id = %s",
                       (start, cart))
    for hours, wanted in ((1, 1), (2, 2), (2.5, 2), (version, version), (version + 1, version)):
        answer = at(shop, cart, (start + hours * hour).isoformat())
        assert answer.json()["version"] == wanted and answer.headers["ETag"] == f'"{wanted}"'


def test_given_a_past_version_then_conditions_and_head_work_as_on_the_newest(shop, story):
    cart, events = story
    last = len(events)
    for query, version in (("version=7", 7), (f"version={last}", last), ("at=2999-01-01T00:00:00Z", last)):
        path = f"/v1/carts/{cart}?{query}"
        got, head = shop.get(path), shop.send("HEAD", path, base=shop.query_url)
        assert head.status_code == 200 and head.content == b""
        for name in ("ETag", "Content-Type", "Content-Length"):
            assert head.headers[name] == got.headers[name]
        same = shop.get(path, headers={"If-None-Match": f'"{version}"'})
        assert same.status_code == 304 and same.content == b"" and same.headers["ETag"] == f'"{version}"'
        assert shop.get(path, headers={"If-None-Match": f'"{version + 1}"'}).content == got.content
    for version in (len(events) + 1, 2**31 - 1):
        assert problem(shop.get(f"/v1/carts/{cart}?version={version}")) == "no-such-version"


@pytest.mark.parametrize("query", [
    "version=0", "version=-1", "version=01", "version=2147483648", "version=", "version=1&version=1", "at=", "at=now",
    "at=2026-11-23", "at=2026-11-23T09:00:00", "version=1&at=2026-11-23T09:00:00Z", "version=1&minVersion=1",
    "at=2026-11-23T09:00:00Z&minVersion=1"])
def test_given_a_bad_past_then_it_is_malformed(shop, story, query):
    answer = shop.get(f"/v1/carts/{story[0]}?{query}")
    assert answer.status_code == 400 and problem(answer) == "malformed-request"


@pytest.mark.parametrize("path", ["?version=1", "?at=2026-11-23T09:00:00Z", "?at=2999-11-23T09:00:00Z", "/history",
                                  "/history?limit=200"])
def test_given_no_such_cart_then_it_has_no_past_either(shop, path):
    answer = shop.get(f"/v1/carts/{new_id()}{path}")
    assert answer.status_code == 404 and problem(answer) == "cart-not-found"


# -- history -----------------------------------------------------------------------------------------------------------


def history(shop, cart, limit=None):
    """All pages: a list of lists of events."""
    pages, query = [], {} if limit is None else {"limit": limit}
    while True:
        answer = shop.get(f"/v1/carts/{cart}/history", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page.keys() == {"events", "next"}
        pages.append(page["events"])
        if page["next"] is None:
            return pages
        query["cursor"] = page["next"]


def pointer(*names):
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def differences(before, after):
    """What differs between two views, but for what follows from the rest; written from the contract alone."""
    found = {pointer(member): (before.get(member), after[member]) for member in MEMBERS}
    lines = [{item["sku"]: {key: item[key] for key in ("sku", "name", "quantity", "unitPrice")}
              for item in view.get("items", [])} for view in (before, after)]
    coupons = [{coupon["code"]: coupon for coupon in view.get("coupons", [])} for view in (before, after)]
    for sku in lines[0].keys() | lines[1].keys():
        pair = lines[0].get(sku), lines[1].get(sku)
        if None in pair:
            found[pointer("items", sku)] = pair
        else:
            found.update({pointer("items", sku, key): (pair[0][key], pair[1][key]) for key in pair[0]})
    for code in coupons[0].keys() | coupons[1].keys():
        found[pointer("coupons", code)] = coupons[0].get(code), coupons[1].get(code)
    return {path: pair for path, pair in found.items() if pair[0] != pair[1]}


def test_given_a_history_then_each_event_has_what_differs_between_the_versions_around_it(shop, story):
    cart, events = story
    (shown,) = history(shop, cart)
    assert [(e["version"], e["eventId"], e["type"], e["occurredAt"]) for e in shown] == \
           [(e["version"], e["eventId"], e["type"], e["occurredAt"]) for e in events]
    before = {}
    for event in shown:
        after = shop.get(event["href"]).json()
        assert after["version"] == event["version"]
        paths = [change["path"] for change in event["changes"]]
        assert len(set(paths)) == len(paths)
        assert {c["path"]: (c["before"], c["after"]) for c in event["changes"]} == differences(before, after), event
        before = after
    assert shown[-2]["changes"] == [{"path": "/items/a~1b~0c/quantity", "before": 2, "after": 3}]
    assert {frozenset(event) for event in shown} == {frozenset(
        {"version", "eventId", "type", "occurredAt", "correlationId", "causationId", "actor", "changes", "href"})}


def test_given_commands_with_a_correlation_then_the_history_tells_it(shop, story):
    cart, events = story
    (shown,) = history(shop, cart)
    for event, logged in zip(shown, events):
        for member in ("correlationId", "causationId", "actor"):
            assert event[member] == logged["metadata"].get(member)
    assert shown[0]["correlationId"] == "order-desk-7" and shown[-1]["actor"] is None


@pytest.mark.parametrize("limit_for", [lambda n: 1, lambda n: 7, lambda n: n // 2, lambda n: n - 1, lambda n: n,
                                       lambda n: n + 1])
def test_given_pages_of_any_size_then_together_they_are_the_history(shop, story, limit_for):
    cart, events = story
    (whole,) = history(shop, cart, 200)
    limit = limit_for(len(events))
    pages = history(shop, cart, limit)
    assert [event for page in pages for event in page] == whole and len(whole) == len(events)
    assert all(len(page) == limit for page in pages[:-1]) and 0 < len(pages[-1]) <= limit


def test_given_more_is_appended_then_a_page_goes_on_where_it_ended(shop):
    cart = new_id()
    shop.create(cart)
    shop.add(cart, line("a"))
    shop.view(cart, min_version=shop.add(cart, line("b")).json()["version"])
    page = shop.get(f"/v1/carts/{cart}/history?limit=2").json()
    shop.view(cart, min_version=shop.add(cart, line("c")).json()["version"])
    rest = shop.get(f"/v1/carts/{cart}/history", params={"cursor": page["next"]}).json()
    assert [event["version"] for event in page["events"] + rest["events"]] == [1, 2, 3, 4] and rest["next"] is None


def test_given_a_bad_question_about_a_history_then_it_is_refused(shop, story):
    cart, _ = story
    cursor = shop.get(f"/v1/carts/{cart}/history?limit=1").json()["next"]
    for path in (f"{cart}/history?limit=0", f"{cart}/history?limit=201", f"{cart}/history?limit=",
                 f"{cart}/history?cursor=", f"{cart}/history?cursor={cursor[:-1]}", f"{cart}/history?what=1",
                 f"{cart}/history?cursor={cursor}&cursor={cursor}", f"{new_id()}/history?cursor={cursor}",
                 "nonsense/history"):
        answer = shop.get(f"/v1/carts/{path}")
        assert answer.status_code == 400 and problem(answer) == "malformed-request", path
    posted = shop.send("POST", f"/v1/carts/{cart}/history", {}, base=shop.query_url)
    assert problem(posted) == "method-not-allowed" and posted.headers["Allow"] == "GET, HEAD, OPTIONS"
    head = shop.send("HEAD", f"/v1/carts/{cart}/history", base=shop.query_url)
    assert head.status_code == 200 and head.content == b""


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(shop):
    """A cart of 10,000 events and a hundred lines."""
    cart = new_id()
    assert shop.create(cart).status_code == 201
    for _ in range(LARGE // WIDE - 1):
        assert shop.add(cart, *[line(f"sku-{i}") for i in range(WIDE)]).status_code == 200
    assert shop.add(cart, *[line(f"sku-{i}") for i in range(WIDE - 1)]).status_code == 200
    shop.view(cart, min_version=LARGE)
    return cart, shop.events(cartId=cart)


def test_given_many_long_pasts_at_once_then_those_that_took_too_long_come_when_asked_for_again(stack, large):
    cart, events = large
    versions, deadline = range(LARGE - 40, LARGE), time.monotonic() + 60

    def ask(version):
        impatient = Shop(stack.command_url, stack.query_url)
        answer = impatient.get(f"/v1/carts/{cart}?version={version}")
        while answer.status_code == 503 and time.monotonic() < deadline:
            time.sleep(int(answer.headers["Retry-After"]))
            answer = impatient.get(f"/v1/carts/{cart}?version={version}")
        return answer

    with concurrent.futures.ThreadPoolExecutor(len(versions)) as pool:
        answers = list(pool.map(ask, versions))
    assert [answer.status_code for answer in answers] == [200] * len(versions)
    for version, answer in list(zip(versions, answers))[::10]:
        assert answer.json() == expected_view(cart, events[:version])


def test_given_ten_thousand_events_then_any_version_is_shown(shop, large):
    cart, events = large
    assert len(events) == LARGE
    for version in (1, 499, 500, 501, 5_000, LARGE - 1, LARGE):
        began = time.monotonic()
        answer = shop.get(f"/v1/carts/{cart}?version={version}")
        print(f"version {version} of {LARGE}: {1000 * (time.monotonic() - began):.1f} ms")
        assert answer.json() == expected_view(cart, events[:version])


def test_given_ten_thousand_events_then_its_history_can_be_paged_to_the_end(shop, large):
    cart, events = large
    assert len(shop.get(f"/v1/carts/{cart}/history").json()["events"]) == 50  # unless more are asked for
    began = time.monotonic()
    shown, query = [], {"limit": 200}
    while "cursor" not in query or query["cursor"]:
        page = shop.get(f"/v1/carts/{cart}/history", params=query).json()
        shown += page["events"]
        query["cursor"] = page["next"]
    print(f"{LARGE} events in pages of 200: {time.monotonic() - began:.2f} s")
    assert [event["eventId"] for event in shown] == [event["eventId"] for event in events]
    assert shown[-1]["changes"] == [{"path": f"/items/sku-{WIDE - 2}/quantity", "before": WIDE - 1, "after": WIDE}]


def rows_read(stack):
    """Of the timeline, by index scans, as the server counts them when sessions are idle."""
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        before, now = None, -1
        while before != now:
            before = now
            time.sleep(1.5)
            cursor.execute("SELECT pg_stat_clear_snapshot(), idx_tup_fetch FROM pg_stat_user_tables"
                           " WHERE relname = 'cart_timeline'")
            now = cursor.fetchone()[1]
        return now


def test_given_ten_thousand_events_when_its_history_is_paged_then_each_event_is_read_about_once(shop, stack, large):
    cart, _ = large
    pages, query, before = 0, {"limit": 200}, rows_read(stack)
    while "cursor" not in query or query["cursor"]:
        query["cursor"] = shop.get(f"/v1/carts/{cart}/history", params=query).json()["next"]
        pages += 1
    read = rows_read(stack) - before
    print(f"{LARGE} events in {pages} pages: {read} rows read")
    assert LARGE <= read < 2 * LARGE


def test_given_a_past_that_is_kept_when_the_log_took_another_course_then_it_is_made_again(shop, stack):
    cart = new_id()
    assert shop.create(cart, customer="anna").status_code == 201
    for _ in range(3):
        version = shop.add(cart, *[line(f"sku-{number}") for number in range(WIDE)]).json()["version"]
    shop.view(cart, min_version=version)
    page = shop.get(f"/v1/carts/{cart}/history?limit=200").json()
    assert shop.get(f"/v1/carts/{cart}?version=150").json()["customerId"] == "anna"
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE cart_timeline SET event_id = gen_random_uuid(),"
                       " data = replace(data::text, '\"anna\"', '\"bert\"')::json WHERE cart_id = %s", (cart,))
    assert shop.get(f"/v1/carts/{cart}?version=150").json()["customerId"] == "bert"
    rest = shop.get(f"/v1/carts/{cart}/history", params={"limit": 200, "cursor": page["next"]})
    assert rest.status_code == 200 and [event["version"] for event in rest.json()["events"]] == list(range(201, version + 1))
    assert shop.get(f"/v1/carts/{cart}?version=250").json()["customerId"] == "bert"


def test_given_an_event_that_cannot_be_read_any_more_then_only_what_needs_it_fails(shop, stack):
    cart = new_id()
    shop.create(cart)
    for number in range(4):
        version = shop.add(cart, line(f"sku-{number}")).json()["version"]
    shop.view(cart, min_version=version)
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE cart_timeline SET schema_version = 99 WHERE cart_id = %s AND version = 3", (cart,))
    assert shop.get(f"/v1/carts/{cart}?version=2").status_code == 200
    assert shop.get(f"/v1/carts/{cart}?version={version}").status_code == 200
    for path in ("?version=3", "?version=4", "/history"):
        answer = shop.get(f"/v1/carts/{cart}{path}")
        assert answer.status_code == 500 and problem(answer) == "internal" and "99" not in answer.json()["detail"]
    assert shop.get(f"/v1/carts/{cart}/history?limit=1").status_code == 200


def test_given_a_rebuild_from_the_first_position_then_views_and_histories_are_what_they_were(stack_factory):
    stack = stack_factory()
    shop, carts = PatientShop(stack.command_url, stack.query_url), [new_id() for _ in range(5)]
    for number, cart in enumerate(carts):
        shop.create(cart)
        for sku in range(number + 1):
            version = shop.add(cart, line(f"sku-{sku}")).json()["version"]
        shop.view(cart, min_version=version)
    paths = [f"/v1/carts/{cart}{what}" for cart in carts for what in ("", "?version=2", "/history")]
    before = [shop.get(path).json() for path in paths]
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE cart_views SET body = '{}'")
        cursor.execute("DELETE FROM cart_timeline")
    done = stack.process("query-service").run("--rebuild", timeout=120)
    assert done.returncode == 0 and "forgotten" in done.stdout, done.stderr

    def made_again():
        assert [shop.get(path).json() for path in paths] == before
        return True

    eventually(made_again, seconds=120)


def test_given_views_that_are_wrong_since_a_time_when_replayed_from_its_position_then_they_are_right(stack_factory):
    stack = stack_factory(partitions=1)
    shop, carts = PatientShop(stack.command_url, stack.query_url), [new_id() for _ in range(8)]
    versions = {cart: shop.create(cart).json()["version"] for cart in carts[:6]}
    versions.update({cart: shop.add(cart, line(f"sku-{n}")).json()["version"] for n in range(3) for cart in carts[:6]})
    since = shop.events(cartId=carts[5])[-1]["occurredAt"]
    versions.update({cart: shop.create(cart).json()["version"] for cart in carts[6:]})
    versions.update({cart: shop.add(cart, line()).json()["version"] for cart in carts[3:]})
    paths = [f"/v1/carts/{cart}{what}" for cart, version in versions.items()
             for what in (f"?minVersion={version}", f"?version={version - 1}", "/history")]
    before = [shop.read(path, headers={"Prefer": "wait=10"}) for path in paths]
    check_views(stack.query_database_url, check_log(stack.command_database_url))

    position = shop.read(f"/v1/events?partition=0&from={since}&limit=1", shop.command_url)["events"][0]["position"]
    with psycopg2.connect(stack.query_owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE cart_views SET body = '{}' WHERE cart_id IN"
                       " (SELECT cart_id FROM cart_timeline WHERE position >= %s)", (position,))
        cursor.execute("DELETE FROM cart_timeline WHERE position > %s", (position,))
    query = stack.process("query-service")
    done = query.run("--replay-from", f"0:{position}")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == f"5 carts were taken back; running query services go on from position {position} of partition 0\n"
    answers = [Shop(stack.command_url, stack.query_url).get(path) for path in paths]
    assert all(answer.status_code != 200 or answer.json() == was
               for answer, was, path in zip(answers, before, paths, strict=True) if "minVersion" in path)
    eventually(lambda: [shop.get(path).json() for path in paths] == before)
    check_views(stack.query_database_url, check_log(stack.command_database_url))
    for place in ("", "all", "0", "0:", ":1", "0:0", "1:1", "0:1x", "-1:1"):
        done = query.run("--replay-from", place)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "--replay-from takes PARTITION:POSITION\n"), place
