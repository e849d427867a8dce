"""The policy as people read it: what two versions say differently, what a change did, and the history."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.policy_keys import NONE, show_amount, show_part
from dure.render.maintenance import touched
from dure.render.view import View, facts, table, timed

SHOWN = 3
"""Of a version's changes, as many are in the history's line."""


def checked(found: wire.PolicyCompared, view: View) -> RenderableType:
    """A file that is right, and what it would change where that was looked at."""
    if found.before is None:
        return Text(f"{found.file} is right, as far as the file alone says; its pools were not looked at", style="bold")
    head = Text(f"{found.file} is right", style="bold")
    return Group(head, _changes(found.changes, view, none=f"version {found.before}, which is live, says the same"))


def compared(found: wire.PolicyCompared, view: View) -> RenderableType:
    """What two policies say differently."""
    other = f"version {found.after}" if found.file is None else found.file
    return _changes(found.changes, view, none=f"version {found.before} and {other} say the same")


def applied(found: wire.PolicyApplied, view: View, *, dry_run: bool) -> RenderableType:
    """What became of a policy that was put, and whom it touches."""
    if found.already:
        return Text(f"version {found.version} says all of that already: nothing was changed", style="bold")
    head = f"dry run: it would be version {found.version}" if dry_run else f"version {found.version} is live"
    next_ = [] if dry_run else [("next", f"in the file, say version: {found.version}")]
    lines = [*touched(found.moved, found.pulled, view, would=dry_run), *next_]
    return Group(Text(head, style="bold"), _changes(found.changes, view), facts(lines))


def versions(found: Iterable[wire.PolicyVersion], view: View) -> RenderableType:
    """Newest first."""
    shown = list(found)
    made = table(
        *("VERSION", "AT", "WHO", "WHY", "CHANGED"),
        rows=lambda view: [
            (
                str(one.version),
                view.short(one.at),
                one.actor,
                one.reason or view.none,
                ", ".join(_shortly(one.changes)) or view.none,
            )
            for one in shown
        ],
        view=view,
        right=("VERSION",),
        loose=("WHY", "CHANGED"),
        drop=("WHO",),
    )
    return timed(made, view)


def _changes(found: Sequence[wire.PolicyDifference], view: View, none: str = "") -> RenderableType:
    if not found:
        return Text(none)
    return table(
        *("WHAT", "WAS", "IS"),
        rows=lambda _: [(_what(one), _said(one, one.before), _said(one, one.after)) for one in found],
        view=view,
        loose=("WHAT",),
    )


def _shortly(found: Sequence[wire.PolicyDifference]) -> Iterator[str]:
    for one in found[:SHOWN]:
        yield f"{_what(one)} {_said(one, one.after)} (was {_said(one, one.before)})"
    if len(found) > SHOWN:
        yield f"{len(found) - SHOWN} more"


def _what(one: wire.PolicyDifference) -> str:
    """Without the unit, which the value has."""
    where, _, field = one.where.rpartition(".")
    for unit in ("_s", "_ppm", "_bytes"):
        field = field.removesuffix(unit)
    return f"{where}.{field}"


def _said(one: wire.PolicyDifference, value: int | str | None) -> str:
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    match one.where.rpartition("_")[2]:
        case "s":
            return times.show_duration(value)
        case "ppm":
            return show_part(value)
        case "bytes":
            return show_amount(value)
        case _:
            return str(value)
