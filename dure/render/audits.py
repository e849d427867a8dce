"""The audit log as a table: one act a row, with what it changed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from rich.console import RenderableType
from rich.text import Text

from dure import quota_words, times, wire
from dure.render.view import View, table, timed

Values = Mapping[str, Any]

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")


def audit(found: Iterable[wire.AuditEntry], view: View) -> RenderableType:
    """Newest first."""
    shown = list(found)
    if not shown:
        return Text("nothing was done, or nothing like that")
    made = table(
        *("AT", "WHO", "ACTION", "SUBJECT", "CHANGED", "WHY"),
        rows=lambda view: [
            (
                view.short(one.at),
                one.actor,
                one.action,
                one.subject,
                ", ".join([*_changed(one.before or {}, one.after or {}, view), *_gone(one, view)]) or view.none,
                one.reason or view.none,
            )
            for one in shown
        ],
        view=view,
        loose=("CHANGED", "WHY"),
        drop=("WHO",),
    )
    return timed(made, view)


def _changed(before: Values, after: Values, view: View) -> Iterator[str]:
    """What is other than before; of something new all that was said. Of several things each by its id."""
    for name, value in after.items():
        was = before.get(name)
        if value == was:
            continue
        if _is_several(value) and _is_several(was):
            earlier = {one["id"]: one for one in cast("list[Values]", was)}
            for one in cast("list[Values]", value):
                said = ", ".join(_changed(earlier.get(one["id"], {}), one, view))
                yield f"{one['id']} {said or 'as it was'}"
        else:
            then = "" if was is None else f" (was {_said(name, was, view)})"
            yield f"{_label(name)} {_said(name, value, view)}{then}"


def _gone(one: wire.AuditEntry, view: View) -> Iterator[str]:
    """What it had before, and nothing is said of afterwards."""
    after = one.after or {}
    had = [
        f"{_label(name)} {_said(name, value, view)}"
        for name, value in (one.before or {}).items()
        if name not in after and value is not None
    ]
    if had:
        yield f"was {', '.join(had)}"


def _is_several(value: Any) -> bool:
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return any(found) and all(isinstance(one, dict) and "id" in one for one in found)


def _label(name: str) -> str:
    return re.sub(r"_(gpu_seconds|s|ppm|bytes|at)$", "", _OWN.get(name, name)).replace("_", " ")


_OWN = {"gpu_seconds": "amount", "carries_over": "carry over", "of_default": "default of the pool"}
"""Where a name alone is no word of a person's."""


def _said(name: str, value: Any, view: View) -> str:
    match value:
        case None:
            return "none"
        case {"gpu_seconds": int(amount), "period": str(period), **rest}:
            more = _said("", rest, view)
            return f"{quota_words.show_gpu_seconds(amount)}/{period}{more and ' '}{more}"
        case dict():
            parts = cast("dict[str, Any]", value)
            return " ".join(
                f"{_label(part)} {_said(part, one, view)}" for part, one in parts.items() if one is not None
            )
        case list():
            return " and ".join(_said(name, one, view) for one in cast("list[Any]", value))
        case str() if _INSTANT.fullmatch(value):
            return view.short(datetime.fromisoformat(value))
        case bool():
            return "yes" if value else "no"
        case int():
            return _amount(name, value, view)
        case _:
            return str(value)


def _amount(name: str, value: int, view: View) -> str:
    """A number in the unit that its name says. Older entries have times in Unix seconds."""
    if name.endswith("gpu_seconds"):
        return quota_words.say_gpu_seconds(value)
    unit = name.rpartition("_")[2]
    if unit == "at":
        return view.short(datetime.fromtimestamp(value, UTC))
    if unit == "ppm":
        return f"{value / 10_000:g}%"
    if unit == "s":
        return times.show_duration(value)
    return f"{value >> 20} MiB" if unit == "bytes" else str(value)
