"""Secrets that were admitted lately, by their hashes: what comes with one of these is worth work before it is looked up.

It decides nothing but how much is done for whom before their secret is looked up, which happens all the same.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

KEPT_S = 600.0
MOST = 8192
"""The ones that were not seen for the longest go first."""


class Admitted:
    """Used in the event loop alone."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, secret: str) -> bool:
        return self._until.get(_hash(secret), 0.0) > self._monotonic()

    def add(self, secret: str) -> None:
        """Of a request that was served."""
        key = _hash(secret)
        self._until.pop(key, None)
        self._until[key] = self._monotonic() + KEPT_S
        if len(self._until) > MOST:
            self._until.popitem(last=False)

    def discard(self, secret: str) -> None:
        """Of one that may not do this any more."""
        self._until.pop(_hash(secret), None)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode(errors="surrogateescape")).digest()
