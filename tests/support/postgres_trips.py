"""A proxy in front of PostgreSQL that says what its clients ask and how often they wait for an answer.

    with PostgresTrips(("127.0.0.1", 5432)) as proxy:
        proxy.trips()    # [Trip(statements=["append"], rows=6), …]

A trip is what one connection sends before it waits, and the rows that come back: a round trip. `bytes` is what the rows
take.
"""

import struct

from proxy import Proxy

HEADER = 5  # a message's kind and length
LENGTH = 4
REQUEST_CODES = {80877103, 80877104}  # SSLRequest, GSSENCRequest: answered by one byte that is no message


class Trip:
    def __init__(self, statements=(), rows=0):
        self.statements, self.rows, self.bytes = list(statements), rows, 0

    def __eq__(self, other):
        return (self.statements, self.rows) == (other.statements, other.rows)

    def __repr__(self):
        return f"Trip({self.statements}, rows={self.rows})"


class _Conversation:
    """The protocol of one connection: what is sent (up) and answered (down), message by message."""

    def __init__(self):
        self.rest = {"up": b"", "down": b""}
        self.has_begun = False  # the start-up message has no kind
        self.bytes_to_skip = 0
        self.last = "down"
        self.trips = []

    def hear(self, direction, data):
        self.rest[direction] += data
        if direction == "up" and self.last == "down":
            self.trips.append(Trip())
        self.last = direction
        while (message := self._take(direction)) is not None:
            kind, content = message
            if direction == "down":
                self.trips[-1].rows += kind == b"D"
                self.trips[-1].bytes += len(content) if kind == b"D" else 0
            elif kind == b"P":
                self.trips[-1].statements.append("prepare " + content.partition(b"\0")[0].decode())
            elif kind == b"B":
                self.trips[-1].statements.append(content.split(b"\0")[1].decode())
            elif kind == b"Q":
                self.trips[-1].statements.append(content.rstrip(b"\0").decode())

    def _take(self, direction):
        """The next whole message, or None."""
        rest = self.rest[direction]
        if direction == "up" and not self.has_begun:
            return self._take_first(rest)
        if direction == "down" and self.bytes_to_skip and rest:
            self.rest[direction] = rest = rest[1:]
            self.bytes_to_skip -= 1
        if len(rest) < HEADER:
            return None
        end = 1 + struct.unpack_from("!I", rest, 1)[0]
        if len(rest) < end:
            return None
        self.rest[direction] = rest[end:]
        return rest[:1], rest[HEADER:end]

    def _take_first(self, rest):
        if len(rest) < 2 * LENGTH:
            return None
        length, code = struct.unpack_from("!II", rest)
        if len(rest) < length:
            return None
        self.rest["up"] = rest[length:]
        if code in REQUEST_CODES:
            self.bytes_to_skip += 1
        else:
            self.has_begun = True
        return b"", b""


class PostgresTrips(Proxy):
    def __init__(self, target):
        self._conversations = {}
        super().__init__(target)

    def passing(self, link, direction, data):
        self._conversations.setdefault(link, _Conversation()).hear(direction, data)

    def trips(self):
        """Those that asked for something, of all connections one after another."""
        return [trip for conversation in list(self._conversations.values()) for trip in conversation.trips
                if trip.statements]

    def largest(self, statement):
        """The bytes of the rows that this statement brought at once."""
        return max(trip.bytes for trip in self.trips() if trip.statements == [statement])
