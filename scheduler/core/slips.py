"""How a promise got later, or was lost, because capacity was; by what a company was told of it, in order."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from scheduler.core.model import Instant

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[T]):
    """Something that happened to a lease, and its promise afterwards; None while it had none."""

    promised_start: Instant | None
    what: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip(Generic[T]):
    """The promise got later by `what`; `after` is None where it was lost and none was given since."""

    before: Instant
    after: Instant | None
    what: T


def slips(told: Iterable[Told[T]]) -> tuple[Slip[T], ...]:
    """Those that still hold, oldest first: what was given back since is no slip any more.

    So the first promise is the first slip's `before`, and the last slip's `after` is the promise now.
    """
    found: list[Slip[T]] = []
    promise: Instant | None = None
    for one in told:
        now = one.promised_start
        if promise is not None and (now is None or now > promise):
            found.append(Slip(before=promise, after=now, what=one.what))
        elif now is not None:
            found = [_since(slip, now) for slip in found if slip.before < now]
        promise = now
    return tuple(found)


def _since(slip: Slip[T], now: Instant) -> Slip[T]:
    """The slip once the promise is `now`, which is not before it was."""
    return replace(slip, after=now if slip.after is None else Instant(min(slip.after, now)))
