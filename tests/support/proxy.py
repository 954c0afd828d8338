"""A TCP proxy on loopback that can cut, stall or delay what passes, also when it sees a pattern of bytes.

    with Proxy(("127.0.0.1", 5432)) as proxy:
        url = proxy.instead_of(database_url)            # the same URL, through the proxy
        proxy.cut_on(b"COMMIT", when="before")          # the bytes never arrive
        proxy.cut_on(b"COMMIT", when="after")           # they arrive, the answer doesn't
        proxy.cut_on(b"COMMIT", direction="down")       # cut when the *answer* holds the pattern
"""

import contextlib
import re
import socket
import struct
import threading
import time

OPPOSITE = {"up": "down", "down": "up"}
CHUNK = 65536
POLL_SECONDS = 0.2


class _Trigger:
    def __init__(self, pattern, direction, when, action, times):
        self.pattern, self.direction, self.when, self.action, self.times = pattern, direction, when, action, times


class _Link:
    """One proxied connection: two sockets, two threads."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.server = socket.create_connection(proxy.target, 5)
        self.server.settimeout(None)
        self.tails = {"up": b"", "down": b""}
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for direction, source, sink in (("up", self.client, self.server), ("down", self.server, self.client)):
            threading.Thread(target=self._pump, args=(direction, source, sink), daemon=True).start()

    def _pump(self, direction, source, sink):
        try:
            while data := source.recv(CHUNK):
                self.proxy.passing(self, direction, data)
                self.proxy.wait_while_stalled(direction)
                if self.proxy.delay:
                    time.sleep(self.proxy.delay)
                if not self._send(direction, data, sink):
                    return
        except OSError:
            pass
        self.proxy.drop(self)

    def _send(self, direction, data, sink):
        trigger = self.proxy.triggered(direction, self.tails[direction] + data)
        self.tails[direction] = (self.tails[direction] + data)[-64:]
        if trigger is None:
            sink.sendall(data)
            return True
        self.tails[direction] = b""
        if trigger.when == "after":
            self.proxy.stall(OPPOSITE[direction])  # an answer may be quicker than we are
            sink.sendall(data)
        if trigger.action == "stall":
            self.proxy.stall()
            if trigger.when == "before":
                self.proxy.wait_while_stalled(direction)
                sink.sendall(data)
        elif trigger.when == "after":
            self._end_gently(sink)
            self.proxy.drop(self, reset_client_only=True)
            self.proxy.resume()
        else:
            self.proxy.drop(self)
        self.proxy.seen.set()
        return trigger.action == "stall"

    @staticmethod
    def _end_gently(sink):
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self, reset_client_only=False):
        """Resets the client; the server sees a reset too, or, gently, an end after all bytes that were sent."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                if end is self.client or not reset_client_only:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()


class Proxy:
    """Listens on `port` of 127.0.0.1 and forwards to `target`, (host, port). Context manager; close() ends it."""

    def __init__(self, target):
        self.target = target
        self.delay = 0.0  # seconds added to each chunk, each way
        self.connections = 0  # how many were accepted so far
        self.seen = threading.Event()  # set when a trigger has fired
        self._links, self._triggers = set(), []
        self._lock = threading.Lock()
        self._flow = {"up": threading.Event(), "down": threading.Event()}
        self.resume()
        self._open = True
        self._refusing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def instead_of(self, url):
        """The URL with its host and port replaced by the proxy's."""
        return re.sub(r"(//(?:[^@/]*@)?)[^/?]*", lambda found: f"{found[1]}127.0.0.1:{self.port}", url, count=1)

    def cut(self):
        """Resets every connection of now; new ones are accepted."""
        for link in list(self._links):
            self.drop(link)

    def refuse(self, refusing=True):
        """Accepted connections are reset at once while this is on. Use with cut() to play a dead server."""
        self._refusing = refusing

    def stall(self, direction=None):
        """Nothing passes any more, in one direction ("up": towards the target) or both; resume() ends it."""
        for name, flow in self._flow.items():
            if direction in (None, name):
                flow.clear()

    def resume(self):
        for flow in self._flow.values():
            flow.set()

    def cut_on(self, pattern, direction="up", when="before", times=1):
        """Cuts the connection that carries `pattern`, before or after passing it on, `times` times.

        direction "up" looks at what goes to the target, "down" at its answers. "after" leaves the target time to
        act on what it got: it sees an orderly end, the client a reset. The pattern may span two chunks; cut "before"
        then leaves the first of them delivered.
        """
        self._arm(_Trigger(pattern, direction, when, "cut", times))

    def stall_on(self, pattern, direction="up", when="before"):
        """stall() when the pattern passes: held back with "before", delivered first with "after"."""
        self._arm(_Trigger(pattern, direction, when, "stall", 1))

    def _arm(self, trigger):
        self.seen.clear()
        with self._lock:
            self._triggers.append(trigger)


    def close(self):
        self._open = False
        self._listener.close()
        self.resume()
        self.cut()

    # For links.

    def passing(self, link, direction, data):
        """For a kind of proxy that listens: called before `data` goes on."""

    def triggered(self, direction, data):
        with self._lock:
            for trigger in self._triggers:
                if trigger.direction == direction and trigger.pattern in data:
                    trigger.times -= 1
                    if trigger.times == 0:
                        self._triggers.remove(trigger)
                    return trigger
        return None

    def wait_while_stalled(self, direction):
        while not self._flow[direction].wait(POLL_SECONDS):
            if not self._open:
                return

    def drop(self, link, reset_client_only=False):
        with self._lock:
            self._links.discard(link)
        link.close(reset_client_only)

    def _accept(self):
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            try:
                link = _Link(self, client)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._links.add(link)
