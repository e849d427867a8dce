"""The periods of a budget: weeks and months of the programme's zone, or one term from a day to another.

Periods begin at midnight there, whatever the zone's clocks do that night: a week with a change of clocks is an hour
shorter or longer, and its budget is the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from scheduler.core.ledger import Period
from scheduler.core.model import Instant

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


def periods(budget: Budget, since: int, until: int) -> Iterator[Period]:
    """Those that meet `[since, until)`, in order and without holes; a term is one, and before and after it is none."""
    if budget.kind == "term":
        if budget.begins_at is not None and budget.ends_at is not None and since < budget.ends_at:
            yield Period(begins_at=budget.begins_at, ends_at=budget.ends_at)
        return
    zone = ZoneInfo(budget.zone)
    day = _first_day(budget.kind, datetime.fromtimestamp(since, zone).date())
    while (begin := midnight(day, zone)) < until:
        day = _next(budget.kind, day)
        yield Period(begins_at=begin, ends_at=midnight(day, zone))


def share(budget: Budget, period: Period) -> int:
    """The GPU-seconds for a period of the budget, or for a part of one: as much as it is of the whole, rounded down."""
    for whole in periods(budget, period.begins_at, period.begins_at + 1):
        return part(budget, period, whole)
    return 0


def part(budget: Budget, period: Period, whole: Period) -> int:
    """The same for a part of a period that is known."""
    return budget.gpu_seconds * (period.ends_at - period.begins_at) // (whole.ends_at - whole.begins_at)


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
