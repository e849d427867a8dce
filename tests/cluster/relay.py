"""One connection through the proxy: its requests, one after the other, each passed on or answered here."""

import http.client
import json
import selectors
import socket
import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cluster.faults import Answer, Call, Faults

OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "x-remote-user", "x-remote-group"}
"""Headers that are between neighbours only, or not for a client to say."""

PIECE = 65_536


class Relay(BaseHTTPRequestHandler):
    """Made in the proxy's lists, then run in a thread of its own until the connection ends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, connection: ssl.SSLSocket, url: str, context: ssl.SSLContext, faults: Faults) -> None:
        self._client = connection
        self._faults = faults
        self._who = _announced(connection)
        self._upstream = http.client.HTTPSConnection(urlsplit(url).netloc, context=context)
        self._telling = threading.Lock()
        self._watched = False

    def run(self) -> None:
        try:
            super().__init__(self._client, None, None)  # pyright: ignore[reportArgumentType] - only logs ask for them
        finally:
            self._upstream.close()

    def cut(self) -> None:
        """Breaks it off, whatever is on the way."""
        for end in (self._client, self._upstream.sock):
            with suppress(OSError, AttributeError):
                end.shutdown(socket.SHUT_RDWR)

    def expire(self) -> None:
        """Tells a watch that what it asked for is gone, and ends it; does nothing to another."""
        with self._telling:
            if self._watched:
                self._watched = False
                with suppress(OSError):
                    self._piece(json.dumps({"type": "ERROR", "object": _status(410, "Expired")}).encode() + b"\n")
                    self._piece(b"")
                self.cut()

    def pass_on(self) -> None:
        """The request that was just read."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = self._faults.to(self.command, self.path)
        if found:
            self._refuse(found)
            return
        time.sleep(self._faults.delay_s)
        try:
            answer = self._asked(body)
        except (OSError, http.client.HTTPException):
            # As if there were nobody between: the connection is broken.
            self.close_connection = True
            return
        self._note(answer.status)
        if answer.status == http.client.SWITCHING_PROTOCOLS:
            self._tunnel(answer)
        else:
            self._tell(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = pass_on  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: `Faults.calls` has it."""

    def _asked(self, body: bytes) -> http.client.HTTPResponse:
        self._upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in OWN or (name.lower() == "connection" and "Upgrade" in self.headers):
                self._upstream.putheader(name, value)
        for name, value in self._who:
            self._upstream.putheader(name, value)
        if body or self.command in ("POST", "PUT", "PATCH"):
            self._upstream.putheader("Content-Length", str(len(body)))
        self._upstream.endheaders(body)
        return self._upstream.getresponse()

    def _tell(self, answer: http.client.HTTPResponse) -> None:
        """Watches and logs in pieces as they come, the rest at once."""
        whole = None if answer.chunked else answer.read()
        self._begin(answer, {} if whole is None else {"Content-Length": str(len(whole))})
        if whole is not None:
            self.wfile.write(whole)
        elif _watches(self.path):
            self._watch(answer)
        else:
            while piece := answer.read1(PIECE):
                self._piece(piece)
            self._piece(b"")

    def _watch(self, answer: http.client.HTTPResponse) -> None:
        self._watched = True
        # What breaks off breaks off for the client too.
        with suppress(OSError, http.client.HTTPException):
            for event in answer:  # each is a line
                late_s = self._faults.late_s(self.path, event)
                if late_s is None:
                    continue
                time.sleep(late_s)
                with self._telling:
                    if self._watched and not self._faults.silent:
                        self._piece(event)
            with self._telling:
                if self._watched:
                    self._piece(b"")
        self._watched = False
        self.close_connection = True

    def _refuse(self, found: Answer) -> None:
        self._note(found.status)
        body = json.dumps(_status(found.status, REASONS.get(found.status, "InternalError"))).encode()
        self.send_response(found.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **found.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _begin(self, answer: http.client.HTTPResponse, headers: dict[str, str]) -> None:
        self.send_response_only(answer.status, answer.reason)
        more = headers or {"Transfer-Encoding": "chunked"}
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in OWN]
        for name, value in [*kept, *more.items()]:
            self.send_header(name, value)
        self.end_headers()

    def _piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def _tunnel(self, answer: http.client.HTTPResponse) -> None:
        """Both ways until one of them ends: `kubectl exec`, and logs that are followed so."""
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        _both_ways(self.connection, self._upstream.sock)
        self.close_connection = True

    def _note(self, status: int) -> None:
        self._faults.note(Call(method=self.command, path=self.path, status=status))


REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def _status(code: int, reason: str) -> dict[str, Any]:
    message = f"the test's proxy answers {code}"
    meta = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**meta, "message": message, "reason": reason, "code": code}


def _watches(path: str) -> bool:
    return parse_qs(urlsplit(path).query).get("watch", ["false"])[0] in ("true", "1")


def _announced(connection: ssl.SSLSocket) -> list[tuple[str, str]]:
    """The headers that say who came with a certificate."""
    headers = {"commonName": "X-Remote-User", "organizationName": "X-Remote-Group"}
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    return [(headers[name], value) for part in subject for name, value in part if name in headers]


def _both_ways(one: Any, other: Any) -> None:
    for each in (one, other):
        each.settimeout(None)
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                piece = key.fileobj.recv(PIECE)  # pyright: ignore[reportAttributeAccessIssue] - a socket
                if not piece:
                    return
                key.data.sendall(piece)
