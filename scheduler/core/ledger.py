"""The double entry of the ledger: between which two balances each kind of entry moves GPU-seconds, and what they are then.

`source` is the programme itself, which has no balance: what came out of it is what was granted. So whatever is moved,
granted = available + committed + spent + expired.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scheduler.core.model import Instant

Kind = Literal["grant", "commit", "settle", "refund", "adjust", "expire"]
Name = Literal["source", "available", "committed", "spent", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`[begins_at, ends_at)` of a budget."""

    begins_at: Instant
    ends_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """GPU-seconds: free to commit, promised and not settled yet, had, and no longer to be had."""

    available: int = 0
    committed: int = 0
    spent: int = 0
    expired: int = 0

    @property
    def granted(self) -> int:
        """What came out of the source."""
        return self.available + self.committed + self.spent + self.expired

    @property
    def lowest(self) -> int:
        return min(self.available, self.committed, self.spent, self.expired)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """GPU-seconds, never negative, taken from `debit` and given to `credit`."""

    debit: Name
    credit: Name
    gpu_seconds: int


_WAYS: Mapping[Kind, tuple[Name, Name]] = {
    "grant": ("source", "available"),
    "commit": ("available", "committed"),
    "settle": ("committed", "spent"),
    "refund": ("committed", "available"),
    "adjust": ("source", "available"),
    "expire": ("available", "expired"),
}
_UNLIMITED: Mapping[Kind, tuple[Name, Name]] = {
    **_WAYS,
    "commit": ("source", "committed"),
    "refund": ("committed", "source"),
}


def transfer(kind: Kind, gpu_seconds: int, *, limited: bool) -> Transfer:
    """What an entry of that kind moves. A grant or an adjustment may be negative, and goes back to the source.

    Where nothing is `limited` there is nothing to run out of: what is committed comes straight out of the source, and
    what is refunded goes back there. Raises ValueError for a negative amount of another kind.
    """
    debit, credit = (_WAYS if limited else _UNLIMITED)[kind]
    if gpu_seconds >= 0:
        return Transfer(debit=debit, credit=credit, gpu_seconds=gpu_seconds)
    if kind not in ("grant", "adjust"):
        raise ValueError(f"{kind} of {gpu_seconds} GPU-seconds: only a grant or an adjustment is negative")
    return Transfer(debit=credit, credit=debit, gpu_seconds=-gpu_seconds)


def moved(balances: Balances, found: Transfer) -> Balances:
    """The balances after it; one that it takes too much of is negative."""

    def gained(name: Name) -> int:
        return found.gpu_seconds * ((found.credit == name) - (found.debit == name))

    return Balances(
        available=balances.available + gained("available"),
        committed=balances.committed + gained("committed"),
        spent=balances.spent + gained("spent"),
        expired=balances.expired + gained("expired"),
    )
