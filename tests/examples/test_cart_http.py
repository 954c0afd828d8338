"""examples/cart.http does what it says, from top to bottom, and the kcat lines of the README show the events."""

import re
import subprocess
import time

import requests

from examples import EXAMPLES


def requests_of(text, **places):
    """(title, method, url, headers, body) of each request; variables are filled in, `places` before the file's own."""
    variables = {**dict(re.findall(r"^@(\w+) = (\S+)$", text, re.M)), **places}
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: variables[found[1]], text)
    for part in text.split("###")[1:]:
        title, head, *body = part.split("\n\n")[0].split("\n", 1) + part.split("\n\n")[1:]
        first, *lines = head.strip().splitlines()
        method, url = first.split(" ")
        yield title.strip(), method, url, dict(line.split(": ", 1) for line in lines), "\n\n".join(body).strip()


def test_given_fresh_services_then_every_request_of_cart_http_succeeds(stack):
    text = (EXAMPLES / "cart.http").read_text()
    seen = []
    for title, method, url, headers, body in requests_of(text, command=stack.command_url, query=stack.query_url):
        for _ in range(60):  # a busy machine may refuse for a while
            answer = requests.request(method, url, headers=headers, data=body or None, timeout=30)
            if answer.status_code != 503:
                break
            time.sleep(1)
        assert answer.status_code in (200, 201), (title, method, url, answer.status_code, answer.text)
        seen.append((method, title))
    assert len(seen) == text.count("\n### ") == 21
    assert {method for method, _ in seen} == {"PUT", "POST", "PATCH", "DELETE", "GET"}


def test_given_events_then_the_kcat_lines_of_the_readme_show_them(stack):
    lines = re.findall(r"^\./dev kcat (-C [^#]*?)\s+#", (EXAMPLES / "README.md").read_text(), re.M)
    assert len(lines) == 3
    for text in lines:
        if "-o end" in text:  # waits for what is to come
            continue
        command = ["bash", "-c", f"exec kcat -b {stack.kafka_servers} {text}".replace("cart-events", stack.topic)]
        deadline = time.monotonic() + 60
        shown = ""
        while "ce_type=cartledger.cart." not in shown:
            assert time.monotonic() < deadline, (text, shown)
            shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
