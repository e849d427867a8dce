"""The policy as people read it: what two versions say differently, what a change did, and the history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from dure import wire
from dure.policy_keys import NONE, POOL, PROGRAMME, Key, of_field, show_field
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
        rows=lambda _: _by_key(found),
        view=view,
        loose=("WHAT",),
    )


def _shortly(found: Sequence[wire.PolicyDifference]) -> Iterator[str]:
    changes = list(_by_key(found))
    for what, was, now in changes[:SHOWN]:
        yield f"{what} {now} (was {was})"
    if len(changes) > SHOWN:
        yield f"{len(changes) - SHOWN} more"


def _by_key(found: Sequence[wire.PolicyDifference]) -> Iterator[tuple[str, str, str]]:
    """The keys of the file that say something else, by their paths, with what is written there before and after."""
    keys = dict[str, Key]()
    before, after = dict[str, dict[str, int | str | None]](), dict[str, dict[str, int | str | None]]()
    for one in found:
        place, _, field = one.where.rpartition(".")
        key = of_field(POOL if place.startswith("pools.") else PROGRAMME, field)
        path = f"{place}.{key.name}"
        keys[path] = key
        before.setdefault(path, {})[field], after.setdefault(path, {})[field] = one.before, one.after
    for path, key in keys.items():
        yield path, _written(key, before[path]), _written(key, after[path])


def _written(key: Key, values: Mapping[str, int | str | None]) -> str:
    """As in the file; where a key says two things of which one stays, the other one alone."""
    if None in values.values():
        return NONE
    if len(values) == len(key.fields):
        return key.write(*(values[field] for field in key.fields))
    return " ".join(show_field(field, value) for field, value in values.items())
