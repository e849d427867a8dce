"""The periods of a budget: weeks and months of the programme's zone, or one term from a day to another.

Periods begin at midnight there, whatever the zone's clocks do that night: a week with a change of clocks is an hour
shorter or longer, and its budget is the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from scheduler.core.ledger import Period
from scheduler.core.model import Instant
from scheduler.core.quota import FOR_EVER

Kind = Literal["week", "month", "term"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`gpu_seconds` for each period of that kind; a term lasts from `begins_at` to `ends_at`, and others have neither.

    With `carries_over`, what a period leaves is added to the next one.
    """

    gpu_seconds: int
    kind: Kind
    zone: str = "UTC"
    begins_at: Instant | None = None
    ends_at: Instant | None = None
    carries_over: bool = False


def periods(budget: Budget, since: int, until: int) -> Iterator[tuple[Period, int]]:
    """Those that meet `[since, until)`, in order and without holes, each with its GPU-seconds.

    Before and after a term there is nothing to be had.
    """
    if budget.kind == "term":
        assert budget.begins_at is not None
        assert budget.ends_at is not None
        edges = (0, budget.begins_at, budget.ends_at, FOR_EVER)
        for (begin, end), amount in zip(pairwise(edges), (0, budget.gpu_seconds, 0), strict=True):
            if begin < end and begin < until and since < end:
                yield Period(begins_at=Instant(begin), ends_at=Instant(end)), amount
        return
    zone = ZoneInfo(budget.zone)
    day = _first_day(budget.kind, datetime.fromtimestamp(since, zone).date())
    while (begin := midnight(day, zone)) < until:
        day = _next(budget.kind, day)
        yield Period(begins_at=begin, ends_at=midnight(day, zone)), budget.gpu_seconds


def _first_day(kind: Kind, day: date) -> date:
    return day.replace(day=1) if kind == "month" else day - timedelta(days=day.weekday())


def _next(kind: Kind, day: date) -> date:
    if kind == "week":
        return day + timedelta(days=7)
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def midnight(day: date, zone: ZoneInfo) -> Instant:
    """The first instant of the day, also where its clocks skip midnight."""
    found = datetime.combine(day, time(), zone)
    return Instant(int(found.timestamp()))
