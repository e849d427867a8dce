"""Clients that ask one thing after another and take the time of each: what drives every measure.

A client is a plain HTTP connection that is kept open, so that the figures are the server's and not a client library's.
"""

import http.client
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar
from urllib.parse import urlsplit

from bench.figures import Timed

T = TypeVar("T")
Lane = Iterator[Callable[[], object]]
"""One client: each item is made ready outside the time taken, and called inside of it."""

TIMEOUT_S = 30.0
WARM_S = 0.5


class Unexpected(Exception):
    """An answer that makes the measure worthless; the text is the request and the answer."""


class Connection:
    """One kept-open connection to `server`; not for two threads at once."""

    def __init__(self, server: str, token: str | None = None) -> None:
        self._http = http.client.HTTPConnection(urlsplit(server).netloc, timeout=TIMEOUT_S)
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def get(self, path: str) -> bytes:
        """Raises Unexpected unless it is answered 200."""
        return self._send("GET", path, None, {}, 200)

    def post(self, path: str, body: bytes, *, status: int, headers: Mapping[str, str] | None = None) -> bytes:
        """Raises Unexpected unless it is answered `status`."""
        return self._send("POST", path, body, {"Content-Type": "application/json", **(headers or {})}, status)

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], status: int) -> bytes:
        self._http.request(method, path, body, {**self._headers, **headers})
        answer = self._http.getresponse()
        found = answer.read()
        if answer.status != status:
            raise Unexpected(f"{method} {path} was answered {answer.status}: {found[:500].decode(errors='replace')}")
        return found


@contextmanager
def threads(count: int) -> Iterator[tuple[ThreadPoolExecutor, Event]]:
    """So many threads, and the event that tells them to stop: set, and waited for, however the `with` is left."""
    stop = Event()
    with ThreadPoolExecutor(count) as pool:
        try:
            yield pool, stop
        finally:
            stop.set()


def drive(lanes: Sequence[Lane], *, seconds: float) -> Timed:
    """All lanes at once for so many seconds, after a moment of warming up. Raises what a lane raises."""
    with threads(len(lanes)) as (pool, stop):
        _all(pool, lanes, time.perf_counter() + WARM_S, stop)
        began = time.perf_counter()
        each_s = _all(pool, lanes, began + seconds, stop)
        return Timed(each_ms=[one * 1000 for one in each_s], wall_s=time.perf_counter() - began)


def finish(lanes: Sequence[Lane]) -> Timed:
    """All lanes at once until each has come to its end. Raises what a lane raises."""
    with threads(len(lanes)) as (pool, stop):
        began = time.perf_counter()
        each_s = _all(pool, lanes, math.inf, stop)
        return Timed(each_ms=[one * 1000 for one in each_s], wall_s=time.perf_counter() - began)


def _all(pool: ThreadPoolExecutor, lanes: Sequence[Lane], until: float, stop: Event) -> list[float]:
    running = [pool.submit(_one, lane, until, stop) for lane in lanes]
    return [took for found in running for took in found.result()]


def took(call: Callable[[], T]) -> tuple[T, float]:
    """What one call answers, and how many seconds it took."""
    began = time.perf_counter()
    found = call()
    return found, time.perf_counter() - began


def _one(lane: Lane, until: float, stop: Event) -> list[float]:
    found: list[float] = []
    for call in lane:
        found.append(took(call)[1])
        if time.perf_counter() >= until or stop.is_set():
            break
    return found
