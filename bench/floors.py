"""The floors: what cannot be beaten on this machine by whoever goes through the same HTTP server and the same PostgreSQL."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg

from bench.figures import Timed, median
from bench.load import Connection, Lane, drive

_ROW = "INSERT INTO bench_floor (body) VALUES (%s)"
_BODY = "x" * 200
DECODES = 2000


def healthz(server: str, *, clients: int, seconds: float) -> Timed:
    """`GET /healthz`: through the server and its middleware, and no further."""
    return drive([_healthz(Connection(server)) for _ in range(clients)], seconds=seconds)


def _healthz(connection: Connection) -> Lane:
    while True:
        yield lambda: connection.get("/healthz")


def insert(database_url: str, *, clients: int, seconds: float) -> Timed:
    """One small row inserted and committed: PostgreSQL with its fsync, and nothing of ours."""
    with ExitStack() as left:
        connections = [left.enter_context(psycopg.connect(database_url, autocommit=True)) for _ in range(clients)]
        connections[0].execute("CREATE TABLE IF NOT EXISTS bench_floor (id bigserial PRIMARY KEY, body text NOT NULL)")
        return drive([_insert(connection) for connection in connections], seconds=seconds)


def append(folder: Path, *, seconds: float) -> Timed:
    """As many bytes appended to a file, and on the disk: what no database that keeps its word can be faster than."""
    with (folder / "bench_floor").open("ab", buffering=0) as file:
        return drive([_append(file.fileno())], seconds=seconds)


def _append(file: int) -> Lane:
    def one() -> None:
        os.write(file, _BODY.encode())
        os.fdatasync(file)

    while True:
        yield one


def _insert(connection: psycopg.Connection) -> Iterator:
    while True:
        yield lambda: connection.execute(_ROW, [_BODY])


def decode_ms(text: bytes) -> float:
    """The median of `json.loads` of these bytes."""
    found: list[float] = []
    for _ in range(DECODES):
        began = time.perf_counter()
        json.loads(text)
        found.append(time.perf_counter() - began)
    return median(found) * 1000
