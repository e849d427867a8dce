"""HTTP to one server by the standard library alone: one connection, kept open, and a bound on time and size for each exchange.

TLS trusts what OpenSSL is told to trust (SSL_CERT_FILE and SSL_CERT_DIR, else the system's own). Proxies are those of the
environment (http_proxy, https_proxy, no_proxy), with the name and password in their address if there are any. Redirects
are not followed. For one thread at a time.
"""

import base64
import http.client
import io
import socket
import time
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

MOST_BYTES = 1 << 20
"""Of an answer, as sent and unpacked."""

_GZIP = 16 + zlib.MAX_WBITS


class Unreachable(Exception):
    """Nobody answered in time, or not to the end. The text says what happened."""


class Unreadable(Exception):
    """Something answered, and it is no answer that we can read: it is too large, or not what it says it is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a connection, and for the whole exchange with it."""

    connect_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    reason: str
    headers: Message
    body: bytes


class Connection:
    """To the server of `url`, which may end with a path under which it is found."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._server = urlsplit(url)
        self._prefix = self._server.path.rstrip("/")
        self._monotonic = monotonic
        self._open: http.client.HTTPConnection | None = None
        self._tls: Any = None
        self._through = _proxy(self._server)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, patience: Patience) -> Response:
        """Sends it, twice where a connection that was kept turns out to be closed by the other side: only for what may be
        said twice. Raises Unreachable, Unreadable."""
        until = self._monotonic() + patience.total_s
        while True:
            kept = self._is_open
            try:
                return self._exchange(path, body, headers, patience, until)
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                self.close()
                self._tls = None  # whom it trusts may have changed: it is read anew
                if not kept or isinstance(error, TimeoutError) or not isinstance(error, OSError):
                    raise Unreachable(
                        f"{self._server.netloc.rpartition('@')[2]}: {type(error).__name__}: {error}"
                    ) from error

    @property
    def _is_open(self) -> bool:
        """Not where the last answer said that its connection is closed after it."""
        return self._open is not None and self._open.sock is not None

    def _exchange(
        self, path: str, body: bytes, headers: Mapping[str, str], patience: Patience, until: float
    ) -> Response:
        if self._open is None or self._open.sock is None:
            self._open = self._connected(min(patience.connect_s, patience.total_s))
        found = self._open
        watched = _Watched(found.sock, lambda: until - self._monotonic())
        found.sock = watched  # pyright: ignore[reportAttributeAccessIssue]
        try:
            found.request("POST", self._target(path), body, {**headers, **self._said_to_the_proxy()})
            response = found.getresponse()
            content = response.read(MOST_BYTES + 1)
        finally:
            if found.sock is watched:
                found.sock = watched.socket
        if len(content) > MOST_BYTES:
            self.close()
            raise Unreadable(f"an answer of more than {MOST_BYTES >> 20} MiB")
        if response.length:
            raise http.client.IncompleteRead(content, response.length)
        return Response(response.status, response.reason, response.headers, _unpacked(response, content))

    def _connected(self, connect_s: float) -> http.client.HTTPConnection:
        server, through = self._server, self._through
        host, port = server.hostname or "", server.port
        secure = server.scheme == "https"
        kind: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection
        more: dict[str, Any] = {"timeout": connect_s}
        if secure:
            kind, more = http.client.HTTPSConnection, {**more, "context": self._context()}
        if through is None:
            found = kind(host, port, **more)
        else:
            found = kind(through.hostname or "", through.port or 80, **more)
            if secure:
                found.set_tunnel(host, port or 443, headers=_authorization(through))
        # Else a request that fails would open another connection, without our bounds.
        found.auto_open = 0
        found.connect()
        return found

    def _context(self) -> Any:
        if self._tls is None:
            import ssl

            self._tls = ssl.create_default_context()
        return self._tls

    def _target(self, path: str) -> str:
        whole = self._prefix + path
        if self._through is not None and self._server.scheme == "http":
            return f"http://{self._server.netloc}{whole}"
        return whole

    def _said_to_the_proxy(self) -> Mapping[str, str]:
        return _authorization(self._through) if self._through is not None and self._server.scheme == "http" else {}


class _Watched:
    """A socket whose every call ends when the exchange has to; http.client asks no more than this of one."""

    def __init__(self, found: socket.socket, left_s: Callable[[], float]) -> None:
        self.socket = found
        self._left_s = left_s

    def sendall(self, data: bytes) -> None:
        self.socket.settimeout(_some(self._left_s()))
        self.socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self.socket, self._left_s))

    def close(self) -> None:
        self.socket.close()


class _Reading(io.RawIOBase):
    def __init__(self, found: socket.socket, left_s: Callable[[], float]) -> None:
        self._socket = found
        self._raw = found.makefile("rb", buffering=0)
        self._left_s = left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_some(self._left_s()))
        return self._raw.readinto(buffer)  # pyright: ignore[reportAttributeAccessIssue]

    def close(self) -> None:
        self._raw.close()
        super().close()


def _some(left_s: float) -> float:
    """What a socket takes as a time to wait. Raises TimeoutError when there is none left."""
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def _unpacked(response: http.client.HTTPResponse, content: bytes) -> bytes:
    """Servers and proxies may compress what nobody asked them to."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "gzip":
        return content
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        found = unpacker.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise Unreadable(f"its gzip is none: {error}") from error
    if not unpacker.eof:
        raise Unreadable("its gzip is cut off, or too large")
    return found


def _proxy(server: SplitResult) -> SplitResult | None:
    with suppress(OSError):
        if urllib.request.proxy_bypass(server.netloc.rpartition("@")[2]):
            return None
    found = urllib.request.getproxies()
    address = found.get(server.scheme) or found.get("all")
    return None if not address else urlsplit(address if "://" in address else f"http://{address}")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(who.encode()).decode()}"}
