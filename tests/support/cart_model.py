"""An independent model of the cart, written from the HTTP contract alone.

It answers a command the way the service must: status, problem type, events and, at any time, the view. It shares no
code with the services, so that a mistake has to be made twice, in two languages, to go unnoticed.
"""

from dataclasses import dataclass, field

LINES_MAX = 500
QUANTITY_MAX = 999
COUPONS_MAX = 10


@dataclass
class Line:
    sku: str
    name: str
    quantity: int
    amount: int


@dataclass
class Answer:
    status: int
    problem: str | None = None
    events: list = field(default_factory=list)  # (type, data)
    extra: dict = field(default_factory=dict)  # extension members of the problem


@dataclass
class Cart:
    """One cart. Call the methods named after the commands; each returns an Answer and changes the model."""

    cart_id: str | None = None
    currency: str | None = None
    customer: str | None = None
    status: str = "absent"
    version: int = 0
    lines: list = field(default_factory=list)
    coupons: list = field(default_factory=list)  # as the API says them
    order_id: str | None = None
    merged_into: str | None = None

    # -- helpers ---------------------------------------------------------------------------------------------------

    def money(self, amount):
        return {"amountMinor": amount, "currency": self.currency}

    def find(self, sku):
        return next((line for line in self.lines if line.sku == sku), None)

    def find_coupon(self, code):
        return next((coupon for coupon in self.coupons if coupon["code"] == code), None)

    def put_coupon(self, coupon):
        known = self.find_coupon(coupon["code"])
        if known is None:
            self.coupons.append(dict(coupon))
        else:
            self.coupons[self.coupons.index(known)] = dict(coupon)

    def totals(self):
        """Subtotal, discount and total: percentages first, each of what is left, rounded half up; then amounts."""
        subtotal = total = sum(line.quantity * line.amount for line in self.lines)
        for coupon in self.coupons:
            if "percentOff" in coupon:
                total -= (2 * total * coupon["percentOff"] + 100) // 200
        for coupon in self.coupons:
            if "amountOff" in coupon:
                total = max(0, total - coupon["amountOff"]["amountMinor"])
        return {"subtotal": self.money(subtotal), "discountTotal": self.money(subtotal - total),
                "total": self.money(total)}

    def happened(self, events, status=200):
        self.version += len(events)
        return Answer(status, events=events)

    def guard(self, if_match):
        """What comes before any rule of the command itself."""
        if self.status == "absent":
            return Answer(404, "cart-not-found")
        if if_match is not None and if_match != "*" and self.version not in if_match:
            return Answer(412, "version-mismatch", extra={"currentVersion": self.version})
        if self.status != "open":
            return Answer(409, "cart-closed", extra={"cartStatus": self.status})
        return None

    # -- commands --------------------------------------------------------------------------------------------------

    def create(self, currency, customer=None):
        if self.status == "absent":
            self.status, self.currency, self.customer = "open", currency, customer
            return self.happened([("CartCreated", {"currency": currency, "customerId": customer})], 201)
        if self.status != "open":
            return Answer(409, "cart-closed", extra={"cartStatus": self.status})
        if (self.currency, self.customer) == (currency, customer):
            return Answer(200)
        return Answer(409, "cart-exists")

    def add(self, items, if_match=None):
        """items: list of (sku, name, quantity, amount, currency)."""
        refused = self.guard(if_match)
        if refused:
            return refused
        if any(item[4] != self.currency for item in items):
            return Answer(409, "currency-mismatch")
        lines = [Line(**vars(line)) for line in self.lines]
        events = []
        for sku, name, quantity, amount, _ in items:
            line = next((line for line in lines if line.sku == sku), None)
            if line is None:
                if len(lines) == LINES_MAX:
                    return Answer(409, "too-many-lines")
                line = Line(sku, name, 0, amount)
                lines.append(line)
            if line.quantity + quantity > QUANTITY_MAX:
                return Answer(409, "quantity-limit")
            line.quantity += quantity
            line.name, line.amount = name, amount
            events.append(("ItemAdded", {"sku": sku, "name": name, "quantity": quantity,
                                         "unitPrice": self.money(amount), "lineQuantity": line.quantity}))
        self.lines = lines
        return self.happened(events)

    def set_quantity(self, sku, quantity, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        line = self.find(sku)
        if line is None:
            return Answer(200) if quantity == 0 else Answer(404, "item-not-in-cart")
        if quantity == line.quantity:
            return Answer(200)
        if quantity == 0:
            return self.removed(line, line.quantity)
        before, line.quantity = line.quantity, quantity
        return self.happened([("ItemQuantityChanged",
                               {"sku": sku, "quantity": quantity, "previousQuantity": before})])

    def remove(self, sku, quantity=None, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        line = self.find(sku)
        if line is None:
            return Answer(404, "item-not-in-cart")
        return self.removed(line, line.quantity if quantity is None else min(quantity, line.quantity))

    def removed(self, line, quantity):
        line.quantity -= quantity
        if line.quantity == 0:
            self.lines.remove(line)
        return self.happened([("ItemRemoved", {"sku": line.sku, "quantity": quantity,
                                               "lineQuantity": line.quantity})])

    def clear(self, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        if not self.lines:
            return Answer(200)
        count, self.lines = len(self.lines), []
        return self.happened([("CartCleared", {"lineCount": count})])

    def assign_customer(self, customer, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        if customer == self.customer:
            return Answer(200)
        before, self.customer = self.customer, customer
        return self.happened([("CustomerAssigned", {"customerId": customer, "previousCustomerId": before})])

    def apply_coupon(self, coupon, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        if "amountOff" in coupon and coupon["amountOff"]["currency"] != self.currency:
            return Answer(409, "currency-mismatch")
        known = self.find_coupon(coupon["code"])
        if known == coupon:
            return Answer(200)
        if known is None and len(self.coupons) == COUPONS_MAX:
            return Answer(409, "too-many-coupons")
        self.put_coupon(coupon)
        return self.happened([("CouponApplied", dict(coupon))])

    def remove_coupon(self, code, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        known = self.find_coupon(code)
        if known is None:
            return Answer(404, "coupon-not-in-cart")
        self.coupons.remove(known)
        return self.happened([("CouponRemoved", {"code": code})])

    def merge(self, source, strategy, if_match=None):
        """`source` is another Cart of the model, or this one; the Answer's event is the target's."""
        refused = self.guard(if_match)
        if refused:
            return refused
        if source is self:
            return Answer(409, "merge-with-itself")
        refused = source.guard(None)
        if refused:
            return refused
        if source.currency != self.currency:
            return Answer(409, "currency-mismatch")
        lines = self.merged_lines(source, strategy)
        if len(lines) > LINES_MAX:
            return Answer(409, "too-many-lines")
        self.lines = lines
        source_version = source.version
        source.status, source.merged_into = "merged", self.cart_id
        source.happened([("CartMergedAway", {"targetCartId": self.cart_id})])
        return self.happened([("CartMerged", {
            "sourceCartId": source.cart_id, "sourceVersion": source_version, "strategy": strategy,
            "items": [{name: item[name] for name in ("sku", "name", "quantity", "unitPrice")}
                      for item in self.items()]})])

    def merged_lines(self, source, strategy):
        theirs = {line.sku: Line(**vars(line)) for line in source.lines}
        if strategy == "replace":
            return list(theirs.values())
        lines = [Line(**vars(line)) for line in self.lines]
        for line in lines:
            other = theirs.pop(line.sku, None)
            if other and strategy == "sum":
                line.quantity = min(line.quantity + other.quantity, QUANTITY_MAX)
            elif other and strategy == "max":
                line.quantity = max(line.quantity, other.quantity)
        return lines + list(theirs.values())

    def check_out(self, order_id=None, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        if not self.lines:
            return Answer(409, "cart-empty")
        self.status, self.order_id = "checked_out", order_id
        return self.happened([("CartCheckedOut", {
            "orderId": order_id, "customerId": self.customer, "items": self.items(),
            "coupons": [dict(coupon) for coupon in self.coupons], **self.totals()})])

    def cancel(self, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        self.status = "cancelled"
        return self.happened([("CartCancelled", {})])

    # -- the view --------------------------------------------------------------------------------------------------

    def items(self):
        return [{"sku": line.sku, "name": line.name, "quantity": line.quantity,
                 "unitPrice": self.money(line.amount), "lineTotal": self.money(line.amount * line.quantity)}
                for line in self.lines]

    def view(self, cart_id):
        """The view without its times, which only the service knows."""
        return {"cartId": cart_id, "status": self.status, "customerId": self.customer,
                "currency": self.currency, "version": self.version, "items": self.items(),
                "lineCount": len(self.lines), "itemCount": sum(line.quantity for line in self.lines),
                "coupons": self.coupons, **self.totals(), "orderId": self.order_id, "mergedInto": self.merged_into}


def fold(events):
    """The cart that these events ({"type", "data"}, as the log or Kafka has them) make: state from facts alone."""
    cart = Cart()
    for event in events:
        kind, data = event["type"], event["data"]
        assert cart.status == ("absent" if kind == "CartCreated" else "open"), event
        cart.version += 1
        if kind == "CartCreated":
            cart.status, cart.currency, cart.customer = "open", data["currency"], data["customerId"]
        elif kind == "ItemAdded":
            line = cart.find(data["sku"])
            if line is None:
                line = Line(data["sku"], "", 0, 0)
                cart.lines.append(line)
            line.quantity += data["quantity"]
            line.name, line.amount = data["name"], data["unitPrice"]["amountMinor"]
            assert line.quantity == data["lineQuantity"], event
        elif kind == "ItemQuantityChanged":
            line = cart.find(data["sku"])
            assert line.quantity == data["previousQuantity"], event
            line.quantity = data["quantity"]
        elif kind == "ItemRemoved":
            line = cart.find(data["sku"])
            line.quantity -= data["quantity"]
            assert line.quantity == data["lineQuantity"], event
            if line.quantity == 0:
                cart.lines.remove(line)
        elif kind == "CartCleared":
            assert len(cart.lines) == data["lineCount"], event
            cart.lines = []
        elif kind == "CustomerAssigned":
            assert data["previousCustomerId"] == cart.customer, event
            cart.customer = data["customerId"]
        elif kind == "CouponApplied":
            cart.put_coupon(data)
        elif kind == "CouponRemoved":
            cart.coupons.remove(cart.find_coupon(data["code"]))
        elif kind == "CartMerged":
            cart.lines = [Line(item["sku"], item["name"], item["quantity"], item["unitPrice"]["amountMinor"])
                          for item in data["items"]]
        elif kind == "CartMergedAway":
            cart.status, cart.merged_into = "merged", data["targetCartId"]
        elif kind == "CartCheckedOut":
            assert data["items"] == cart.items() and data["coupons"] == cart.coupons, event
            assert {name: data[name] for name in ("subtotal", "discountTotal", "total")} == cart.totals(), event
            cart.status, cart.order_id = "checked_out", data["orderId"]
        elif kind == "CartCancelled":
            cart.status = "cancelled"
        elif kind == "CartExpired":
            cart.status = "expired"
        else:
            raise AssertionError(f"unknown event type {kind}")
    return cart
