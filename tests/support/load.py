"""Shoppers in threads that keep shopping while something goes wrong, and remember what they were told."""

import random

import requests

from invariants import Acknowledged
from repeating import Clients
from shop import Shop, line, new_id, percent


class Load(Clients):
    """`with Load(stack.command_urls, clients=16) as load:` … on leaving the block every client has stopped.

    Each client owns a few carts and mixes adds, changes, removals, coupons and merges; all of them also add to one shared cart.
    A request that fails without an answer counts as unknown: it may or may not have happened.
    """

    def __init__(self, command_urls, clients=12, seed=1):
        super().__init__(clients)
        self.command_urls = [command_urls] if isinstance(command_urls, str) else list(command_urls)
        self.seed = seed
        self.told = Acknowledged()
        self.shared_cart = new_id()
        self.answers = 0
        self.errors = []

    def __enter__(self):
        self.note(Shop(self.command_urls[0]).create(self.shared_cart))
        return super().__enter__()

    def __exit__(self, *_):
        super().__exit__()
        assert not self.errors, self.errors[0]

    def note(self, response):
        with self.lock:
            self.told.note(response)
            self.answers += response.status_code < 500

    def run(self, number):
        rng = random.Random(self.seed * 1000 + number)
        shop = Shop(self.command_urls[number % len(self.command_urls)])
        carts = []
        while not self.stopping.is_set():
            try:
                self.step(rng, shop, carts)
            except requests.RequestException:
                with self.lock:
                    self.told.unknown += 1
                shop = Shop(rng.choice(self.command_urls))
                self.stopping.wait(0.05)
            except Exception as error:
                self.errors.append(error)
                return

    def step(self, rng, shop, carts):
        roll = rng.random()
        if len(carts) < 3 or roll < 0.02:
            cart = new_id()
            response = shop.create(cart)
            if response.status_code == 201:
                carts.append(cart)
        elif roll < 0.15:
            response = shop.add(self.shared_cart, line("shared", 1, 1))
        elif roll < 0.17:
            response = shop.apply_coupon(rng.choice(carts), percent(percent_off=rng.choice([10, 20])))
        elif roll < 0.20:
            source, target = rng.sample(carts, 2)
            response = shop.merge(target, source, rng.choice(["sum", "max", "replace", "keep"]))
            carts.remove(source)
        elif roll < 0.75:
            response = shop.add(rng.choice(carts), line(f"sku-{rng.randrange(8)}", rng.randint(1, 3)))
        elif roll < 0.85:
            response = shop.set_quantity(rng.choice(carts), f"sku-{rng.randrange(8)}", rng.randrange(5))
        elif roll < 0.97:
            response = shop.remove(rng.choice(carts), f"sku-{rng.randrange(8)}", rng.choice([None, 1]))
        else:
            response = shop.check_out(carts.pop(rng.randrange(len(carts))))
        assert response.status_code in (200, 201, 404, 409, 503), (response.status_code, response.text)
        self.note(response)
        if response.status_code == 503:
            self.stopping.wait(0.02)
