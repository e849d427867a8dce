"""What a drain does, and what is planned for a node."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts

AT_ONCE = timedelta(seconds=5)
"""A drain from now on begins when it arrived, which is after the command began."""


def drained(found: wire.Drained, view: View, *, dry_run: bool) -> RenderableType:
    """Whom a drain, or its end, touches."""
    head = "dry run: nothing was changed" if dry_run else "done"
    if found.already:
        head = "it is out of service then already: nothing was changed"
    return Group(Text(head, style="bold"), facts(list(_lines(found, view, dry_run=dry_run))))


def planned(drain: wire.Drain, view: View) -> str:
    """One drain in a line."""
    said = f"{view.full(drain.starts_at)} until {view.full(drain.ends_at)}"
    if drain.reason:
        said += f": {drain.reason}"
    if drain.empty_from is None or drain.empty_from <= drain.starts_at:
        return said
    if drain.empty_from >= drain.ends_at:
        return f"{said}; what runs on it goes on beyond that"
    return f"{said}; empty from {view.full(drain.empty_from)}, when what runs on it is over"


def shortly(drain: wire.Drain, view: View) -> str:
    """The same for a column."""
    begun = drain.starts_at <= view.now
    return f"until {view.short(drain.ends_at)}" if begun else f"from {view.short(drain.starts_at)}"


def out(drain: wire.Drain, view: View) -> str:
    """Whether a node is out of service or will be, in a word."""
    return "drained" if drain.starts_at <= view.now + AT_ONCE else "drains"


def _lines(found: wire.Drained, view: View, *, dry_run: bool) -> Iterator[tuple[str, str]]:
    would = dry_run and not found.already
    for drain in found.drains:
        if drain.empty_from is not None:
            yield "would drain" if would else out(drain, view), f"{drain.node} {planned(drain, view)}"
    ended = [drain for drain in found.drains if drain.empty_from is None]
    for node in dict.fromkeys(drain.node for drain in ended):
        yield "back", f"{node}, from now on; {_over([drain for drain in ended if drain.node == node], would=would)}"
    yield from touched(found.moved, found.pulled, view, would=would, running=found.running)


def touched(
    moved: Sequence[wire.Touched],
    pulled: Sequence[wire.Touched],
    view: View,
    *,
    would: bool,
    running: Sequence[wire.Touched] = (),
) -> Iterator[tuple[str, str]]:
    """Leases that something touches, a line each, or that it touches none."""
    for one in moved:
        yield "would move" if would else "moved", f"{one.lease} of {one.company}, {_how(one, view)}"
    for one in pulled:
        yield (
            "would get" if would else "promised",
            f"{one.lease} of {one.company}, which was queued: {_when(one, view)}",
        )
    for one in running:
        yield "running", f"{one.lease} of {one.company} goes on to its end"
    if not moved and not running and not pulled:
        yield "touches", "no lease"


def _over(drains: Sequence[wire.Drain], *, would: bool) -> str:
    """Which drains of a node end: by their reasons, each said once, or by their ids."""
    said = list(dict.fromkeys(drain.reason or drain.id for drain in drains))
    verb = ("would be" if would else "is") if len(said) == 1 else ("would be" if would else "are")
    return f"{' and '.join(said)} {verb} over"


def _how(one: wire.Touched, view: View) -> str:
    if one.state is wire.LeaseState.QUEUED:
        return (
            f"back to the queue, from {view.short(one.starts_at_before)}: no place is left within the booking horizon"
        )
    moved = f"from {view.short(one.starts_at_before)} to {_when(one, view)}"
    if one.slipped_s:
        return f"{moved}, {times.show_duration(one.slipped_s)} later than promised"
    if one.starts_at == one.starts_at_before:
        return f"from {', '.join(one.nodes_before)} to {', '.join(one.nodes)}, at the same start, {_when(one, view)}"
    return f"{moved}, within its promise"


def _when(one: wire.Touched, view: View) -> str:
    return view.none if one.starts_at is None else view.full(one.starts_at)
