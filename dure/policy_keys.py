"""The keys of a policy file: what each is called, how a person writes it, and which fields of the policy it says.

A key that comes to the policy is one more line here, and a field of `dure.wire.PoolPolicy`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dure import times

NONE = "none"

_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%", re.ASCII)
_BYTES = re.compile(r"([0-9]{1,13})(B|KiB|MiB|GiB)", re.ASCII)
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`read` makes the fields' values of what was written, or raises ValueError; `write` is the other way round, exactly.

    `takes` says to a person what may be written.
    """

    name: str
    fields: tuple[str, ...]
    read: Callable[[str], tuple[Any, ...]]
    write: Callable[..., str]
    takes: str

    @property
    def option(self) -> str:
        """What says it on the command line."""
        return f"--{self.name.replace('_', '-')}"


def duration(text: str) -> int:
    """Seconds."""
    return times.parse_duration(text)


def part(text: str) -> int:
    """Millionths of a percentage with at most four decimals."""
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * 10_000 + int((found[2] or "").ljust(4, "0"))


def show_part(ppm: int) -> str:
    """`50000` as `5%`: exact, as `part` reads it."""
    return f"{(Decimal(ppm) / 10_000).normalize():f}%"


def amount(text: str) -> int:
    """Bytes."""
    found = _BYTES.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _UNITS[found[2]]


def show_amount(found: int) -> str:
    """In the largest unit that it is a whole number of."""
    unit = next(unit for unit, size in _UNITS.items() if found % size == 0 and (found or unit == "MiB"))
    return f"{found // _UNITS[unit]}{unit}"


def _reserve(text: str) -> tuple[int, int]:
    if text == NONE:
        return 0, 0
    share, colon, over = text.partition(":")
    if not colon:
        raise ValueError(text)
    return part(share), duration(over)


def _show_reserve(ppm: int, over_s: int) -> str:
    return NONE if (ppm, over_s) == (0, 0) else f"{show_part(ppm)}:{times.show_duration(over_s)}"


def _show_part_or_none(ppm: int) -> str:
    return show_part(ppm) if ppm else NONE


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise ValueError(text)
    return int(text)


def _show_duration_or_none(seconds: int | None) -> str:
    return NONE if seconds is None else times.show_duration(seconds)


def _seconds(name: str, takes: str) -> Key:
    return Key(
        name=name, fields=(f"{name}_s",), read=lambda text: (duration(text),), write=times.show_duration, takes=takes
    )


def _seconds_or_none(name: str, takes: str) -> Key:
    return Key(
        name=name,
        fields=(f"{name}_s",),
        read=lambda text: (None if text == NONE else duration(text),),
        write=_show_duration_or_none,
        takes=takes,
    )


def _idle(name: str, example: str) -> tuple[Key, Key]:
    return (
        _seconds_or_none(f"{name}_after", "from 20m to 7d, for example 2h, or none"),
        Key(
            name=f"{name}_below",
            fields=(f"{name}_below_ppm",),
            read=lambda text: (part(text),),
            write=show_part,
            takes=f"from 0.0001% to 100%, for example {example}",
        ),
    )


def _word(name: str, takes: str) -> Key:
    return Key(name=name, fields=(name,), read=lambda text: (text,), write=str, takes=takes)


PROGRAMME = (_word("zone", "an IANA zone, for example Asia/Seoul"),)

POOL = (
    _word("rule", "late-slots, earliest-slot or only-earlier"),
    Key(
        name="slack",
        fields=("slack_ppm",),
        read=lambda text: (part(text),),
        write=show_part,
        takes="from 0% to 200%, for example 5%",
    ),
    Key(
        name="reserve",
        fields=("reserve_ppm", "reserve_over_s"),
        read=_reserve,
        write=_show_reserve,
        takes="from 0% to less than 100%, for leases longer than 0s to 60d, for example 2%:1h, or none",
    ),
    Key(
        name="walk_in",
        fields=("walk_in_ppm",),
        read=lambda text: (0 if text == NONE else part(text),),
        write=_show_part_or_none,
        takes="from 0% to 100%, for example 20%, or none",
    ),
    _seconds("walk_in_within", "from 1m to 7d, for example 1h"),
    _seconds_or_none("seniority", "from 0s to 60d, for example 6h, or none"),
    _seconds("gap", "from 1s to 1d, for example 30s"),
    _seconds("grace", "from 0s to 1h, for example 30s"),
    _seconds("extension_closes", "from 0s to 1d, for example 10m"),
    _seconds("renews_before", "from 1m to 1d, for example 30m"),
    _seconds("loss_grace", "from 0s to 1d, for example 5m"),
    _seconds_or_none("no_show_after", "from 1m to 1d, for example 30m, or none"),
    Key(
        name="keeps",
        fields=("keeps",),
        read=lambda text: (_count(text),),
        write=str,
        takes="a whole number from 0 to 10, for example 2",
    ),
    *_idle("idle", "5%"),
    *_idle("inference_idle", "1%"),
    _word("violations", "observe or end"),
    _word("contended", "none, booked or always"),
    Key(
        name="contended_over",
        fields=("contended_ppm",),
        read=lambda text: (part(text),),
        write=show_part,
        takes="from 0% to 100%, for example 90%",
    ),
    _seconds("half_life", "from 1m to 3650d, for example 7d"),
    _seconds("entry", "from 0s to 60d, for example 1h"),
    Key(
        name="spot",
        fields=("spot_least_s",),
        read=lambda text: (None if text == NONE else duration(text),),
        write=_show_duration_or_none,
        takes="from 1m to 1d, for example 10m, or none",
    ),
    Key(
        name="empty_memory",
        fields=("empty_memory_bytes",),
        read=lambda text: (amount(text),),
        write=show_amount,
        takes="from 0MiB to 1024GiB, for example 1GiB",
    ),
)


def of_field(keys: tuple[Key, ...], field: str) -> Key:
    """The key that says a field. Each is said by one."""
    return next(key for key in keys if field in key.fields)


def show_field(field: str, value: int | str | None) -> str:
    """One field of a key that says several."""
    return show_part(int(value or 0)) if field.endswith("_ppm") else f"over {times.show_duration(int(value or 0))}"
