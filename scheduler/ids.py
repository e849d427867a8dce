"""Ids: a prefix that says what it is, microseconds so that they sort by time, and chance so that none is guessed."""

import secrets
import threading

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_CHANCE_BITS = 48
_guard = threading.Lock()
_last = 0


def new_id(prefix: str, now: float) -> str:
    """A fresh id such as `lea_06eqz8n1hg7k2m9v4r3t`. One process's ids sort in the order they were made."""
    return _written(prefix, _tick(int(now * 1_000_000)) << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS))


def first_id(prefix: str, at: float) -> str:
    """What sorts before every id that is made from then on."""
    return _written(prefix, int(at * 1_000_000) << _CHANCE_BITS)


def _written(prefix: str, number: int) -> str:
    return f"{prefix}_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(90, -1, -10)])


def _tick(microseconds: int) -> int:
    """The time, or just after the last id where the clock has not moved on since."""
    global _last  # noqa: PLW0603 - one clock of ids in a process
    with _guard:
        behind = _last - 1_000_000 < microseconds <= _last
        _last = _last + 1 if behind else microseconds
        return _last
