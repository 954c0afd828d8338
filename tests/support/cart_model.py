"""An independent model of the cart, written from the HTTP contract alone.

It answers a command the way the service must: status, problem type, events and, at any time, the view. It shares no
code with the services, so that a mistake has to be made twice, in two languages, to go unnoticed.
"""

from dataclasses import dataclass, field

LINES_MAX = 500
QUANTITY_MAX = 999


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

    currency: str | None = None
    customer: str | None = None
    status: str = "absent"
    version: int = 0
    lines: list = field(default_factory=list)
    order_id: str | None = None

    # -- helpers ---------------------------------------------------------------------------------------------------

    def money(self, amount):
        return {"amountMinor": amount, "currency": self.currency}

    def find(self, sku):
        return next((line for line in self.lines if line.sku == sku), None)

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

    def check_out(self, order_id=None, if_match=None):
        refused = self.guard(if_match)
        if refused:
            return refused
        if not self.lines:
            return Answer(409, "cart-empty")
        self.status, self.order_id = "checked_out", order_id
        subtotal = self.money(sum(line.quantity * line.amount for line in self.lines))
        return self.happened([("CartCheckedOut", {
            "orderId": order_id, "customerId": self.customer, "items": self.items(), "coupons": [],
            "subtotal": subtotal, "discountTotal": self.money(0), "total": subtotal})])

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
        subtotal = sum(line.quantity * line.amount for line in self.lines)
        return {"cartId": cart_id, "status": self.status, "customerId": self.customer,
                "currency": self.currency, "version": self.version, "items": self.items(),
                "lineCount": len(self.lines), "itemCount": sum(line.quantity for line in self.lines),
                "coupons": [], "subtotal": self.money(subtotal), "discountTotal": self.money(0),
                "total": self.money(subtotal), "orderId": self.order_id, "mergedInto": None}


def fold(events):
    """The cart that these events ({"type", "data"}, as the log or Kafka has them) make: state from facts alone."""
    cart = Cart()
    for event in events:
        kind, data = event["type"], event["data"]
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
        elif kind == "CartCheckedOut":
            assert data["items"] == cart.items(), event
            cart.status, cart.order_id = "checked_out", data["orderId"]
        elif kind == "CartCancelled":
            cart.status = "cancelled"
        else:
            raise AssertionError(f"unknown event type {kind}")
    return cart
