"""A shopper: a small HTTP client for both services, one call per command of the contract."""

import json
import random
import time
import uuid

import requests


def new_id():
    return str(uuid.uuid4())


def line(sku="tea-01", quantity=1, amount=1999, name="Green tea", currency="EUR"):
    return {"sku": sku, "name": name, "quantity": quantity,
            "unitPrice": {"amountMinor": amount, "currency": currency}}


def percent(code="TEN", percent_off=10):
    return {"code": code, "percentOff": percent_off}


def amount(code="FIVE", amount_minor=500, currency="EUR"):
    return {"code": code, "amountOff": {"amountMinor": amount_minor, "currency": currency}}


class Shop:
    """Talks to one command service and one query service. Every call returns the requests.Response."""

    TIMEOUT = 15

    def __init__(self, command_url, query_url=None):
        self.command_url, self.query_url = command_url, query_url
        self.session = requests.Session()

    def send(self, method, path, body=None, headers=None, base=None, **options):
        if body is not None and "data" not in options:
            options["data"] = json.dumps(body)
            headers = {"Content-Type": "application/json", **(headers or {})}
        return self.session.request(method, (base or self.command_url) + path, headers=headers,
                                    timeout=self.TIMEOUT, **options)

    def create(self, cart, currency="EUR", customer=None, **options):
        body = {"currency": currency}
        if customer is not None:
            body["customerId"] = customer
        return self.send("PUT", f"/v1/carts/{cart}", body, **options)

    def add(self, cart, *lines, **options):
        body = lines[0] if len(lines) == 1 else {"items": list(lines)}
        return self.send("POST", f"/v1/carts/{cart}/items", body, **options)

    def set_quantity(self, cart, sku, quantity, **options):
        return self.send("PATCH", f"/v1/carts/{cart}/items/{sku}", {"quantity": quantity}, **options)

    def remove(self, cart, sku, quantity=None, **options):
        query = "" if quantity is None else f"?quantity={quantity}"
        return self.send("DELETE", f"/v1/carts/{cart}/items/{sku}{query}", **options)

    def clear(self, cart, **options):
        return self.send("DELETE", f"/v1/carts/{cart}/items", **options)

    def assign_customer(self, cart, customer, **options):
        return self.send("PUT", f"/v1/carts/{cart}/customer", {"customerId": customer}, **options)

    def apply_coupon(self, cart, coupon, **options):
        return self.send("POST", f"/v1/carts/{cart}/coupons", coupon, **options)

    def remove_coupon(self, cart, code, **options):
        return self.send("DELETE", f"/v1/carts/{cart}/coupons/{code}", **options)

    def merge(self, cart, source, strategy="sum", **options):
        return self.send("POST", f"/v1/carts/{cart}/merge", {"sourceCartId": source, "strategy": strategy}, **options)

    def check_out(self, cart, order_id=None, **options):
        return self.send("POST", f"/v1/carts/{cart}/checkout",
                         {} if order_id is None else {"orderId": order_id}, **options)

    def cancel(self, cart, **options):
        return self.send("DELETE", f"/v1/carts/{cart}", **options)

    def get(self, path, base=None, **options):
        return self.session.get((base or self.query_url) + path, timeout=self.TIMEOUT, **options)

    def read(self, path, base=None, **options):
        """The JSON at `path`. A 503 is tried again, as its Retry-After says: a busy machine may cause one."""
        deadline = time.monotonic() + 60
        while True:
            response = self.get(path, base, **options)
            if response.status_code != 503 or time.monotonic() > deadline:
                assert response.status_code == 200, (response.status_code, response.text)
                return response.json()
            time.sleep(0.2)

    def view(self, cart, min_version=None):
        """The cart's view; waits until it has min_version."""
        if min_version is None:
            return self.read(f"/v1/carts/{cart}")
        return self.read(f"/v1/carts/{cart}?minVersion={min_version}", headers={"Prefer": "wait=10"})

    def events(self, **filters):
        """All events that match, read through as many pages as it takes."""
        events, cursor = [], None
        while True:
            parameters = dict(filters, limit=1000, **({"cursor": cursor} if cursor else {}))
            page = self.read("/v1/events", self.command_url, params=parameters)
            events += page["events"]
            cursor = page["next"]
            if cursor is None:
                return events


def problem(response):
    """The stable last part of the problem's type, after checking that the answer is a well-formed problem."""
    assert response.headers["Content-Type"].startswith("application/problem+json"), response.text
    body = response.json()
    assert body["status"] == response.status_code and body["title"] and body["type"], body
    prefix = "urn:cartledger:problem:"
    assert body["type"].startswith(prefix), body
    return body["type"][len(prefix):]


def eventually(check, seconds=60, every=0.05):
    """Calls check() until it returns something true; fails with its last exception or value."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            last = check()
            if last:
                return last
        except (AssertionError, requests.RequestException) as error:
            if time.monotonic() > deadline:
                raise
            last = error
        assert time.monotonic() < deadline, f"not within {seconds} s: {last}"
        time.sleep(every)


def random_coupon_command(rng):
    code = rng.choice(["TEN", "ten", "a b/c", "Ü?"] + [f"c-{n}" for n in range(10)])
    if rng.random() < 0.2:
        return "remove_coupon", [code]
    if rng.random() < 0.5:
        return "apply_coupon", [percent(code, rng.choice([1, 10, 10, 33, 100]))]
    return "apply_coupon", [amount(code, rng.choice([0, 1, 1000, 10**12]), rng.choice(["EUR"] * 9 + ["USD"]))]


def random_command(rng: random.Random, skus):
    """One random command as (name, arguments), good and bad ones mixed; the model and the shop both take it."""
    sku = rng.choice(skus)
    roll = rng.random()
    if roll < 0.15:
        return random_coupon_command(rng)
    if roll < 0.18:
        return "assign_customer", [rng.choice(["anna", "bert", "Zoë/1"])]
    if roll < 0.55:
        count = rng.choice([1, 1, 1, 2, 3])
        return "add", [[(rng.choice(skus), rng.choice(["Tea", "Grüner Tee", ""]), rng.choice([1, 2, 7, 400]),
                         rng.choice([0, 1, 1999, 10**12]), "EUR" if rng.random() < 0.97 else "USD")
                        for _ in range(count)]]
    if roll < 0.68:
        return "set_quantity", [sku, rng.choice([0, 1, 2, 5, 999])]
    if roll < 0.85:
        return "remove", [sku, rng.choice([None, 1, 2, 5000])]
    if roll < 0.90:
        return "clear", []
    if roll < 0.93:
        return "create", [rng.choice(["EUR", "EUR", "USD"]), None]
    if roll < 0.96:
        return "check_out", [rng.choice([None, "order-1"])]
    if roll < 0.97:
        return "cancel", []
    return "add", [[(sku, "Tea", 1, 100, "EUR")]]
