"""Ports for processes that listen some seconds after they were chosen, and again after they were killed.

All lie below those that the kernel gives to whoever asks for any (from 32768 on), and each pytest worker has its own, so
that nobody else takes one in between. The demo's begin where these end.
"""

import itertools
import os
from collections.abc import Iterator

from deploy.local.ports import first_free, is_free

ROWS, ROWS_A_WORKER = 20_000, 400
SINGLE, SINGLE_A_WORKER = 24_000, 500

_chosen = itertools.count(os.getpid())
"""Two runs of the tests at once begin at different places."""


def free(count: int) -> list[int]:
    """So many that differ from each other, and from those that were chosen before for as long as there are others."""
    first = SINGLE + _worker() * SINGLE_A_WORKER
    candidates = (first + next(_chosen) % SINGLE_A_WORKER for _ in range(SINGLE_A_WORKER))
    found = list(itertools.islice(filter(is_free, candidates), count))
    assert len(found) == count, f"no {count} free ports from {first} on"
    return found


def in_a_row(count: int) -> int:
    """The first of `count` that follow each other."""
    start = ROWS + _worker() * ROWS_A_WORKER
    first = first_free(_rotated(range(start, start + ROWS_A_WORKER - count, count)), count)
    assert first is not None, f"no {count} free ports in a row from {start} on"
    return first


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def _rotated(candidates: range) -> Iterator[int]:
    offset = os.getpid() % len(candidates)
    yield from [*candidates[offset:], *candidates[:offset]]
