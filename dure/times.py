"""People's times and durations, read and written. Pure: `now` and the zone are arguments, no clock is read here.

A time is read in the person's zone and becomes UTC in whole seconds. A local time that the clocks skip or pass twice is
refused with a sentence that says what to write instead; nothing is guessed.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

EXAMPLES = "now, +1h30m, -10m, today 18:00, tomorrow 09:00, fri 09:00, 2026-11-24 09:00, 2026-11-24T09:00:00+09:00"

DAYS = "2026-11-24, today or yesterday"

_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST_S = 3_650 * 86_400
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS), re.ASCII)
_MEANT_PART = re.compile(
    r"([0-9]{1,9}(?:[.,][0-9]{1,9})?)(w(?:eeks?)?|d(?:ays?)?|h(?:rs?|ours?)?|m(?:ins?|inutes?)?|s(?:ecs?|econds?)?)",
    re.ASCII,
)
_MEANT = re.compile(rf"(?:{_MEANT_PART.pattern})+", re.ASCII)
_LONGEST_MEANT = 100
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = rf"today|tomorrow|yesterday|{'|'.join(f'{day[:3]}(?:{day[3:]})?' for day in _DAYS)}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
_LOCAL = re.compile(rf"(?P<day>{_DAY})(?:(?: +(?:at +)?|t)(?P<clock>{_CLOCK}))?", re.ASCII)
_ABSOLUTE = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?: +|t){_CLOCK} *(?:z|[+-][0-9]{{2}}:?[0-9]{{2}})", re.ASCII)


class TimeError(ValueError):
    """A time or duration that cannot be read; the text says why and what to write."""


def parse_duration(text: str) -> int:
    """Whole seconds of `90s`, `30m`, `2h30m`, `1d` or `2w`. Raises TimeError."""
    cleaned = text.strip().lower().replace(" ", "")
    found = _DURATION.fullmatch(cleaned)
    if not cleaned or found is None:
        raise TimeError(f"{text!r} is no duration{_instead(cleaned)}")
    seconds = sum(int(count or 0) * size for count, size in zip(found.groups(), _UNITS.values(), strict=True))
    if seconds > _LONGEST_S:
        raise TimeError(f"{text!r} is longer than anything here lasts, 3650d")
    return seconds


def _instead(text: str) -> str:
    """What to write; as near to what was written as can be told."""
    meant = _meant_s(text)
    if meant is not None:
        return (
            f": numbers are whole, and the units w, d, h, m and s go from large to small; write {show_duration(meant)}"
        )
    hint = f": {text} of what? write {text}m or {text}h" if text.isdecimal() else ""
    return f"{hint}; write for example 90s, 30m, 2h30m or 1d"


def _meant_s(text: str) -> int | None:
    """Of `1.5h`, `30m2h` or `2hours`."""
    if len(text) > _LONGEST_MEANT or not _MEANT.fullmatch(text):
        return None
    parts = [(Fraction(count.replace(",", ".")), unit) for count, unit in _MEANT_PART.findall(text)]
    seconds = round(sum(count * _UNITS[unit[0]] for count, unit in parts))
    return seconds if 0 < seconds <= _LONGEST_S else None


def parse_instant(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant meant, in UTC and whole seconds, read at `now` in `zone`. A day without a time is its first second.

    Raises TimeError, also for a local time that does not exist in the zone or happens twice.
    """
    cleaned = re.sub(r"\s+", " ", text.strip().lower())
    try:
        if cleaned == "now":
            return _whole(now)
        if cleaned[:1] in ("+", "-"):
            return _whole(now) + parse_duration(cleaned[1:]) * timedelta(seconds=1 if cleaned[0] == "+" else -1)
        if _ABSOLUTE.fullmatch(cleaned):
            return _absolute(cleaned)
        if found := _LOCAL.fullmatch(cleaned):
            return _on_day(found["day"], found["clock"], text, now.astimezone(zone), zone)
    except TimeError:
        raise
    except (ValueError, OverflowError) as error:
        raise TimeError(f"{text!r} is no time: {error}; write for example {EXAMPLES}") from None
    if re.fullmatch(_CLOCK, cleaned):
        raise TimeError(_without_day(text, cleaned))
    raise TimeError(f"{text!r} is no time; write for example {EXAMPLES}")


def _without_day(text: str, clock: str) -> str:
    try:
        _time_of(clock)
    except ValueError as error:
        return f"{text!r} is no time: {error}; write for example {EXAMPLES}"
    return f"{text!r} does not say the day: write today {clock} or tomorrow {clock}"


def parse_day(text: str, *, now: datetime, zone: ZoneInfo) -> date:
    """The day of `2026-11-24`, `today`, `yesterday` or `tomorrow`. Raises TimeError."""
    cleaned = text.strip().lower()
    if cleaned in ("today", "yesterday", "tomorrow") or _ISO_DAY.fullmatch(cleaned):
        try:
            return _date(cleaned, now.astimezone(zone).date())
        except ValueError as error:
            raise TimeError(f"{text!r} is no day: {error}; write for example {DAYS}") from None
    raise TimeError(f"{text!r} is no day; write for example {DAYS}")


def show_duration(seconds: int) -> str:
    """`9000` as `2h30m`: exact, as `parse_duration` reads it."""
    sign, rest, parts = "-" if seconds < 0 else "", abs(seconds), ""
    for unit, size in _UNITS.items():
        if unit != "w" and rest >= size:
            count, rest = divmod(rest, size)
            parts += f"{count}{unit}"
    return sign + (parts or "0s")


def show_instant(instant: datetime, zone: ZoneInfo) -> str:
    """In the person's zone with UTC beside it: `Tue 2026-11-24 18:00 KST (09:00 UTC)`. Seconds only where there are some."""
    local, utc = instant.astimezone(zone), instant.astimezone(UTC)
    here = f"{local:%a %Y-%m-%d} {_clock(local)} {local.tzname()}"
    if local.utcoffset() == timedelta(0):
        return here
    day = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    return f"{here} ({day}{_clock(utc)} UTC)"


def show_short(instant: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """For a column of a table whose caption names the zone: `24 Nov 18:00`, with the year where it is not this one."""
    local, today = instant.astimezone(zone), now.astimezone(zone)
    year = "" if local.year == today.year else f" {local.year}"
    offset = "" if local.utcoffset() == today.utcoffset() else f" {local.tzname()}"
    return f"{local.day} {local:%b}{year} {_clock(local)}{offset}"


def show_span(seconds: int) -> str:
    """`3d2h` of 266,400 and some: at most the two largest units, rounded down."""
    return "".join(re.findall(r"[0-9]+[a-z]", show_duration(seconds))[:2])


def show_distance(instant: datetime, now: datetime) -> str:
    """`in 5m10s` or `3d2h ago`: at most the two largest units, rounded down."""
    seconds = int((instant - now).total_seconds())
    span = show_span(abs(seconds))
    if abs(seconds) < 1:
        return "now"
    return f"in {span}" if seconds > 0 else f"{span} ago"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _absolute(text: str) -> datetime:
    day, _, rest = text.replace("t", " ", 1).partition(" ")
    found = re.fullmatch(rf"({_CLOCK}) *(.*)", rest.strip())
    clock, offset = (found[1], found[2]) if found else (rest, "")
    return datetime.fromisoformat(f"{day}T{_time_of(clock).isoformat()}{offset.upper()}").astimezone(UTC)


def _time_of(clock: str) -> time:
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return time(hour, minute, second[0] if second else 0)


def _on_day(day: str, clock: str | None, text: str, now: datetime, zone: ZoneInfo) -> datetime:
    when = _time_of(clock) if clock else None
    if day[:3] not in [name[:3] for name in _DAYS]:
        return _local(_date(day, now.date()), when, text, zone)
    ahead = ([name[:3] for name in _DAYS].index(day[:3]) - now.weekday()) % 7
    if ahead == 0 and (when is None or when <= now.time()):
        ahead = 7
    return _local(now.date() + timedelta(days=ahead), when, text, zone)


def _date(day: str, today: date) -> date:
    away = {"yesterday": -1, "today": 0, "tomorrow": 1}
    return today + timedelta(days=away[day]) if day in away else date.fromisoformat(day)


def _local(day: date, when: time | None, text: str, zone: ZoneInfo) -> datetime:
    naive = datetime.combine(day, when or time())
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    if when is None or before == after or before is None or after is None:
        return first.astimezone(UTC)
    if before < after:
        earlier, later = second.astimezone(UTC).astimezone(zone), first.astimezone(UTC).astimezone(zone)
        raise TimeError(
            f"{text!r} does not exist in {zone.key}: the clocks skip it when they go forward; "
            f'write "{earlier:%Y-%m-%d %H:%M}" or "{later:%Y-%m-%d %H:%M}"'
        )
    raise TimeError(
        f"{text!r} happens twice in {zone.key}, when the clocks go back: write {first.isoformat()} for the first "
        f"({_clock(first.astimezone(UTC))} UTC) or {second.isoformat()} for the second ({_clock(second.astimezone(UTC))} UTC)"
    )
