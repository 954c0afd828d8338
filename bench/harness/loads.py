"""Load generators: wrk and pgbench in a closed loop, open_loop at a fixed rate. Each answers a dict with its "rate"."""

import json
import os
import random
import re
import resource
import subprocess
import tempfile
import time
import uuid

from devstack.report import Trouble
from .arithmetic import latency_summary
from .machine import ROOT
from .rig import BUILD

SCRIPTS = ROOT / "bench"
CARTS_PER_CONNECTION = 16  # so that a cart's last command is answered before its next one, see cart_mix.lua

LONG_S = 8


def allow_files():
    """More open files than a shell usually allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(command, timeout, env=None):
    """Its output."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, env=env,
                          preexec_fn=allow_files, check=False)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def threads():
    """One generator thread is enough for some 100,000 requests/s, and few cores are needed by what is measured."""
    return 1 if (os.cpu_count() or 1) < 4 else 2


def wrk(url, script, seconds, connections, *arguments):
    count = min(threads(), connections)
    said = run(["wrk", "-t", count, "-c", connections, "-d", f"{seconds}s", "--timeout", "10s", "-s", SCRIPTS / script,
                url, "--", *arguments], seconds + 60)
    seen = json.loads(said.strip().splitlines()[-1])
    took = seen["microseconds"] / 1e6
    return {"rate": (seen["requests"] - seen["refused"]) / took, "refused": seen["refused"], "broken": seen["broken"],
            "answers": seen["requests"], "ms": {name: seen[name] / 1000 for name in ("p50", "p99", "max")}}


def commands(rig, seconds, connections, mode="mix", cart="", url=None):
    """Commands for the command service, or for a peer at `url`."""
    carts = max(CARTS_PER_CONNECTION * connections // min(threads(), connections), 8)
    run = f"{random.getrandbits(32):08x}"
    return wrk(url or rig.command.url, "cart_mix.lua", seconds, connections, mode, run, carts, cart)


def filled(rig, seconds, connections, file, lines):
    """Commands on the carts in `file`, an id a line, which have the articles sku-1 to sku-LINES."""
    return wrk(rig.command.url, "cart_mix.lua", seconds, connections, "filled", f"{random.getrandbits(32):08x}", lines,
               file)


def pgbench(rig, script, seconds, clients):
    """`script` may be several with weights, "one.sql@1 other.sql@10"."""
    files = [part for name in script.split() for part in ("-f", SCRIPTS / "sql" / name)]
    said = run(["pgbench", "-n", "-M", "prepared", *files, "-c", clients, "-j", min(clients, threads()), "-T", seconds,
                "bench"], seconds + 60, rig.pg_environment())
    found = re.search(r"^tps = ([\d.]+) \(without initial", said, re.M)
    if found is None and seconds < LONG_S:  # on a busy machine connecting took all of the time
        return pgbench(rig, script, LONG_S, clients)
    return {"rate": float(found.group(1)) if found else 0.0}


def plain_wrk(url, seconds, connections):
    said = run(["wrk", "-t", threads(), "-c", connections, "-d", f"{seconds}s", "-s", SCRIPTS / "summary.lua", url],
                seconds + 60)
    seen = json.loads(said.strip().splitlines()[-1])
    return {"rate": seen["requests"] / (seen["microseconds"] / 1e6)}


def open_loop(url, texts, rate, connections):
    """Sends `texts` in turn over the connections, `rate` a second; latencies count from the intended time.

    With rate 0 it's a closed loop, for what wrk cannot do (it waits for the body that a 304 leaves out).
    """
    host, _, port = url.removeprefix("http://").partition(":")
    return _seen(*_open_loop(host, port, [(text, 0) for text in texts], rate, connections))


def open_loop_of_both(rig, texts, rate, shoppers):
    """The same with (text, whether it is for the query service), in turn for so many shoppers, who have a connection to
    each service. What was seen of all, and of the requests to each service.
    """
    rows, took_us = _open_loop("127.0.0.1", f"{rig.command.port},{rig.query.port}", texts, rate, shoppers)
    of_each = [[row for row, (_, is_read) in zip(rows, texts) if is_read == wanted] for wanted in (False, True)]
    return [_seen(some, took_us) for some in (rows, *of_each)]


def _open_loop(host, ports, texts, rate, shoppers):
    """A row for each of (text, number of the port), and how long all of it took."""
    with tempfile.NamedTemporaryFile("wb") as file:
        file.writelines(b"%d %d\n%s" % (len(text), port, text) for text, port in texts)
        file.flush()
        said = run([BUILD / "bench/open_loop", host, ports, rate, shoppers, file.name],
                   (len(texts) / rate if rate else 60) + 60)
    rows = [tuple(map(int, line.split())) for line in said.splitlines()]
    return rows, max(begun + latency for begun, latency, _ in rows)


def _seen(rows, took_us):
    good = sum(200 <= status < 400 for _, _, status in rows)
    return {"rate": good / took_us * 1e6, "ms": latency_summary([latency for _, latency, _ in rows]),
            "refused": len(rows) - good, "answers": len(rows)}


def cart_id(milliseconds):
    """A version 7 UUID of that time since 1970, as the service itself makes them."""
    return str(uuid.UUID(int=int(milliseconds) << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62
                         | random.getrandbits(62)))


def shoppers(count, connections, seed=None):
    """`count` commands for open_loop: a shopper with one cart at a time on each connection, mixed as in cart_mix.lua."""
    rng = random.Random(seed)
    carts = [None] * connections
    return [command(rng, carts, number % connections) for number in range(count)]


def request(method, path, body=None, headers=""):
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return (head + "\r\n" + (body or "")).encode()


def command(rng, carts, at):
    """The next one on the cart at that place: (id, articles, lines), or None for a new one."""
    if carts[at] is None:
        articles = rng.choices(range(1, 21), [1 / lines for lines in range(1, 21)])[0]
        carts[at] = (cart_id(time.time() * 1000), articles, {})
        return request("PUT", f"/v1/carts/{carts[at][0]}", '{"currency":"EUR"}')
    cart, articles, lines = carts[at]
    path, roll = f"/v1/carts/{cart}", rng.random()
    if not lines or roll < 0.70:
        number = rng.randint(1, articles)
        lines[number] = lines.get(number, 0) + 1
        return request("POST", f"{path}/items", f'{{"sku":"sku-{number}","name":"Article number {number}","quantity":1,'
                       f'"unitPrice":{{"amountMinor":{100 + number * 37},"currency":"EUR"}}}}')
    number = rng.choice(list(lines))
    if roll < 0.85:
        lines[number] = lines[number] % 9 + 1
        return request("PATCH", f"{path}/items/sku-{number}", f'{{"quantity":{lines[number]}}}')
    if roll < 0.95:
        del lines[number]
        return request("DELETE", f"{path}/items/sku-{number}")
    carts[at] = None
    return request("POST", f"{path}/checkout", "{}")
