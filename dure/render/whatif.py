"""What would be different."""

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts, table, timed

_STYLES = {"earlier": "green", "granted": "green", "later": "yellow", "lost": "red"}


def answer(found: wire.WhatIfAnswer, view: View) -> RenderableType:
    """In a sentence, then a lease a line."""
    rows = [("pool", f"{found.pool}, from generation {found.generation}"), ("time", _time(found, view))]
    if found.struck:
        rows.append(("struck", f"{', '.join(found.struck)}: on a node that would be gone"))
    if found.unlike:
        rows.append(("differ", f"with nothing changed: {', '.join(found.unlike[:5])}"))
    head = Text(found.summary, style="bold")
    if not found.differences:
        return Group(head, facts(rows))
    made = table(
        *("LEASE", "COMPANY", "GPUS", "WOULD BE", "BY", "PROMISED", "WOULD BE ", "STARTS", "WOULD START"),
        rows=lambda view: [_line(one, view) for one in found.differences],
        view=view,
        right=("GPUS",),
        drop=("GPUS", "COMPANY"),
    )
    more = [Text(f"and {found.more} more")] if found.more else []
    return Group(head, facts(rows), timed(made, view), *more)


def _time(found: wire.WhatIfAnswer, view: View) -> str:
    if found.since is None:
        return f"now, {times.show_instant(found.until, view.zone)}"
    said = f"{times.show_instant(found.since, view.zone)} to {times.show_instant(found.until, view.zone)}"
    return said if found.complete else f"{said}; there was no time for more, go on with --since there"


def _line(one: wire.Difference, view: View) -> tuple[str | Text, ...]:
    return (
        one.lease,
        one.company,
        str(one.gpus),
        Text(one.change, style=_STYLES.get(one.change, "")),
        view.none if one.by_s is None else times.show_duration(abs(one.by_s)),
        view.short(one.before.promised_start),
        view.short(one.after.promised_start),
        view.short(one.before.estimated_start),
        view.short(one.after.estimated_start),
    )
