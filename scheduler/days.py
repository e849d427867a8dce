"""Days of the programme's zone: each from its first second to the next one's, 23 to 25 hours where the clocks change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler.core.model import Instant
from scheduler.periods import midnight

_ONE = timedelta(days=1)
_NOON = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """`[begins_at, ends_at)`."""

    day: date
    begins_at: Instant
    ends_at: Instant


def of(at: float, zone: ZoneInfo) -> date:
    """The day in which an instant is."""
    return datetime.fromtimestamp(at, zone).date()


def begun(began_at: datetime, zone: ZoneInfo) -> date:
    """The day that began at about that instant: the one that most of the 24 hours after it are of."""
    return (began_at + _NOON).astimezone(zone).date()


def days(since: date, until: date, zone: ZoneInfo) -> Iterator[Day]:
    """Those of `[since, until)`."""
    begins_at = midnight(since, zone)
    while since < until:
        since += _ONE
        ends_at = midnight(since, zone)
        yield Day(day=since - _ONE, begins_at=begins_at, ends_at=ends_at)
        begins_at = ends_at


def meeting(since: int, until: int, zone: ZoneInfo) -> list[Day]:
    """Those that meet `[since, until)`."""
    if since >= until:
        return []
    return list(days(of(since, zone), of(until - 1, zone) + _ONE, zone))


def midnights(at: float, zone: ZoneInfo) -> list[Instant]:
    """When yesterday, today and each of the next seven days begin."""
    today = of(at, zone)
    return [found.begins_at for found in days(today - _ONE, today + 8 * _ONE, zone)]
