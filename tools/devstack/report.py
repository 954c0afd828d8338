"""What the scripts say: steps with their duration, and failures that say what to do."""
import contextlib
import sys
import time


class Trouble(Exception):
    """Something the user can act on; shown without a traceback."""


class Ended(Trouble):
    """A process ended while somebody waited for it to be ready."""


def say(text=""):
    print(text, flush=True)


def warn(text):
    print(f"dev: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(what):
    """Announces a step and, when it took long enough to notice, how long."""
    began = time.monotonic()
    say(f"{what} ...")
    yield
    took = time.monotonic() - began
    if took >= 0.5:
        say(f"{what}: done ({took:.1f} s)")


def tail(path, lines=20):
    """The last lines of a text file, indented; empty when there is none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def wait_until(condition, seconds, pause=0.05):
    """Calls `condition` until it answers something true, which is returned; None when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            return None
        time.sleep(pause)
