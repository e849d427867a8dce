"""One signed request to somebody's address: to a checked address, within a time, without following where it points.

Every failure is an answer, never an exception: what is at the other end is not ours.
"""

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from dure.errors import AddressRefused
from scheduler.webhooks import addresses
from scheduler.webhooks.addresses import Network, Resolve

CONNECT_S = 5.0
WHOLE_S = 10.0
"""From the first byte that is sent to the last that is read, however slowly they come."""

READ_BYTES = 16 << 10
"""So much of an answer is read; nothing of it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The status, or why there is none."""

    status: int | None = None
    trouble: str | None = None
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def error(self) -> str | None:
        """One sentence for the company, None for an answer that is as it should be."""
        if self.ok:
            return None
        if self.status is None:
            return self.trouble
        hint = ": redirects are not followed, register where it leads" if 300 <= self.status < 400 else ""
        return f"answered {self.status}{hint}"


class Sender:
    """Knows where may be sent to. Safe for threads: each parcel has a connection of its own."""

    def __init__(self, networks: Sequence[Network] = (), *, resolve: Resolve = addresses.resolved) -> None:
        self._networks, self._resolve = tuple(networks), resolve
        self._tls = httpx.create_ssl_context()

    def check(self, url: str) -> None:
        """Raises AddressRefused for an address that would not be sent to now."""
        where = _parsed(url)
        addresses.permitted(
            where.host.decode(),
            where.port or 0,
            plain=where.scheme == b"http",
            networks=self._networks,
            resolve=self._resolve,
        )

    @contextmanager
    def to(self, url: str) -> Iterator["Line"]:
        """Raises AddressRefused for what is no address; one that may not be sent to is an answer of the line."""
        where = _parsed(url)
        checked = _Checked(plain=where.scheme == b"http", networks=self._networks, resolve=self._resolve)
        with httpcore.ConnectionPool(
            ssl_context=self._tls, max_connections=1, http2=False, network_backend=checked
        ) as pool:
            yield Line(pool, where, checked)


class Line:
    """A connection that is kept while one thing after the other is sent to the same address."""

    def __init__(self, pool: httpcore.ConnectionPool, where: httpcore.URL, checked: "_Checked") -> None:
        self._pool, self._where, self._checked = pool, where, checked

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends it once."""
        began = time.monotonic()
        self._checked.until = began + WHOLE_S
        try:
            status = self._posted(headers, body)
        except AddressRefused as error:
            return Answer(trouble=error.errors[0].message, took_s=time.monotonic() - began)
        except httpcore.TimeoutException:
            return Answer(trouble=f"did not answer within {WHOLE_S:g} s", took_s=time.monotonic() - began)
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Answer(trouble=f"cannot be reached: {str(error)[:200]}", took_s=time.monotonic() - began)
        return Answer(status=status, took_s=time.monotonic() - began)

    def _posted(self, headers: Mapping[str, str], body: bytes) -> int:
        timeouts = {"connect": CONNECT_S, "read": WHOLE_S, "write": WHOLE_S, "pool": WHOLE_S}
        named = [(name.encode(), value.encode()) for name, value in headers.items()]
        with self._pool.stream(
            "POST", self._where, headers=named, content=body, extensions={"timeout": timeouts}
        ) as answer:
            read = 0
            for part in answer.iter_stream():
                read += len(part)
                if read > READ_BYTES:
                    break
            return answer.status


class _Checked(httpcore.NetworkBackend):
    """Connects to the very address that it has checked, and gives no peer more time than there is."""

    def __init__(self, *, plain: bool, networks: Sequence[Network], resolve: Resolve) -> None:
        self._plain, self._networks, self._resolve = plain, networks, resolve
        self._system = httpcore.SyncBackend()
        self.until = 0.0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = addresses.permitted(host, port, plain=self._plain, networks=self._networks, resolve=self._resolve)
        trouble: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in found:
            try:
                stream = self._system.connect_tcp(
                    str(address), port, timeout=min(timeout or CONNECT_S, self.left()), socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
            else:
                return _Timed(stream, self)
        assert trouble is not None
        raise trouble

    def left(self) -> float:
        """Seconds. Raises ReadTimeout when there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class _Timed(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, checked: _Checked) -> None:
        self._stream, self._checked = stream, checked

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._checked.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._checked.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._checked.left()), self._checked)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _parsed(url: str) -> httpcore.URL:
    try:
        found = httpx.URL(url)
        whole = found.scheme in ("http", "https") and bool(found.host)  # a host is decoded when it is read
    except (httpx.InvalidURL, ValueError) as error:
        raise addresses.refused(f"is no address ({error})") from None
    if not whole:
        raise addresses.refused("is no address")
    return httpcore.URL(
        scheme=found.raw_scheme,
        host=found.raw_host,
        port=found.port or {"http": 80, "https": 443}[found.scheme],
        target=found.raw_path,
    )
