"""HTTP by hand: requests as bytes, answers read from a socket. For what an HTTP client would not send."""

import contextlib
import json


def receive_all(sock):
    """Until the server closes; a reset counts as closing."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            data += piece
    return data


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def problem(self):
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return problem["type"].removeprefix("urn:cartledger:problem:")


class Reader:
    """Reads answers one by one from a connection."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def until(self, mark):
        while mark not in self.data:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError(self.data)
            self.data += piece
        found, self.data = self.data.split(mark, 1)
        return found

    def exactly(self, count):
        while len(self.data) < count:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError(self.data)
            self.data += piece
        found, self.data = self.data[:count], self.data[count:]
        return found

    def answer(self, has_body=True):
        lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        body = b""
        if headers.get("transfer-encoding") == "chunked" and has_body:
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            assert self.exactly(2) == b"\r\n"
        elif has_body:
            body = self.exactly(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)


def get(path, *headers, method="GET", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path, body, *headers):
    return get(path, f"Content-Length: {len(body)}", "Content-Type: application/json", *headers, method="POST") + body
