"""The audit log as a table: one act a row, with what it changed."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from rich.console import RenderableType
from rich.text import Text

from dure import wire
from dure.render.view import View, table, timed


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
                ", ".join(_changed(one)) or view.none,
                one.reason or view.none,
            )
            for one in shown
        ],
        view=view,
        loose=("CHANGED", "WHY"),
        drop=("WHO",),
    )
    return timed(made, view)


def _changed(one: wire.AuditEntry) -> Iterator[str]:
    """What is other than before; of something new all that was said."""
    before, after = one.before or {}, one.after or {}
    for name, value in after.items():
        if value is not None and before.get(name) != value:
            was = f" (was {_plain(before[name])})" if name in before else ""
            yield f"{name} {_plain(value)}{was}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return " ".join(f"{name} {_plain(one)}" for name, one in parts.items() if one is not None)
    return str(value)
